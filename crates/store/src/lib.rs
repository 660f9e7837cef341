//! The only user of sqlx: bindings, leases, audit events, migrations.
//!
//! The boundary exists so that nothing else can hold a transaction open, least of all across a call
//! to AWS: each function here is one transaction, and takes and returns types of the domain. Rows
//! stay private. SQL writes what `domain::binding::lifecycle` returned and decides no state. All
//! times are the database's own, by `service_now()`.
//!
//! [`Store`] has one file for each thing that it keeps: each holds the statements about it, and no
//! state.

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
    /// `postgres://…`; may hold a password, so it has no `Debug`.
    pub url: String,
    /// The most connections at once.
    pub max_connections: u32,
    /// How long a caller waits for a connection.
    pub acquire_timeout: Duration,
    /// How long a lease lasts without being renewed.
    pub lease: Duration,
    /// How long IAM's reads may lag behind its writes, and an unanswered write may still take effect.
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
    /// Prepares the pool. No connection is made yet, so a database that is down at the start is
    /// no reason to die.
    ///
    /// # Errors
    /// When the URL can't be read.
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

    /// Returns the installation whose records these are.
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

    /// Brings the schema up to date. Safe to run from several replicas at once: sqlx takes an
    /// advisory lock.
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

    /// Closes the pool, waiting for what is in use.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
