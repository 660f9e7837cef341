//! The pool of connections to the database.
//!
//! The pool is `deadpool`'s, and not that of sqlx: sqlx asks the server for a sign of life whenever a
//! connection is returned, which costs each statement another round trip.
//!
//! A connection is not tested before it is used either. Instead, the first connection that turns out
//! to be broken makes the pool discard every connection that is as old: after a restart or a failover
//! of the server all of them are.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::{
    Manager, Metrics, Object, PoolConfig, PoolError, QueueMode, RecycleError, RecycleResult,
};
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::{sleep, sleep_until, timeout_at};

use crate::StoreError;
use crate::database::Database;
use crate::limits::LIMITS;

/// How long a connection that nobody uses stays open.
const LONGEST_IDLE: Duration = Duration::from_mins(10);
/// How old a connection gets. A server process never gives back the memory of what it has seen, and a
/// load balancer in front of the servers spreads only new connections.
const LONGEST_LIFE: Duration = Duration::from_mins(30);
/// How often connections are closed that are idle or old for too long.
const CLOSE_EVERY: Duration = Duration::from_mins(1);
/// The first pause after a refused attempt to connect; each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause between two attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// At how many uses of a connection it gives back what it does not need of its buffers. Not at each one,
/// because the next long list would make them grow again.
const SHRINK_EVERY: usize = 64;
/// How often a pool that closes looks for connections that were returned.
const CLOSING_PAUSE: Duration = Duration::from_millis(5);

/// When a connection was last found broken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breakage(Arc<Mutex<Option<Instant>>>);

impl Breakage {
    pub(crate) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Returns whether a connection was opened before the last breakage.
    fn concerns(&self, opened_at: Instant) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|at| opened_at <= at)
    }
}

/// How the connections of the pool are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// Open connections that nobody uses.
    pub idle: u32,
    /// Open connections on which a statement runs.
    pub in_use: u32,
    /// The most connections that may be open.
    pub most: u32,
}

/// A connection that returns to its pool when it is dropped.
pub(crate) type PooledConnection = Object<Opener>;

/// Connections that are opened when they are needed, up to a number.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: deadpool::managed::Pool<Opener>,
    most: u32,
    limit: Duration,
}

impl Pool {
    /// Prepares a pool of at most `most` connections. A caller waits for one no longer than `limit`.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(crate) fn new(
        database: &Arc<Database>,
        most: u32,
        limit: Duration,
        breakage: &Breakage,
    ) -> Self {
        let opener = Opener {
            database: Arc::clone(database),
            breakage: breakage.clone(),
        };
        let connections = deadpool::managed::Pool::builder(opener)
            .config(PoolConfig {
                queue_mode: QueueMode::Lifo,
                ..PoolConfig::new(usize::try_from(most).unwrap_or(usize::MAX))
            })
            .build()
            .expect("a pool without time limits of its own needs no runtime");
        tokio::spawn(close_unused(connections.weak()));
        Self {
            connections,
            most,
            limit,
        }
    }

    /// Returns a connection that nobody else uses. Opens one if none is idle; while the server starts or has
    /// no room, tries again until the time is over.
    ///
    /// # Errors
    /// When no connection is opened or becomes free in time.
    pub(crate) async fn get(&self) -> Result<PooledConnection, StoreError> {
        // A token for a new connection is made before the time begins, and kept for some minutes.
        let database = &self.connections.manager().database;
        if database.uses_tokens() {
            database.options().await?;
        }
        let deadline = tokio::time::Instant::now() + self.limit;
        let mut pause = FIRST_PAUSE;
        let mut refused = None;
        loop {
            match timeout_at(deadline, self.connections.get()).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(PoolError::Backend(error))) => {
                    let now = tokio::time::Instant::now();
                    if !error.is_not_ready_yet() || now >= deadline {
                        return Err(error);
                    }
                    refused = Some(error);
                    sleep_until((now + pause).min(deadline)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Ok(Err(PoolError::Closed)) => return Err(sqlx::Error::PoolClosed.into()),
                // The pool itself has no hooks and no time limits.
                Ok(Err(_)) | Err(_) => {
                    return Err(refused.unwrap_or_else(|| sqlx::Error::PoolTimedOut.into()));
                }
            }
        }
    }

    /// Returns how the connections are used.
    pub(crate) fn usage(&self) -> PoolUse {
        let status = self.connections.status();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        PoolUse {
            idle: number(status.available),
            in_use: number(status.size.saturating_sub(status.available)),
            most: self.most,
        }
    }

    /// Closes all connections, and waits until those in use are returned.
    pub(crate) async fn close(&self) {
        close(self.connections.retain(|_, _| false).removed).await;
        self.connections.close();
        while self.connections.status().size > 0 {
            sleep(CLOSING_PAUSE).await;
        }
    }
}

/// Opens the connections of a pool.
pub(crate) struct Opener {
    database: Arc<Database>,
    breakage: Breakage,
}

impl Opener {
    async fn connect(&self) -> Result<PgConnection, StoreError> {
        let pooler = self.database.pooler;
        let options = LIMITS.at_startup(self.database.options().await?, pooler);
        let mut connection = PgConnection::connect_with(&options).await?;
        if let Some(sql) = LIMITS.for_session(pooler) {
            connection.execute(sqlx::AssertSqlSafe(sql)).await?;
        }
        Ok(connection)
    }
}

impl Manager for Opener {
    type Type = PgConnection;
    type Error = StoreError;

    async fn create(&self) -> Result<PgConnection, StoreError> {
        // Boxed, because every future that gets a connection would have room for this one otherwise.
        Box::pin(self.connect()).await
    }

    async fn recycle(
        &self,
        connection: &mut PgConnection,
        metrics: &Metrics,
    ) -> RecycleResult<StoreError> {
        // A connection keeps room for its largest statement and its largest answer.
        if metrics.recycle_count.is_multiple_of(SHRINK_EVERY) {
            connection.shrink_buffers();
        }
        if self.breakage.concerns(metrics.created) {
            return Err(RecycleError::message("it is as old as a broken one"));
        }
        if metrics.age() >= LONGEST_LIFE {
            return Err(RecycleError::message("it is too old"));
        }
        Ok(())
    }
}

/// Closes the connections of a pool that are idle or old for too long, until the pool is gone.
async fn close_unused(pool: deadpool::managed::WeakPool<Opener>) {
    loop {
        sleep(CLOSE_EVERY).await;
        let Some(pool) = pool.upgrade() else {
            return;
        };
        let is_kept =
            |metrics: Metrics| metrics.last_used() < LONGEST_IDLE && metrics.age() < LONGEST_LIFE;
        close(pool.retain(|_, metrics| is_kept(metrics)).removed).await;
    }
}

/// Tells the server that the connections end. The server may be gone.
async fn close(connections: Vec<PgConnection>) {
    let closed = connections.into_iter().map(Connection::close);
    let limit = tokio::time::Instant::now() + LONGEST_PAUSE;
    let _ = timeout_at(limit, futures::future::join_all(closed)).await;
}
