//! What can go wrong with the database.

/// What can go wrong with the database; [`StoreError::is_transient`] says what may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL can't be read. It may hold a password, so it is not repeated.
    #[error("the database URL can't be read")]
    Url(#[source] sqlx::Error),
    /// The database can't be reached, or no connection came free in time.
    #[error("the database can't be reached")]
    Unavailable(#[source] sqlx::Error),
    /// The database answered a statement with an error.
    #[error("a statement failed in the database")]
    Query(#[source] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database schema could not be migrated")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// A record holds something that this release can't read.
    #[error("the record {id} has a {column} that can't be read")]
    Corrupt {
        /// The id of the binding or the event.
        id: uuid::Uuid,
        /// The column that can't be read.
        column: &'static str,
        /// The rule that its value breaks.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Returns whether the same call may succeed later without anybody's help.
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

// Class 08 is connection trouble, 53 a lack of resources, 57P a server going down or coming up.
// Source: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
fn is_outage(code: Option<&str>) -> bool {
    code.is_some_and(|code| {
        code.starts_with("08") || code.starts_with("53") || code.starts_with("57P")
    })
}
