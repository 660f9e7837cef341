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
mod budget;
mod clusters;
mod error;
mod intents;
mod leases;
mod notify;
mod orphans;
mod outcomes;
mod prepared;
mod ready;
mod row;
mod sweeps;
mod views;

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::resources::Namespace;
use sqlx::PgPool;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

pub use audit::AuditFilter;
pub use budget::BudgetLimits;
pub use clusters::Latest;
pub use error::StoreError;
pub use intents::{Change, Intent, IntentError, RecordedIntent};
pub use leases::Lease;
pub use notify::WorkListener;
pub use orphans::{FoundOrphan, Orphan};
pub use outcomes::{Next, Recorded};
pub use prepared::{PreparedRole, Reading};
pub use ready::Readiness;
pub use sweeps::Sweep;
pub use views::{BindingFilter, Page};

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
    namespace: Namespace,
    lease_length: Duration,
    window: Duration,
}

impl Store {
    /// Prepares the pool. The pool connects on first use, so the service can start while the
    /// database is down.
    ///
    /// # Errors
    /// When the URL is invalid.
    pub fn new(config: &StoreConfig, namespace: Namespace) -> Result<Self, StoreError> {
        let options: PgConnectOptions = config.url.parse().map_err(StoreError::Url)?;
        let options = options.application_name("engine-roles");
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(config.acquire_timeout)
            .connect_lazy_with(options);
        Ok(Self {
            pool,
            namespace,
            lease_length: config.lease,
            window: config.consistency_window,
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
        let row = sqlx::query!(r#"SELECT service_now() AS "now!""#)
            .fetch_one(&self.pool)
            .await?;
        Ok(row.now)
    }

    /// Runs the migrations that the database lacks. Several replicas may do so at the same time:
    /// sqlx takes an advisory lock.
    ///
    /// # Errors
    /// When the database can't be reached or a migration fails.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let ran = MIGRATIONS.run(&self.pool).await;
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
        self.pool.close().await;
    }
}
