//! What can go wrong with the database.

use metrics::counter;
use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

use crate::database_url::UrlError;

/// What can go wrong with the database. [`StoreError::is_transient`] returns whether a retry can help.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL can't be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The URL that leads to Postgres past a pooler can't be used.
    #[error(transparent)]
    DirectUrl(UrlError),
    /// No token could be made that Postgres accepts in place of a password.
    #[error("no token for the database could be made")]
    Token(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Postgres refused user or password, or the user may not use the database.
    #[error("the database refused the login")]
    Refused(#[source] sqlx::Error),
    /// The database can't be reached, or no connection of the pool became free in time.
    #[error("the database can't be reached")]
    Unavailable(#[source] sqlx::Error),
    /// What answers is a connection pooler that refuses the parameters with which a connection to
    /// Postgres itself begins.
    #[error(
        "the database is behind a connection pooler: set ENGINE_ROLES_DATABASE_POOLER to its pool mode, \
         session or transaction"
    )]
    Pooler(#[source] sqlx::Error),
    /// A statement was sent, and the database did not answer: the statement may have taken effect.
    #[error("the database did not answer a statement")]
    Unanswered(#[source] sqlx::Error),
    /// The server accepts no writes: it is a standby, or a failover is in progress.
    #[error("the database accepts no writes")]
    ReadOnly(#[source] sqlx::Error),
    /// It is not known yet whether an intent was recorded, because the database did not answer.
    #[error("the database did not answer whether the request was recorded")]
    OutcomeUnknown,
    /// Other requests for the same cluster have been recording their intents for too long.
    #[error("the record of the cluster is locked in the database")]
    ClusterBusy,
    /// The database answered a statement with an error.
    #[error("the database answered a statement with an error")]
    Query(#[source] sqlx::Error),
    /// The database lacks a table: no migration has run yet, or none of this release.
    #[error(
        "the database has no tables of Engine Roles yet, or only those of an older release: run \
         `engine-roles migrate`"
    )]
    NoTables(#[source] sqlx::Error),
    /// A migration of the schema failed.
    #[error("the database schema could not be migrated")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A newer release has migrated the schema so that this one can't work on it.
    #[error(
        "the database schema has version {version}, and this release can't work on it: run a newer \
         release, or restore a backup from before the migration"
    )]
    SchemaTooNew {
        /// The version of the schema.
        version: i64,
    },
    /// The database user may not change the schema.
    #[error("the database user may not change the schema; run `engine-roles migrate` as its owner")]
    Forbidden(#[source] sqlx::Error),
    /// The database user lacks a right that serving needs.
    #[error(
        "the database user lacks a right that serving needs: run `engine-roles migrate --grant-to USER` \
         as the owner of the tables"
    )]
    NoRights(#[source] sqlx::Error),
    /// The user to whom the rights of serving were to be given owns the tables.
    #[error("{user} owns tables of the service, so it has every right: leave --grant-to out")]
    GrantToOwner {
        /// The name of the user.
        user: String,
    },
    /// A user to whom rights were to be given does not exist, and our own user may create none.
    #[error(
        "there is no database user {user}, and this user may not create it: run CREATE ROLE first"
    )]
    NoUser {
        /// The name of the user.
        user: String,
        /// Why it could not be created.
        #[source]
        source: sqlx::Error,
    },
    /// A user to whom rights were to be given may create objects where the tables are, and could act with
    /// the rights of their owner.
    #[error(
        "{user} may create objects in schema {schema}, and could act with the rights of the tables' owner: \
         run REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {user} first"
    )]
    MayCreate {
        /// The name of the user.
        user: String,
        /// The schema of the tables.
        schema: String,
    },
    /// One user was to get the rights of serving and those of an auditor.
    #[error("{user} can't serve and audit: name another user with --grant-audit-to")]
    OneUserForBoth {
        /// The name of the user.
        user: String,
    },
    /// An event of the audit log has a value that can't be read: somebody changed the database.
    #[error("event {seq} of the audit log has a {column} that can't be read")]
    UnreadableEvent {
        /// The number of the event.
        seq: i64,
        /// The column that can't be read.
        column: &'static str,
    },
    /// The failure of a statement that was sent for several callers; [`StoreError::original`] returns it.
    #[error(transparent)]
    Shared(std::sync::Arc<StoreError>),
    /// A row contains a value that this release can't read.
    #[error("the record {id} has a {column} that can't be read")]
    Corrupt {
        /// The id of the binding or the event.
        id: uuid::Uuid,
        /// The column that can't be read.
        column: &'static str,
        /// Why the value can't be read.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Counts the failure of a statement.
    pub(crate) fn count(&self) {
        counter!("engine_roles_database_errors_total", "kind" => self.kind()).increment(1);
    }

    /// Returns the word for the failure of a statement in metrics and traces.
    pub(crate) fn kind(&self) -> &'static str {
        match self.original() {
            Self::Unavailable(_) => "unavailable",
            Self::Unanswered(_) => "unanswered",
            Self::ReadOnly(_) => "read_only",
            Self::Refused(_) => "login_refused",
            Self::NoRights(_) => "no_rights",
            _ if self.is_conflict() => "conflict",
            _ => "other",
        }
    }

    /// Returns the failure itself, also where several callers share it.
    pub fn original(&self) -> &Self {
        match self {
            Self::Shared(original) => original.original(),
            original => original,
        }
    }

    /// Returns whether the same call may succeed later without intervention.
    ///
    /// An error about a value (SQLSTATE class 22, data exception) or a constraint (class 23, integrity
    /// constraint violation) is a defect of this program, and the same call fails again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Shared(original) => original.is_transient(),
            Self::Query(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default();
                !code.starts_with("22") && !code.starts_with("23")
            }
            // A value that this program can't read.
            Self::Query(sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
            | Self::Url(_)
            | Self::DirectUrl(_)
            | Self::Migration(_)
            | Self::Forbidden(_)
            | Self::GrantToOwner { .. }
            | Self::NoUser { .. }
            | Self::OneUserForBoth { .. }
            | Self::MayCreate { .. }
            | Self::UnreadableEvent { .. }
            | Self::Corrupt { .. } => false,
            Self::Unavailable(_)
            | Self::Pooler(_)
            | Self::Unanswered(_)
            | Self::ReadOnly(_)
            | Self::OutcomeUnknown
            | Self::ClusterBusy
            | Self::Token(_)
            | Self::Refused(_)
            | Self::NoRights(_)
            | Self::NoTables(_)
            | Self::SchemaTooNew { .. }
            | Self::Query(_) => true,
        }
    }

    /// Returns whether Postgres refused the login, so that another password may help.
    pub(crate) fn is_refused_login(&self) -> bool {
        matches!(self.original(), Self::Refused(_))
    }

    /// Returns whether a server refused a connection because it starts, ends, or has no room.
    pub(crate) fn is_not_ready_yet(&self) -> bool {
        match self.original() {
            Self::Unavailable(sqlx::Error::Io(error)) => {
                error.kind() == std::io::ErrorKind::ConnectionRefused
            }
            Self::Unavailable(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| NOT_YET.contains(&&*code))
            }
            _ => false,
        }
    }

    /// Returns whether another transaction was in the way and nothing was written, so that the caller
    /// must read again: a serialization failure, a deadlock, or a row that another transaction
    /// inserted first.
    pub(crate) fn is_conflict(&self) -> bool {
        let Self::Query(sqlx::Error::Database(error)) = self.original() else {
            return false;
        };
        match error.code().as_deref() {
            Some("40001" | "40P01") => true,
            // A unique index of ours; Postgres names it.
            Some("23505") => error
                .constraint()
                .is_some_and(|name| OWN_UNIQUE_INDEXES.contains(&name)),
            _ => false,
        }
    }

    /// Returns whether the database answered a statement with this SQLSTATE.
    pub(crate) fn has_code(&self, code: &str) -> bool {
        let Self::Query(sqlx::Error::Database(error)) = self.original() else {
            return false;
        };
        error.code().as_deref() == Some(code)
    }
}

/// Returns the text of an error. sqlx adds the line of Postgres's own source code to what Postgres answers,
/// which is left out.
pub fn text_of(error: &(dyn std::error::Error + 'static)) -> String {
    let text = error.to_string();
    let of_sqlx = error.downcast_ref::<sqlx::Error>();
    let answer = of_sqlx.and_then(sqlx::Error::as_database_error);
    let answer = answer.or_else(|| {
        let cause = error.downcast_ref::<Box<dyn DatabaseError>>();
        cause.map(AsRef::as_ref)
    });
    let answer = answer.and_then(|answer| answer.try_downcast_ref());
    let line = answer.and_then(PgDatabaseError::line);
    let line = line.map(|line| format!(" at line {line}"));
    match line.and_then(|line| text.strip_suffix(&line)) {
        Some(text) => text.to_owned(),
        None => text,
    }
}

/// The unique indexes that two requests for one cluster at once can violate.
const OWN_UNIQUE_INDEXES: [&str; 5] = [
    "bindings_pkey",
    "bindings_one_live",
    "bindings_newest_of_cluster",
    "bindings_resource_name_key",
    "clusters_pkey",
];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => {
                let reason = "no connection was opened, or became free, in time";
                let timed_out = std::io::Error::new(std::io::ErrorKind::TimedOut, reason);
                Self::Unavailable(sqlx::Error::Io(timed_out))
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Self::Unavailable(error),
            sqlx::Error::Database(ref inner) if inner.code().as_deref() == Some(READ_ONLY) => {
                Self::ReadOnly(error)
            }
            sqlx::Error::Database(ref inner) if inner.code().as_deref() == Some(NO_RIGHTS) => {
                Self::NoRights(error)
            }
            sqlx::Error::Database(ref inner) if inner.code().as_deref() == Some(NO_TABLE) => {
                Self::NoTables(error)
            }
            sqlx::Error::Database(ref inner) if is_of_pooler(inner.message()) => {
                Self::Pooler(error)
            }
            sqlx::Error::Database(ref inner) if is_refusal(inner.code().as_deref()) => {
                Self::Refused(error)
            }
            sqlx::Error::Database(ref inner) if is_outage(inner.code().as_deref()) => {
                Self::Unavailable(error)
            }
            other => Self::Query(other),
        }
    }
}

/// `too_many_connections` and `cannot_connect_now`.
const NOT_YET: [&str; 2] = ["53300", "57P03"];

/// `read_only_sql_transaction`.
const READ_ONLY: &str = "25006";

/// `undefined_table`.
const NO_TABLE: &str = "42P01";

/// `insufficient_privilege`.
const NO_RIGHTS: &str = "42501";

// PgBouncer's words, which has no code of its own for this.
fn is_of_pooler(message: &str) -> bool {
    message.contains("unsupported startup parameter")
}

// Class 28 is an invalid authorization, 3D000 a database that does not exist.
fn is_refusal(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.starts_with("28") || code == "3D000")
}

// Class 08 is a connection failure, 53 a lack of resources, 57P a server that stops or starts.
// Source: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
fn is_outage(code: Option<&str>) -> bool {
    code.is_some_and(|code| {
        code.starts_with("08") || code.starts_with("53") || code.starts_with("57P")
    })
}
