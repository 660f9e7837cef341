//! Whether the database can be used now.

use std::time::Duration;

use tokio::time::timeout;

use crate::schema::{Schema, needed_version};
use crate::{HEALTH_LIMIT, Store, StoreError};

/// Whether the database can be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// This release can work on it.
    Ready,
    /// The database answers, but some migrations of this release have not run.
    MigrationsPending,
    /// The database answers, but a newer release has migrated it so that this one can't work on it.
    SchemaTooNew,
    /// The server accepts no writes: it is a standby, or a failover is in progress.
    ReadOnly,
}

impl From<Schema> for Readiness {
    fn from(schema: Schema) -> Self {
        match schema {
            Schema::Usable => Self::Ready,
            Schema::Older => Self::MigrationsPending,
            Schema::TooNew { .. } => Self::SchemaTooNew,
        }
    }
}

/// The answer of the health check: the schema's version, the oldest release that can work on it, and
/// whether the server accepts no writes.
type Found = (Option<i64>, Option<i64>, bool);

const HEALTH: &str = "/* health */
    SELECT s.version, s.oldest_reader,
           pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean
    FROM (SELECT) AS one_row
    LEFT JOIN (
        SELECT version, oldest_reader FROM schema_versions
        ORDER BY version DESC LIMIT 1
    ) s ON true";
/// The same question about a database without the table of versions.
const HEALTH_OF_EMPTY: &str = "/* health */
    SELECT NULL::bigint, NULL::bigint,
           pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean";

impl Store {
    /// Returns whether the database can be used, and the age of that knowledge, at most 1.2 seconds. A
    /// heartbeat that was just acknowledged shows it; otherwise this reads it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn recent_readiness(&self) -> Result<(Readiness, Duration), StoreError> {
        if let Some((schema, age)) = self.replica.schema_just_seen() {
            return Ok((schema.into(), age));
        }
        Ok((self.readiness().await?, Duration::ZERO))
    }

    /// Reads whether the database can be used, on a connection that nothing else uses.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn readiness(&self) -> Result<Readiness, StoreError> {
        let found = match self.found().await {
            // The connection was idle, so it may have been broken for long.
            Err(StoreError::Unanswered(_)) => self.found().await,
            answered => answered,
        };
        match found {
            Ok((_, _, true)) | Err(StoreError::ReadOnly(_)) => Ok(Readiness::ReadOnly),
            Ok((version, oldest, false)) => {
                Ok(Schema::compared(version.zip(oldest), needed_version()).into())
            }
            Err(error) => Err(error),
        }
    }

    async fn found(&self) -> Result<Found, StoreError> {
        match self.ask(HEALTH).await {
            // Nobody can migrate on a server that accepts no writes, so that is the reason to name.
            Err(StoreError::NoTables(_)) => self.ask(HEALTH_OF_EMPTY).await,
            answered => answered,
        }
    }

    async fn ask(&self, sql: &'static str) -> Result<Found, StoreError> {
        let mut borrowed = self.borrow_from(&self.health).await?;
        let found = timeout(HEALTH_LIMIT, async {
            borrowed.begin().await?;
            let query = sqlx::query_as::<_, Found>(sql);
            let answer = query.fetch_one(borrowed.statements()).await;
            borrowed.end(answer).await
        });
        let found = {
            let found = found.await;
            borrowed.settle(found)
        };
        if let Ok((_, _, true)) = found {
            // After a failover another server accepts writes, under the same name.
            borrowed.leave();
        }
        found
    }
}
