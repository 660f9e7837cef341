//! Connections of the pool, each with a deadline for the statement that runs on it.
//!
//! Postgres ends a statement that takes too long by itself (`statement_timeout`, `lock_timeout`).
//! A server or a network that no longer answers does not, so this side has a deadline too. A
//! connection whose statement has not ended is closed and never returned to the pool: the next
//! borrower would get the answer to the wrong statement.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use metrics::histogram;
use sqlx::postgres::{PgQueryResult, PgRow, PgTypeInfo};
use sqlx::{Either, Execute, Executor, PgConnection, Postgres, SqlStr};
use tokio::time::error::Elapsed;

use crate::database::Pooler;
use crate::limits::{LIMITS, Limits};
use crate::pool::{Breakage, Pool, PoolUse, PooledConnection};
use crate::{Store, StoreError};

/// The longest time that this side waits for the answer to a statement.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Where a statement is run: on a connection, with or without a name under which the server keeps it.
///
/// sqlx sends the text of a statement and its arguments in two steps. A transaction pooler may give
/// each step to another server connection, unless a transaction keeps them together; and it may give
/// a kept statement's name to a connection on which another client uses the same name. So behind such
/// a pooler each statement has no name, and a transaction of its own.
#[derive(Debug)]
pub(crate) struct Statements<'c> {
    connection: &'c mut PgConnection,
    is_named: bool,
}

impl<'c> Statements<'c> {
    pub(crate) fn on(connection: &'c mut PgConnection, pooler: Pooler) -> Self {
        Self {
            connection,
            is_named: pooler != Pooler::Transaction,
        }
    }
}

/// A query of which the server may not keep the statement.
struct Unnamed<E> {
    query: E,
    is_named: bool,
}

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Unnamed<E> {
    fn sql(self) -> SqlStr {
        self.query.sql()
    }

    fn statement(&self) -> Option<&sqlx::postgres::PgStatement> {
        self.query.statement()
    }

    fn take_arguments(
        &mut self,
    ) -> Result<Option<sqlx::postgres::PgArguments>, sqlx::error::BoxDynError> {
        self.query.take_arguments()
    }

    fn persistent(&self) -> bool {
        self.is_named && self.query.persistent()
    }
}

impl<'c> Executor<'c> for Statements<'c> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let is_named = self.is_named;
        self.connection.fetch_many(Unnamed { query, is_named })
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let is_named = self.is_named;
        self.connection.fetch_optional(Unnamed { query, is_named })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<sqlx::postgres::PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        self.connection.prepare_with(sql, parameters)
    }

    fn describe<'e>(
        self,
        sql: SqlStr,
    ) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        self.connection.describe(sql)
    }
}

/// Begins the transaction that a statement needs behind a transaction pooler.
pub(crate) async fn begin(
    connection: &mut PgConnection,
    pooler: Pooler,
    limits: Limits,
) -> Result<(), sqlx::Error> {
    if pooler == Pooler::Transaction {
        let begin = sqlx::AssertSqlSafe(limits.begin());
        connection.execute(begin).await?;
    }
    Ok(())
}

/// Ends the transaction of [`begin`]: the answer counts only once the transaction is committed.
pub(crate) async fn end<T>(
    connection: &mut PgConnection,
    pooler: Pooler,
    answer: Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    if pooler == Pooler::Transaction {
        match &answer {
            Ok(_) => connection.execute("COMMIT").await?,
            Err(sqlx::Error::Database(_)) => connection.execute("ROLLBACK").await?,
            // The connection is broken, and will be closed.
            Err(_) => return answer,
        };
    }
    answer
}

/// A connection of the pool. Unless [`Borrowed::settle`] was called, dropping it closes the
/// connection, because a statement may still be running on it.
pub(crate) struct Borrowed {
    connection: Option<PooledConnection>,
    is_settled: bool,
    breakage: Breakage,
    pooler: Pooler,
}

impl Borrowed {
    fn connection(&mut self) -> &mut PgConnection {
        self.connection
            .as_mut()
            .expect("the connection is present until it is dropped")
    }

    /// Begins the transaction that the statement needs behind a transaction pooler.
    pub(crate) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        let pooler = self.pooler;
        begin(self.connection(), pooler, LIMITS).await
    }

    /// Returns where the statement is run.
    pub(crate) fn statements(&mut self) -> Statements<'_> {
        let pooler = self.pooler;
        Statements::on(self.connection(), pooler)
    }

    /// Ends the transaction of [`Borrowed::begin`].
    pub(crate) async fn end<T>(
        &mut self,
        answer: Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let pooler = self.pooler;
        end(self.connection(), pooler, answer).await
    }

    /// Makes the connection be closed, although its last statement succeeded.
    pub(crate) fn leave(&mut self) {
        self.breakage.note();
        self.is_settled = false;
    }

    /// Takes the result of the statement, and decides whether the connection can be used again.
    pub(crate) fn settle<T>(
        &mut self,
        result: Result<Result<T, sqlx::Error>, Elapsed>,
    ) -> Result<T, StoreError> {
        let settled = self.settle_uncounted(result);
        settled.inspect_err(StoreError::count)
    }

    fn settle_uncounted<T>(
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
            drop(PooledConnection::take(connection));
        }
    }
}

impl Store {
    /// Returns how the connections of the pool are used.
    pub fn pool_use(&self) -> PoolUse {
        self.pool.usage()
    }

    /// Borrows a connection for one statement.
    ///
    /// # Errors
    /// Also when the last heartbeat found a schema that this release can't work on.
    pub(crate) async fn borrow_connection(&self) -> Result<Borrowed, StoreError> {
        let understood = self.replica.understands_schema();
        understood.inspect_err(StoreError::count)?;
        let asked_at = Instant::now();
        let borrowed = self.borrow_from(&self.pool).await;
        let waited = asked_at.elapsed().as_secs_f64();
        histogram!("engine_roles_database_connection_wait_seconds").record(waited);
        borrowed.inspect_err(StoreError::count)
    }

    pub(crate) async fn borrow_from(&self, pool: &Pool) -> Result<Borrowed, StoreError> {
        let connection = match pool.get().await {
            // Another password may help.
            Err(error) if error.is_refused_login() && self.database.reload().await.is_some() => {
                pool.get().await?
            }
            answered => answered?,
        };
        Ok(Borrowed {
            connection: Some(connection),
            is_settled: false,
            breakage: self.breakage.clone(),
            pooler: self.database.pooler,
        })
    }
}

/// Runs one statement on a connection of the pool, with a deadline. `$fetch` is the method of the
/// query that sends it, such as `fetch_optional`.
macro_rules! run {
    ($store:expr, $fetch:ident, $query:expr) => {{
        let span = $crate::spans::operation_span(std::any::type_name_of_val(&|| ()));
        // As one expression: a future in a variable would be stored twice.
        let answered = tracing::Instrument::instrument(
            async {
                let mut borrowed = $store.borrow_connection().await?;
                let result = tokio::time::timeout($crate::connection::ANSWER_LIMIT, async {
                    borrowed.begin().await?;
                    let answer = $query.$fetch(borrowed.statements()).await;
                    borrowed.end(answer).await
                })
                .await;
                borrowed.settle(result)
            },
            span.clone(),
        )
        .await;
        $crate::spans::note_failure(&span, answered)
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
