//! Whether the database schema has the version that this release needs.

use tokio::time::timeout;

use crate::{HEALTH_LIMIT, MIGRATIONS, Store, StoreError};

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
        let applied = match self.applied_version().await {
            // The connection was idle, so it may have been broken for long.
            Err(StoreError::Unanswered(_)) => self.applied_version().await,
            answered => answered,
        };
        match applied {
            Ok(applied) if applied >= newest => Ok(Readiness::Ready),
            Ok(_) => Ok(Readiness::MigrationsPending),
            Err(StoreError::Query(sqlx::Error::Database(error)))
                if error.code().as_deref() == Some("42P01") =>
            {
                Ok(Readiness::MigrationsPending)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the version of the newest migration that has run; none when none has.
    async fn applied_version(&self) -> Result<Option<i64>, StoreError> {
        let mut borrowed = self.borrow_from(&self.health).await?;
        let query = sqlx::query_scalar(
            "/* health */ SELECT max(version) FROM _sqlx_migrations WHERE success",
        );
        let applied = timeout(HEALTH_LIMIT, query.fetch_one(borrowed.connection())).await;
        borrowed.settle(applied)
    }
}
