//! The version of the database schema, and how it is brought up to date.

use sqlx::migrate::MigrateError;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use tokio::time::timeout;

use crate::connection::{ANSWER_LIMIT, Statements};
use crate::database::Pooler;
use crate::grants::DatabaseUsers;
use crate::{Store, StoreError};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");

/// Lets one process at a time migrate a database. sqlx derives the same number from nothing else that
/// is in use: it is the word `engine` and a number.
const MIGRATION_LOCK: i64 = 0x656e_6769_6e65_0001;

/// How the schema of the database compares with what this release needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// This release can work on it.
    Usable,
    /// Migrations of this release have not run.
    Older,
    /// A newer release has migrated it so that this release can't work on it.
    TooNew {
        /// The version of the schema.
        version: i64,
    },
}

/// Returns the version of the schema that this release needs: that of its newest migration.
pub fn needed_version() -> i64 {
    let versions = MIGRATIONS.iter().map(|migration| migration.version);
    versions.max().unwrap_or_default()
}

impl Schema {
    /// Compares a schema with what this release needs; `found` is the version of the schema and that
    /// of the oldest release that can work on it.
    pub(crate) fn compared(found: Option<(i64, i64)>, needed: i64) -> Self {
        match found {
            Some((version, _)) if version == needed => Self::Usable,
            Some((version, oldest)) if version > needed && oldest <= needed => Self::Usable,
            Some((version, _)) if version > needed => Self::TooNew { version },
            _ => Self::Older,
        }
    }
}

impl Store {
    /// Runs the migrations that the database lacks, all of them in one transaction: a process that
    /// dies meanwhile leaves the schema as it was. Several processes may do this at the same time; one
    /// of them migrates, the others wait. Uses the direct URL where there is one.
    ///
    /// # Errors
    /// When the database can't be reached, its user may not change the schema, or a migration fails.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.migrate_and_grant(DatabaseUsers::default()).await
    }

    /// As [`Store::migrate`], and gives these database users the rights that they need.
    ///
    /// # Errors
    /// As [`Store::migrate`], or when a user does not exist and can't be created, or owns the tables.
    pub async fn migrate_and_grant(&self, users: DatabaseUsers<'_>) -> Result<(), StoreError> {
        let database = self.direct.as_ref().unwrap_or(&self.database);
        // A migration may be slow, and the log would have all of its text.
        let options = database.options().await?.disable_statement_logging();
        let connected = timeout(ANSWER_LIMIT, options.connect()).await;
        let connected = connected.map_err(|elapsed| sqlx::Error::Io(elapsed.into()));
        let mut connection = connected.and_then(|connected| connected)?;
        match migrate_on(&mut connection, users).await {
            Err(StoreError::NoRights(error)) => return Err(StoreError::Forbidden(error)),
            migrated => migrated?,
        }
        // The migrations are committed, so that it makes no difference how the connection ends.
        let _ = connection.close().await;
        Ok(())
    }

    /// Reads from the database whether this release can work on its schema.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        let found = crate::connection::read!(
            self,
            fetch_optional,
            sqlx::query_as::<_, (i64, i64)>(
                "/* schema */ SELECT version, oldest_reader FROM schema_versions
                 ORDER BY version DESC LIMIT 1",
            )
        );
        match found {
            Ok(found) => Ok(Schema::compared(found, needed_version())),
            // A database that was never migrated, or only by a release before this table.
            Err(StoreError::NoTables(_)) => Ok(Schema::Older),
            Err(error) => Err(error),
        }
    }
}

/// Runs the missing migrations. Not with sqlx's own migrator, which needs locks and prepared statements
/// that outlive a transaction: behind a transaction pooler they end up on another client's connection.
async fn migrate_on(
    connection: &mut PgConnection,
    users: DatabaseUsers<'_>,
) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    // An index of a large table takes as long as it takes.
    let unlimited = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;
                     SET LOCAL idle_in_transaction_session_timeout = 0";
    transaction.execute(unlimited).await?;
    let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
    transaction.execute(sqlx::AssertSqlSafe(lock)).await?;
    let applied = applied(&mut transaction).await?;
    must_not_be_too_new(&mut transaction).await?;
    for migration in MIGRATIONS.iter() {
        let version = migration.version;
        match applied.iter().find(|(applied, _)| *applied == version) {
            Some((_, checksum)) if *checksum == *migration.checksum => continue,
            Some(_) => return Err(MigrateError::VersionMismatch(version).into()),
            None => {}
        }
        let failed = |source| match StoreError::from(source) {
            StoreError::NoRights(source) => StoreError::Forbidden(source),
            StoreError::Query(source) | StoreError::NoTables(source) => {
                MigrateError::ExecuteMigration(source, version).into()
            }
            down => down,
        };
        if applied.is_empty() && version == MIGRATIONS.iter().next().map_or(0, |it| it.version) {
            transaction
                .execute(MIGRATIONS_TABLE)
                .await
                .map_err(failed)?;
        }
        let script = transaction.execute(migration.sql.clone()).await;
        script.map_err(failed)?;
        let noted = sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES ($1, $2, true, $3, 0)",
        );
        let noted = noted
            .bind(version)
            .bind(&*migration.description)
            .bind(&*migration.checksum)
            .execute(Statements::on(&mut transaction, Pooler::Transaction));
        noted.await.map_err(failed)?;
    }
    users.grant(&mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// Checks that no newer release has migrated the schema so that this one can't work on it.
async fn must_not_be_too_new(connection: &mut PgConnection) -> Result<(), StoreError> {
    let exists = sqlx::query_scalar("SELECT to_regclass('schema_versions') IS NOT NULL");
    let exists: bool = exists
        .fetch_one(Statements::on(connection, Pooler::Transaction))
        .await?;
    if !exists {
        return Ok(());
    }
    let newest = sqlx::query_as::<_, (i64, i64)>(
        "SELECT version, oldest_reader FROM schema_versions ORDER BY version DESC LIMIT 1",
    );
    let newest = newest
        .fetch_optional(Statements::on(connection, Pooler::Transaction))
        .await?;
    match Schema::compared(newest, needed_version()) {
        Schema::TooNew { version } => Err(StoreError::SchemaTooNew { version }),
        Schema::Usable | Schema::Older => Ok(()),
    }
}

/// The table in which sqlx notes the migrations that have run, as sqlx creates it.
const MIGRATIONS_TABLE: &str = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
    success BOOLEAN NOT NULL,
    checksum BYTEA NOT NULL,
    execution_time BIGINT NOT NULL
)";

/// Returns version and checksum of the migrations that have run.
async fn applied(connection: &mut PgConnection) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let exists = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL");
    let exists: bool = exists
        .fetch_one(Statements::on(connection, Pooler::Transaction))
        .await?;
    if !exists {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success");
    let rows = rows.fetch_all(Statements::on(connection, Pooler::Transaction));
    Ok(rows.await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_works_on_its_own_schema_and_on_newer_ones_that_admit_it() {
        assert_eq!(Schema::compared(None, 20), Schema::Older);
        assert_eq!(Schema::compared(Some((10, 10)), 20), Schema::Older);
        assert_eq!(Schema::compared(Some((20, 10)), 20), Schema::Usable);
        assert_eq!(Schema::compared(Some((30, 20)), 20), Schema::Usable);
        let newer = Schema::TooNew { version: 30 };
        assert_eq!(Schema::compared(Some((30, 25)), 20), newer);
    }
}
