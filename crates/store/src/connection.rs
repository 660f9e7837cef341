//! Connections of the pool, each with a deadline for the statement that runs on it.
//!
//! Postgres ends a statement that takes too long by itself (`statement_timeout`, `lock_timeout`).
//! A server or a network that no longer answers does not, so this side has a deadline too. A
//! connection whose statement has not ended is closed and never returned to the pool: the next
//! borrower would get the answer to the wrong statement.
//!
//! A connection is not tested before it is used, because the test would cost each request another
//! round trip. Instead, the first connection that turns out to be broken makes the pool discard
//! every connection that is as old: after a restart or a failover of the server all of them are.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::{PoolConnection, PoolConnectionMetadata};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::time::error::Elapsed;

use crate::{Store, StoreError};

/// The longest time that a statement may wait for a lock in the server.
const LOCK_LIMIT: Duration = Duration::from_secs(3);
/// The longest time that a statement may take in the server, and that a transaction may be idle.
const STATEMENT_LIMIT: Duration = Duration::from_secs(8);
/// The longest time that this side waits for the answer to a statement.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// When a connection was last found broken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breakage(Arc<Mutex<Option<Instant>>>);

impl Breakage {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Returns whether a connection is younger than the last breakage.
    fn spares(&self, connection: &PoolConnectionMetadata) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_none_or(|at| connection.age < at.elapsed())
    }
}

/// Returns connection options with the server's time limits.
pub(crate) fn with_limits(options: PgConnectOptions) -> PgConnectOptions {
    let milliseconds = |limit: Duration| limit.as_millis().to_string();
    options.application_name("engine-roles").options([
        ("lock_timeout", milliseconds(LOCK_LIMIT)),
        ("statement_timeout", milliseconds(STATEMENT_LIMIT)),
        (
            "idle_in_transaction_session_timeout",
            milliseconds(STATEMENT_LIMIT),
        ),
    ])
}

/// Prepares a pool, which connects on first use.
pub(crate) fn pool(
    options: PgConnectOptions,
    size: u32,
    acquire_limit: Duration,
    breakage: &Breakage,
) -> PgPool {
    let breakage = breakage.clone();
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(acquire_limit)
        .test_before_acquire(false)
        .before_acquire(move |_, metadata| {
            let is_spared = breakage.spares(&metadata);
            Box::pin(async move { Ok(is_spared) })
        })
        .connect_lazy_with(options)
}

/// A connection of the pool. Unless [`Borrowed::settle`] was called, dropping it closes the
/// connection, because a statement may still be running on it.
pub(crate) struct Borrowed {
    connection: Option<PoolConnection<Postgres>>,
    is_settled: bool,
    breakage: Breakage,
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
        let Ok(result) = result else {
            let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
            return Err(StoreError::Unanswered(sqlx::Error::Io(error)));
        };
        match result.map_err(StoreError::from) {
            // The server accepts no writes: after a failover, another one does.
            Err(StoreError::ReadOnly(error)) => {
                self.breakage.note();
                Err(StoreError::ReadOnly(error))
            }
            Err(StoreError::Unavailable(error)) => {
                self.breakage.note();
                Err(StoreError::Unanswered(error))
            }
            other => {
                self.is_settled = true;
                other
            }
        }
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
        self.borrow_from(&self.pool).await
    }

    pub(crate) async fn borrow_from(&self, pool: &PgPool) -> Result<Borrowed, StoreError> {
        Ok(Borrowed {
            connection: Some(pool.acquire().await?),
            is_settled: false,
            breakage: self.breakage.clone(),
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

/// As [`run`], for a statement that only reads: sends it again, once, on another connection if the
/// first one turns out to be broken.
macro_rules! read {
    ($store:expr, $fetch:ident, $query:expr) => {{
        let started = std::time::Instant::now();
        let mut is_first = true;
        loop {
            let answered = async { $crate::connection::run!($store, $fetch, $query) }.await;
            let is_broken = matches!(answered, Err($crate::StoreError::Unanswered(_)));
            if is_first && is_broken && started.elapsed() < $crate::connection::ANSWER_LIMIT {
                is_first = false;
                continue;
            }
            break answered;
        }
    }};
}
pub(crate) use read;
