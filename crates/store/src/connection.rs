//! Connections of the pool, each with a deadline for the statement that runs on it.
//!
//! Postgres ends a statement that takes too long by itself (`statement_timeout`, `lock_timeout`).
//! A server or a network that no longer answers does not, so this side has a deadline too. A
//! connection whose statement has not ended is closed and never returned to the pool: the next
//! borrower would get the answer to the wrong statement.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};
use tokio::time::error::Elapsed;

use crate::{Store, StoreError};

/// The longest time that a statement may wait for a lock in the server.
pub(crate) const LOCK_LIMIT: Duration = Duration::from_secs(3);
/// The longest time that a statement may take in the server.
pub(crate) const STATEMENT_LIMIT: Duration = Duration::from_secs(8);
/// The longest time that this side waits for the answer to a statement.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A connection of the pool. Unless [`Borrowed::settle`] was called, dropping it closes the
/// connection, because a statement may still be running on it.
pub(crate) struct Borrowed {
    connection: Option<PoolConnection<Postgres>>,
    is_settled: bool,
}

impl Borrowed {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        self.connection
            .as_mut()
            .expect("the connection is present until it is dropped")
    }

    /// Takes the result of the statement, and decides whether the connection can be used again.
    pub(crate) fn settle<T>(
        &mut self,
        result: Result<Result<T, sqlx::Error>, Elapsed>,
    ) -> Result<T, StoreError> {
        let result = result
            .unwrap_or_else(|elapsed| Err(sqlx::Error::Io(elapsed.into())))
            .map_err(|error| match StoreError::from(error) {
                StoreError::Unavailable(error) => StoreError::Unanswered(error),
                other => other,
            });
        self.is_settled = !matches!(result, Err(StoreError::Unanswered(_)));
        result
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.is_settled
        {
            // The pool may open another connection at once; dropping this one closes its socket.
            drop(connection.detach());
        }
    }
}

impl Store {
    /// Borrows a connection for one statement.
    pub(crate) async fn borrow_connection(&self) -> Result<Borrowed, StoreError> {
        Ok(Borrowed {
            connection: Some(self.pool.acquire().await?),
            is_settled: false,
        })
    }
}

/// Runs one statement on a connection of the pool, with a deadline. `$fetch` is the method of the
/// query that sends it, such as `fetch_optional`.
macro_rules! run {
    ($store:expr, $fetch:ident, $query:expr) => {{
        let mut borrowed = $store.borrow_connection().await?;
        let result = tokio::time::timeout(
            $crate::connection::ANSWER_LIMIT,
            $query.$fetch(borrowed.connection()),
        )
        .await;
        borrowed.settle(result)
    }};
}
pub(crate) use run;
