//! The heartbeat of this replica, raised on a connection of its own.
//!
//! One statement, the tick, does everything that a replica does regularly: it raises the heartbeat,
//! reads the heartbeats of the other replicas, and reads whether there is work. The connection is
//! not one of the pool, so that no other statement can delay a heartbeat.

use std::sync::Arc;
use std::time::Duration;

use engine_roles_domain::resources::Namespace;
use sqlx::{ConnectOptions, Executor, PgConnection};
use tokio::time::timeout;
use uuid::Uuid;

use crate::connection::{Statements, begin, end};
use crate::database::Database;
use crate::limits::Limits;
use crate::replicas::CurrentReplica;
use crate::schema::needed_version;
use crate::{BootTime, ReplicaId, Schema, Store, StoreError};

/// The longest time that this side waits for a connection or for the answer to a statement. Two
/// replicas that lose the database at the same time must both be connected again before one of them
/// can declare the other dead, which takes at least three seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// The server's own limits. A statement waits for the lock on a replica's row at most this long.
const LIMITS: Limits = Limits {
    lock: Duration::from_millis(500),
    statement: ANSWER_LIMIT,
};
/// How long the row of a dead replica is kept at least. It must not be deleted before every lease of
/// the replica has ended by time: the row shows that these leases ended earlier.
const KEPT_FOR: Duration = Duration::from_hours(1);

/// Raises the heartbeat of this process.
///
/// The connection belongs to the tokio runtime on which a method was called first. After any error
/// the connection is closed, and the next call opens another one: a server that became read-only
/// answers with an error (SQLSTATE 25006) and is left in the same way.
pub struct Ticker {
    database: Arc<Database>,
    connection: Option<PgConnection>,
    namespace: Namespace,
    call_timeout: Duration,
    lease_length: Duration,
    current: Arc<CurrentReplica>,
    replica: ReplicaId,
    is_registered: bool,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tick {
    /// The database has raised the heartbeat of this replica.
    Acknowledged(Seen),
    /// The replica has no row, or another replica declared it dead. The next tick registers this
    /// process under a new id; leases taken under the old one are lost.
    DeclaredDead,
}

/// What a tick read besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The other live replicas of the installation, each with its heartbeat.
    pub others: Vec<(ReplicaId, i64)>,
    /// For how long the oldest due binding has been due on which no replica has a lease; none where there
    /// is none.
    pub work_due_for: Option<Duration>,
    /// For how long the oldest audit event has waited for its number; none where none waits.
    pub events_pending_for: Option<Duration>,
    /// The greatest number of the audit log; 0 for an empty log.
    pub audit_head: i64,
    /// The number of the last change of the installation's API keys; 0 where there was none.
    pub keys_version: i64,
}

impl Store {
    /// Returns what raises the heartbeat of this process. Makes no connection. `call_timeout` is the
    /// longest time that a call of this process to AWS may take.
    pub fn ticker(&self, call_timeout: Duration) -> Ticker {
        Ticker {
            database: Arc::clone(self.direct.as_ref().unwrap_or(&self.database)),
            connection: None,
            namespace: self.namespace.clone(),
            call_timeout,
            lease_length: self.lease_length,
            current: Arc::clone(&self.replica),
            replica: ReplicaId(Uuid::now_v7()),
            is_registered: false,
        }
    }
}

impl Ticker {
    /// Returns the id under which this process is registered, or will be by the next tick.
    pub fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// Raises the heartbeat, and reads what there is to do. Registers this process first if it has
    /// no id that the database knows.
    ///
    /// # Errors
    /// When the database does not answer within two seconds, or answers with an error. The
    /// heartbeat may have been raised.
    pub async fn tick(&mut self) -> Result<Tick, StoreError> {
        if !self.is_registered {
            self.register().await?;
            self.is_registered = true;
        }
        let (replica, namespace) = (self.replica, self.namespace.clone());
        let sent_at = BootTime::now();
        let row = self
            .run(async |connection| {
                sqlx::query!(
                    r#"/* tick */
                       WITH clock AS MATERIALIZED (SELECT service_now() AS now),
                       mine AS (
                           UPDATE replicas SET heartbeat = heartbeat + 1
                           WHERE id = $1 AND dead_at IS NULL
                           RETURNING heartbeat
                       ),
                       others AS MATERIALIZED (
                           SELECT id, heartbeat FROM replicas
                           WHERE namespace = $2 AND id <> $1 AND dead_at IS NULL
                       )
                       SELECT
                           EXISTS (SELECT FROM mine) AS "is_alive!",
                           ARRAY(SELECT id FROM others ORDER BY id) AS "ids!",
                           ARRAY(SELECT heartbeat FROM others ORDER BY id) AS "heartbeats!",
                           -- In the order of the due times, so that the index of these times ends
                           -- the search also where nothing is due.
                           (
                               SELECT EXTRACT(EPOCH FROM (SELECT now FROM clock) - s.due_at)::float8
                               FROM schedule s
                               LEFT JOIN work w ON w.binding_id = s.binding_id
                               LEFT JOIN replicas dead
                                   ON dead.id = w.lease_replica AND dead.dead_at IS NOT NULL
                               WHERE s.namespace = $2 AND s.due_at <= (SELECT now FROM clock)
                                 AND (w.lease_until IS NULL
                                      OR w.lease_until <= (SELECT now FROM clock)
                                      OR dead.id IS NOT NULL)
                               ORDER BY s.due_at LIMIT 1
                           ) AS work_due_for,
                           (
                               SELECT EXTRACT(EPOCH FROM (SELECT now FROM clock) - p.at)::float8
                               FROM audit_pending p WHERE p.namespace = $2
                               ORDER BY p.at LIMIT 1
                           ) AS events_pending_for,
                           COALESCE((SELECT seq FROM audit_heads WHERE namespace = $2), 0)
                               AS "audit_head!",
                           COALESCE((SELECT version FROM api_key_versions WHERE namespace = $2), 0)
                               AS "keys_version!",
                           (SELECT max(version) FROM schema_versions) AS version,
                           (SELECT oldest_reader FROM schema_versions
                            ORDER BY version DESC LIMIT 1) AS oldest_reader"#,
                    replica.0,
                    namespace.as_str(),
                )
                .fetch_one(connection)
                .await
            })
            .await?;
        if !row.is_alive {
            self.current.lost();
            self.replica = ReplicaId(Uuid::now_v7());
            self.is_registered = false;
            return Ok(Tick::DeclaredDead);
        }
        let schema = Schema::compared(row.version.zip(row.oldest_reader), needed_version());
        self.current.acknowledged(replica, sent_at, Some(schema));
        let ids = row.ids.into_iter().map(ReplicaId);
        Ok(Tick::Acknowledged(Seen {
            others: ids.zip(row.heartbeats).collect(),
            work_due_for: row.work_due_for.map(duration),
            events_pending_for: row.events_pending_for.map(duration),
            audit_head: row.audit_head,
            keys_version: row.keys_version,
        }))
    }

    /// Declares another replica dead, unless its heartbeat is no longer the one that this replica
    /// has seen. Returns whether this call declared it dead.
    ///
    /// # Errors
    /// As [`Ticker::tick`].
    pub async fn declare_dead(
        &mut self,
        other: ReplicaId,
        heartbeat: i64,
    ) -> Result<bool, StoreError> {
        let declared = self
            .run(async |connection| {
                sqlx::query!(
                    "/* task: heartbeat */ UPDATE replicas SET dead_at = service_now()
                     WHERE id = $1 AND heartbeat = $2 AND dead_at IS NULL",
                    other.0,
                    heartbeat,
                )
                .execute(connection)
                .await
            })
            .await?;
        Ok(declared.rows_affected() > 0)
    }

    /// Gives up the id of this process, so that the other replicas take over what is left under its
    /// leases at once. No lease can be taken afterwards.
    ///
    /// # Errors
    /// As [`Ticker::tick`]. The other replicas then declare this one dead.
    pub async fn give_up(&mut self) -> Result<(), StoreError> {
        self.current.lost();
        if !self.is_registered {
            return Ok(());
        }
        let replica = self.replica;
        self.run(async |connection| {
            sqlx::query!(
                "/* task: heartbeat */ UPDATE replicas SET dead_at = service_now()
                 WHERE id = $1 AND dead_at IS NULL",
                replica.0,
            )
            .execute(connection)
            .await
        })
        .await?;
        self.is_registered = false;
        Ok(())
    }

    /// Inserts the row of this replica, and deletes the rows of replicas that died long ago. A
    /// repetition after a lost answer changes nothing.
    async fn register(&mut self) -> Result<(), StoreError> {
        let (replica, namespace) = (self.replica, self.namespace.clone());
        let call_timeout = self.call_timeout.as_secs_f64();
        let kept_for = KEPT_FOR.max(self.lease_length * 2).as_secs_f64();
        self.run(async |connection| {
            sqlx::query!(
                "/* task: heartbeat */
                 WITH forgotten AS (
                     DELETE FROM replicas
                     WHERE namespace = $2 AND dead_at < service_now() - make_interval(secs => $4)
                 )
                 INSERT INTO replicas (id, namespace, call_timeout, started_at)
                 VALUES ($1, $2, make_interval(secs => $3), service_now())
                 ON CONFLICT (id) DO NOTHING",
                replica.0,
                namespace.as_str(),
                call_timeout,
                kept_for,
            )
            .execute(connection)
            .await
        })
        .await?;
        Ok(())
    }

    /// Runs one statement. The connection is kept only if the statement succeeded: after a deadline
    /// it may still be running, and a server that answers with errors may be the wrong one.
    async fn run<T>(
        &mut self,
        statement: impl AsyncFnOnce(Statements<'_>) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let pooler = self.database.pooler;
        let result = in_time(async {
            begin(&mut connection, pooler, LIMITS).await?;
            let answer = statement(Statements::on(&mut connection, pooler)).await;
            end(&mut connection, pooler, answer).await
        });
        let result = result.await?;
        self.connection = Some(connection);
        Ok(result)
    }

    async fn connect(&self) -> Result<PgConnection, StoreError> {
        let pooler = self.database.pooler;
        let options = LIMITS.at_startup(self.database.options().await?, pooler);
        let connected = match in_time(options.connect()).await {
            Err(error) if error.is_refused_login() => match self.database.reload().await {
                Some(options) => in_time(LIMITS.at_startup(options, pooler).connect()).await,
                None => Err(error),
            },
            connected => connected,
        };
        let mut connection = connected?;
        if let Some(sql) = LIMITS.for_session(pooler) {
            in_time(connection.execute(sqlx::AssertSqlSafe(sql))).await?;
        }
        Ok(connection)
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match timeout(ANSWER_LIMIT, answer).await {
        Ok(result) => result.map_err(StoreError::from),
        Err(elapsed) => Err(StoreError::Unavailable(sqlx::Error::Io(elapsed.into()))),
    }
}

/// Returns seconds as a duration; a time that is not past yet by another clock counts as now.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}
