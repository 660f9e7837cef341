//! The only crate that uses sqlx: bindings, leases, audit events, migrations.
//!
//! The boundary exists so that no other crate can hold a transaction open, least of all during a call
//! to AWS: each function here is one transaction, and takes and returns types of the domain. Row
//! types are private. SQL writes what `domain::binding::lifecycle` returned and never decides a
//! state. All times are the database's own, read with `service_now()`.
//!
//! The methods of [`Store`] are divided into one file for each kind of record.

#![warn(missing_docs)]

mod audit;
mod boot_time;
mod budget;
mod clusters;
mod connection;
mod counts;
mod error;
mod heartbeat;
mod intents;
mod leases;
mod lists;
mod notify;
mod operation;
mod orphans;
mod outcomes;
mod prepared;
mod ready;
mod replicas;
mod retention;
mod row;
mod sweeps;
mod views;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::resources::Namespace;
use sqlx::PgPool;
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnectOptions;

use connection::{Breakage, pool, read, with_limits};
use replicas::CurrentReplica;

pub use audit::{AuditFilter, Maintained, Sequenced};
pub use boot_time::BootTime;
pub use budget::{BudgetLimits, CallRequest, Precedence, Reservation};
pub use clusters::Latest;
pub use error::StoreError;
pub use heartbeat::{Seen, Tick, Ticker};
pub use intents::{Change, Intent, IntentIds, RecordedIntent};
pub use leases::Lease;
pub use lists::{BindingFilter, ListPosition, Page};
pub use notify::WorkListener;
pub use operation::Operation;
pub use orphans::{FoundOrphan, Orphan};
pub use outcomes::{Next, Recorded};
pub use prepared::{PreparedRole, Reading};
pub use ready::Readiness;
pub use replicas::ReplicaId;
pub use sweeps::Sweep;

/// How long a health check waits for its connection.
const HEALTH_LIMIT: Duration = Duration::from_secs(3);

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");

/// How the database is reached.
#[derive(Clone)]
pub struct StoreConfig {
    /// `postgres://…`. The URL may contain a password, so this type does not implement `Debug`.
    pub url: String,
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

/// The records of one installation.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    /// One connection for the health check alone, so that the check waits for no other statement.
    health: PgPool,
    breakage: Breakage,
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
    /// When the URL is invalid.
    pub fn new(config: &StoreConfig, namespace: Namespace) -> Result<Self, StoreError> {
        let options: PgConnectOptions = config.url.parse().map_err(StoreError::Url)?;
        let options = with_limits(options);
        let breakage = Breakage::default();
        let limit = config.acquire_timeout;
        let pool = pool(options.clone(), config.max_connections, limit, &breakage);
        Ok(Self {
            health: connection::pool(options, 1, HEALTH_LIMIT, &breakage),
            breakage,
            pool,
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

    /// Runs the migrations that the database lacks. Several replicas may do so at the same time:
    /// sqlx takes an advisory lock.
    ///
    /// # Errors
    /// When the database can't be reached or a migration fails.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await?.detach();
        sqlx::raw_sql("SET statement_timeout = 0; SET lock_timeout = 0")
            .execute(&mut connection)
            .await?;
        // `run` takes any kind of connection, which makes its future too general to be spawned.
        let ran = MIGRATIONS.run_direct(None, &mut connection, false).await;
        ran.map_err(|error| match error {
            MigrateError::Execute(cause) => match StoreError::from(cause) {
                down @ StoreError::Unavailable(_) => down,
                StoreError::Query(cause) => StoreError::Migration(MigrateError::Execute(cause)),
                other => other,
            },
            other => StoreError::Migration(other),
        })
    }

    /// Closes the pool, and waits until connections in use are returned.
    pub async fn close(&self) {
        self.health.close().await;
        self.pool.close().await;
    }
}
