//! Audit events that a test writes itself, with times of its choice.

use engine_roles_domain::audit::EventAction;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::test_store::{TestStore, number};

/// An event that awaits its number.
#[derive(Clone, Debug)]
pub(crate) struct RawEvent {
    /// Seconds after the start of 2027.
    pub(crate) at: i32,
    pub(crate) cluster: String,
    pub(crate) generation: i64,
    pub(crate) actor: String,
    /// The stored word.
    pub(crate) action: String,
}

impl Default for RawEvent {
    fn default() -> Self {
        Self {
            at: 0,
            cluster: "one".to_owned(),
            generation: 1,
            actor: "somebody".to_owned(),
            action: EventAction::Updated.as_str().to_owned(),
        }
    }
}

/// Opens a connection that is not of the store.
pub(crate) async fn connect(test: &TestStore) -> PgConnection {
    let connection = PgConnection::connect(test.database.url()).await;
    connection.expect("a connection")
}

/// Runs statements on this connection.
pub(crate) async fn run(connection: &mut PgConnection, sql: &str) {
    let ran = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection);
    ran.await.expect(sql);
}

/// Records a binding whose event has number 1, and returns the binding's id, which the other events
/// refer to.
pub(crate) async fn first_binding(test: &TestStore) -> Uuid {
    let id = test.provision("first").await.binding.id.0;
    assert_eq!(number(&test.store).await, 1);
    id
}

/// Inserts an event as a writer does.
pub(crate) async fn insert(connection: &mut PgConnection, binding: Uuid, event: &RawEvent) {
    let sql =
        "INSERT INTO audit_pending (id, at, namespace, cluster, binding_id, generation, action,
                                          actor, request_id, from_state, to_state, detail)
               VALUES ($1, timestamptz '2027-01-01' + make_interval(secs => $2), 'test', $3, $4, $5,
                       $6, $7, NULL, 'active', 'active', '{}')";
    let inserted = sqlx::query(sql)
        .bind(Uuid::now_v7())
        .bind(f64::from(event.at))
        .bind(&event.cluster)
        .bind(binding)
        .bind(event.generation)
        .bind(&event.action)
        .bind(&event.actor)
        .execute(connection)
        .await;
    inserted.expect("inserted");
}

/// A sequence of numbers that looks random and is the same in each run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Returns a number from 0 and below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // xorshift64; source: G. Marsaglia, "Xorshift RNGs".
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// Returns one of the choices.
    pub(crate) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        let end = u64::try_from(choices.len()).expect("few choices");
        let place = usize::try_from(self.below(end)).expect("few choices");
        choices[place].clone()
    }
}
