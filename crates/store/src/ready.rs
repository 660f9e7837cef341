//! Whether the database can serve this release.

use crate::{MIGRATIONS, Store, StoreError};

/// Whether the database can serve this release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// All migrations of this release were run.
    Ready,
    /// It answers, but not all migrations were run.
    MigrationsPending,
}

impl Store {
    /// Asks the database whether it can serve this release.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn readiness(&self) -> Result<Readiness, StoreError> {
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
        // Not checked at compile time: the table is sqlx's own and is not there before the
        // first migration.
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
