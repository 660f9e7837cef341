//! What can go wrong with the database.

/// What can go wrong with the database. [`StoreError::is_transient`] returns whether a retry can help.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL is invalid. The URL may contain a password, so the message does not repeat
    /// the URL.
    #[error("the database URL is invalid")]
    Url(#[source] sqlx::Error),
    /// The database can't be reached, or no connection of the pool became free in time.
    #[error("the database can't be reached")]
    Unavailable(#[source] sqlx::Error),
    /// The database answered a statement with an error.
    #[error("the database answered a statement with an error")]
    Query(#[source] sqlx::Error),
    /// A migration of the schema failed.
    #[error("the database schema could not be migrated")]
    Migration(#[source] sqlx::migrate::MigrateError),
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
    /// Returns whether the same call may succeed later without intervention.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Query(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Self::Unavailable(error),
            sqlx::Error::Database(ref inner) if is_outage(inner.code().as_deref()) => {
                Self::Unavailable(error)
            }
            other => Self::Query(other),
        }
    }
}

// Class 08 is a connection failure, 53 a lack of resources, 57P a server that stops or starts.
// Source: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
fn is_outage(code: Option<&str>) -> bool {
    code.is_some_and(|code| {
        code.starts_with("08") || code.starts_with("53") || code.starts_with("57P")
    })
}
