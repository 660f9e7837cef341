//! Whether the database schema has the version that this release needs.

use crate::{MIGRATIONS, Store, StoreError};

/// Whether the database schema has the version that this release needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// All migrations of this release have run.
    Ready,
    /// The database answers, but some migrations of this release have not run.
    MigrationsPending,
}

impl Store {
    /// Reads from the database whether all migrations of this release have run.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn readiness(&self) -> Result<Readiness, StoreError> {
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
        // This query is not checked at compile time, because sqlx creates the table with the first
        // migration.
        let applied: Result<Option<i64>, sqlx::Error> =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
                .fetch_one(&self.pool)
                .await;
        match applied {
            Ok(applied) if applied >= newest => Ok(Readiness::Ready),
            Ok(_) => Ok(Readiness::MigrationsPending),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => {
                Ok(Readiness::MigrationsPending)
            }
            Err(error) => Err(error.into()),
        }
    }
}
