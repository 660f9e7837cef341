//! Whether the database can serve.

use crate::{MIGRATIONS, Store, StoreError};

/// What the database lacks, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It serves.
    Ready,
    /// It answers, but not all migrations were run.
    MigrationsPending,
}

impl Store {
    /// Asks the database whether it serves this version.
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
