//! The only crate that uses sqlx: bindings, leases, audit events, migrations.
//!
//! The boundary exists so that no other crate can hold a transaction open, least of all during a call
//! to AWS: each function here is one transaction, and takes and returns types of the domain. Row
//! types are private. SQL writes what `domain::binding::lifecycle` returned and never decides a
//! state. All times are the database's own, read with `service_now()`.
//!
//! The methods of [`Store`] are divided into one file for each kind of record.

#![warn(missing_docs)]

mod api_keys;
mod audit;
mod boot_time;
mod budget;
mod budget_levels;
mod clusters;
mod connection;
mod console_sessions;
mod counts;
mod database;
mod database_url;
mod durability;
mod error;
mod grants;
mod heartbeat;
mod intents;
mod leases;
mod limits;
mod lists;
mod notify;
mod operation;
mod orphans;
mod outcomes;
mod pool;
mod prepared;
mod ready;
mod replicas;
mod retention;
mod row;
mod schema;
mod shared_reads;
mod spans;
mod sweeps;
mod views;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::resources::Namespace;

use connection::read;
use database::Database;
use pool::{Breakage, Pool};
use replicas::CurrentReplica;
use shared_reads::SharedReads;

pub use api_keys::{ApiKeyRecord, KeyChange, KeyChanges, KeyHash, NewApiKey};
pub use audit::{
    AuditFilter, AuditPage, AuditTree, Maintained, Sequenced, StoredTile, TilePlace, TreeExtension,
};
pub use boot_time::BootTime;
pub use budget::{BudgetLimits, CallRequest, Precedence, Reservation};
pub use budget_levels::BudgetLevel;
pub use clusters::Latest;
pub use console_sessions::{ConsoleSession, NewConsoleSession, SessionHash};
pub use database::{Pooler, TokenAnswer, TokenRequest, TokenSource};
pub use database_url::{DatabaseUrl, UrlError};
pub use durability::Durability;
pub use error::{StoreError, text_of};
pub use grants::DatabaseUsers;
pub use heartbeat::{Seen, Tick, Ticker};
pub use intents::{Change, Intent, IntentIds, RecordedIntent};
pub use leases::Lease;
pub use lists::{BindingFilter, Incarnation, ListPosition, Page};
pub use notify::WorkListener;
pub use operation::Operation;
pub use orphans::{FoundOrphan, Orphan};
pub use outcomes::{Next, Recorded};
pub use pool::PoolUse;
pub use prepared::{PreparedRole, Reading};
pub use ready::Readiness;
pub use replicas::{ReplicaId, ReplicaRecord};
pub use schema::{Schema, needed_version};
pub use sweeps::Sweep;

/// How long a health check waits for its connection.
const HEALTH_LIMIT: Duration = Duration::from_secs(3);

/// How the database is reached.
#[derive(Clone)]
pub struct StoreConfig {
    /// `postgres://…`.
    pub url: DatabaseUrl,
    /// A URL that leads to Postgres past the pooler, for the heartbeat, for notifications and for
    /// migrations; none where there is no other.
    pub direct_url: Option<DatabaseUrl>,
    /// What is between the service and Postgres.
    pub pooler: Pooler,
    /// Makes passwords for new connections; none where the URL or a password file has the password.
    pub tokens: Option<TokenSource>,
    /// The size of the connection pool.
    pub max_connections: u32,
    /// How long a caller waits for a connection of the pool.
    pub acquire_timeout: Duration,
    /// How long a lease lasts without being renewed.
    pub lease: Duration,
    /// How long IAM's reads may lag behind its writes, and for how long a write that IAM did not
    /// answer may still take effect.
    pub consistency_window: Duration,
}

impl StoreConfig {
    /// Returns the configuration for a URL, with ten connections, and otherwise with the defaults of
    /// the service.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: DatabaseUrl::Text(url.into().into()),
            direct_url: None,
            pooler: Pooler::None,
            tokens: None,
            max_connections: 10,
            acquire_timeout: Duration::from_secs(10),
            lease: Duration::from_mins(1),
            consistency_window: Duration::from_mins(1),
        }
    }
}

/// The records of one installation.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    /// One connection for the health check alone, so that the check waits for no other statement.
    health: Pool,
    breakage: Breakage,
    shared_reads: Arc<SharedReads>,
    database: Arc<Database>,
    /// The database past the pooler; none where there is no other way.
    direct: Option<Arc<Database>>,
    namespace: Namespace,
    lease_length: Duration,
    window: Duration,
    replica: Arc<CurrentReplica>,
}

impl Store {
    /// Prepares the pool. The pool connects on first use, so the service can start while the
    /// database is down.
    ///
    /// # Errors
    /// When a URL can't be read or used.
    pub fn new(config: &StoreConfig, namespace: Namespace) -> Result<Self, StoreError> {
        let database = |url: &DatabaseUrl, pooler| {
            Database::new(url.clone(), pooler, config.tokens.clone()).map(Arc::new)
        };
        let direct = config.direct_url.as_ref();
        let direct = direct.map(|url| database(url, Pooler::None)).transpose();
        let direct = direct.map_err(StoreError::DirectUrl)?;
        let database = database(&config.url, config.pooler)?;
        let breakage = Breakage::default();
        let limit = config.acquire_timeout;
        Ok(Self {
            pool: Pool::new(&database, config.max_connections, limit, &breakage),
            health: Pool::new(&database, 1, HEALTH_LIMIT, &breakage),
            breakage,
            shared_reads: Arc::default(),
            database,
            direct,
            namespace,
            lease_length: config.lease,
            window: config.consistency_window,
            replica: Arc::default(),
        })
    }

    /// Returns the name of the installation whose records this store reads and writes.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Returns how long a lease lasts without being renewed.
    pub fn lease_length(&self) -> Duration {
        self.lease_length
    }

    /// Returns how long IAM's reads may lag behind its writes.
    pub fn consistency_window(&self) -> Duration {
        self.window
    }

    /// Returns the database's time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        let row = read!(
            self,
            fetch_one,
            sqlx::query!(r#"/* read */ SELECT service_now() AS "now!""#)
        )?;
        Ok(row.now)
    }

    /// Closes the pool, and waits until connections in use are returned.
    pub async fn close(&self) {
        self.health.close().await;
        self.pool.close().await;
    }
}
