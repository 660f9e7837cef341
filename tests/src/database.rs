//! Direct access to the service's database: its rows and its clock.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_postgres::{Config, NoTls};

/// A binding with its lease and its due time: the columns of `bindings`, `work` and `schedule` that
/// tests read.
#[derive(Clone, Debug, Deserialize)]
pub struct BindingRow {
    pub id: uuid::Uuid,
    pub namespace: String,
    pub cluster: String,
    pub account_id: String,
    pub aws_partition: String,
    pub state: String,
    pub live: bool,
    pub mode: String,
    pub generation: i64,
    pub applied_generation: Option<i64>,
    pub spec: Value,
    pub role: Option<Value>,
    pub profile: Option<Value>,
    pub policy: Option<Value>,
    pub drift: Value,
    pub last_error: Option<Value>,
    pub receipt: Option<Value>,
    pub verified_at: Option<DateTime<Utc>>,
    pub due_at: Option<DateTime<Utc>>,
    pub lease_until: Option<DateTime<Utc>>,
    pub writes_resolved_at: Option<DateTime<Utc>>,
    pub attempts: i32,
}

#[derive(Clone, Debug, Deserialize)]
pub struct EventRow {
    pub id: uuid::Uuid,
    pub seq: Option<i64>,
    pub at: DateTime<Utc>,
    pub cluster: String,
    pub binding_id: uuid::Uuid,
    pub generation: i64,
    pub action: String,
    pub actor: String,
    pub request_id: Option<String>,
    pub from_state: Option<String>,
    pub to_state: String,
    pub detail: Value,
}

/// A replica that has a row in the database.
#[derive(Clone, Debug, Deserialize)]
pub struct ReplicaRow {
    pub id: uuid::Uuid,
    pub heartbeat: i64,
    pub dead_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ClusterRow {
    pub namespace: String,
    pub cluster: String,
    pub generation: i64,
}

/// Since when the database's clock is ahead of the machine's clock, and by how much.
#[derive(Clone, Copy, Debug)]
struct Shift {
    since: DateTime<Utc>,
    ahead: TimeDelta,
}

/// The name of this module's connections in Postgres's log.
pub(crate) const APPLICATION_NAME: &str = "tests";

/// A connection to a service's database that does not go through the service.
#[derive(Debug)]
pub struct Database {
    url: String,
    shifts: Mutex<Vec<Shift>>,
}

impl Database {
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            shifts: Mutex::default(),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// All bindings, oldest first.
    pub async fn bindings(&self) -> Vec<BindingRow> {
        self.rows(
            "SELECT b.id, b.namespace, b.cluster, b.account_id, b.aws_partition, b.state, b.live,
                    b.mode, b.generation, b.applied_generation, b.spec, b.role, b.profile, b.policy,
                    b.drift, b.last_error, b.receipt, b.verified_at, b.attempts, s.due_at,
                    w.lease_until, w.writes_resolved_at
             FROM bindings b
             LEFT JOIN work w ON w.binding_id = b.id
             LEFT JOIN schedule s ON s.binding_id = b.id
             ORDER BY b.created_at, b.id",
        )
        .await
    }

    /// The newest binding of a cluster.
    pub async fn binding(&self, cluster: &str) -> Option<BindingRow> {
        let bindings = self.bindings().await;
        bindings
            .into_iter()
            .filter(|binding| binding.cluster == cluster)
            .max_by_key(|binding| binding.generation)
    }

    /// Makes all bindings that a condition on `bindings` selects due at once.
    pub async fn make_due(&self, condition: &str) {
        self.execute(&format!(
            "INSERT INTO schedule (binding_id, namespace, due_at)
             SELECT id, namespace, service_now() - interval '1 second' FROM bindings
             WHERE {condition}
             ON CONFLICT (binding_id) DO UPDATE SET due_at = EXCLUDED.due_at"
        ))
        .await;
    }

    /// All audit events in the order in which they were written, also those that have no number yet.
    pub async fn events(&self) -> Vec<EventRow> {
        self.rows(
            "SELECT id, seq, at, COALESCE(cluster, '') AS cluster,
                    COALESCE(binding_id::text, '00000000-0000-0000-0000-000000000000')
                        AS binding_id,
                    COALESCE(generation, 0) AS generation, action, actor, request_id, from_state,
                    COALESCE(to_state, '') AS to_state, detail
             FROM (
                 SELECT seq, id, at, cluster, binding_id, generation, action, actor, request_id,
                        from_state, to_state, detail FROM audit_events
                 UNION ALL
                 SELECT NULL, id, at, cluster, binding_id, generation, action, actor, request_id,
                        from_state, to_state, detail FROM audit_pending
             ) AS event
             ORDER BY seq NULLS LAST, at, generation, id",
        )
        .await
    }

    pub async fn clusters(&self) -> Vec<ClusterRow> {
        self.rows("SELECT * FROM clusters").await
    }

    /// All replicas that have a row, dead ones included, by their ids.
    pub async fn replicas(&self) -> Vec<ReplicaRow> {
        self.rows("SELECT id, heartbeat, dead_at FROM replicas ORDER BY id")
            .await
    }

    /// The replica whose lease on the cluster's newest binding has not been given back; none where
    /// there is no lease.
    pub async fn lease_replica(&self, cluster: &str) -> Option<uuid::Uuid> {
        #[derive(Deserialize)]
        struct Holder {
            lease_replica: Option<uuid::Uuid>,
        }
        let binding = self.binding(cluster).await?.id;
        let query = format!("SELECT lease_replica FROM work WHERE binding_id = '{binding}'");
        let holders: Vec<Holder> = self.rows(&query).await;
        holders.first()?.lease_replica
    }

    /// Advances the clock that all replicas use, so that leases expire and checks become due.
    pub async fn advance(&self, by: Duration) {
        let by = TimeDelta::from_std(by).expect("tests advance the clock by days at most");
        self.set_ahead(self.ahead() + by).await;
    }

    /// Sets the clock that all replicas use to a time in the past, from which it goes on.
    pub async fn set_clock(&self, to: DateTime<Utc>) {
        self.set_ahead(to - Utc::now()).await;
    }

    async fn set_ahead(&self, ahead: TimeDelta) {
        let text = format!(
            "CREATE OR REPLACE FUNCTION service_now() RETURNS timestamptz LANGUAGE sql VOLATILE
             AS $$ SELECT clock_timestamp() + interval '{} milliseconds' $$",
            ahead.num_milliseconds()
        );
        // Taken before the change, so that no event has a time before the shift under which it was
        // written.
        let since = Utc::now();
        self.execute(&text).await;
        self.lock().push(Shift { since, ahead });
    }

    /// The time of the clock that all replicas use.
    pub async fn now(&self) -> DateTime<Utc> {
        #[derive(Deserialize)]
        struct Clock {
            now: DateTime<Utc>,
        }
        let clock: Vec<Clock> = self.rows("SELECT service_now() AS now").await;
        clock.first().expect("the query returns one row").now
    }

    /// Converts a time of the database's clock to the machine's clock.
    pub fn real_time(&self, shown: DateTime<Utc>) -> DateTime<Utc> {
        let shifts = self.lock();
        let under = shifts
            .iter()
            .rev()
            .find(|shift| shown >= shift.since + shift.ahead);
        shown - under.map_or(TimeDelta::zero(), |shift| shift.ahead)
    }

    /// Keeps the events about reads of the audit log out of it: a test that reads the log knows its numbers then,
    /// also where an hour ends meanwhile.
    pub async fn without_log_reads(&self) {
        let sql = "CREATE FUNCTION no_event() RETURNS trigger LANGUAGE plpgsql
                       AS 'BEGIN RETURN NULL; END';
                   CREATE TRIGGER no_reads BEFORE INSERT ON audit_pending
                       FOR EACH ROW WHEN (NEW.action = 'log_read') EXECUTE FUNCTION no_event()";
        self.execute(sql).await;
    }

    pub async fn execute(&self, statements: &str) {
        let client = self.connect().await;
        client
            .batch_execute(statements)
            .await
            .unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    }

    /// Runs a query and reads each row into a `T` by column names.
    pub async fn rows<T: DeserializeOwned>(&self, query: &str) -> Vec<T> {
        let client = self.connect().await;
        let query = format!("SELECT row_to_json(found)::text FROM ({query}) AS found");
        let rows = client
            .query(&query, &[])
            .await
            .unwrap_or_else(|error| panic!("{query}: {error:?}"));
        let read = rows.iter().map(|row| {
            let text: &str = row.get(0);
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
        });
        read.collect()
    }

    // One connection for each query, because tests restart the server.
    async fn connect(&self) -> tokio_postgres::Client {
        let mut config: Config = self.url.parse().expect("the URL is valid");
        config.application_name(APPLICATION_NAME);
        let (client, connection) = config
            .connect(NoTls)
            .await
            .unwrap_or_else(|error| panic!("could not connect to the database: {error:?}"));
        tokio::spawn(connection);
        client
            .batch_execute("SET TIME ZONE 'UTC'")
            .await
            .expect("Postgres accepts the time zone");
        client
    }

    fn ahead(&self) -> TimeDelta {
        let shifts = self.lock();
        shifts.last().map_or(TimeDelta::zero(), |shift| shift.ahead)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Shift>> {
        self.shifts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
