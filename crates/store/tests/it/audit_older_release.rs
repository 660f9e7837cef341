//! The release before this one writes, numbers and reads audit events beside ours: its statements, as
//! it sends them, prepared before this release migrates the database.

use engine_roles_embedded_postgres::test_database;
use engine_roles_store::AuditFilter;
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

use crate::raw_events::connect;
use crate::test_store::{TestStore, log, number, store_of};

const DUMP: &str = include_str!("../older_release/database.sql");

const APPEND: &str = "INSERT INTO audit_events (id, at, namespace, cluster, binding_id, generation,
                                   action, actor, request_id, from_state, to_state, detail)
         SELECT $1, service_now(), b.namespace, b.cluster, b.id, b.generation, $3, $4, $5, $6,
                b.state, $7
         FROM bindings b WHERE b.id = $2";

const NUMBER: &str = "WITH last AS (
                 SELECT COALESCE(max(seq), 0) AS seq FROM audit_events WHERE namespace = $1
             ),
             fresh AS (
                 SELECT id, row_number() OVER (ORDER BY at, generation, id) AS place
                 FROM audit_events WHERE namespace = $1 AND seq IS NULL
             )
             UPDATE audit_events e SET seq = last.seq + fresh.place
             FROM fresh, last WHERE e.id = fresh.id";

const READ: &str = "SELECT id, seq AS \"seq!\", at, cluster, binding_id, generation, action, actor,
                      request_id, from_state, to_state, detail
               FROM audit_events
               WHERE namespace = $1 AND seq > $2
                 AND ($3::text IS NULL OR cluster = $3)
                 AND ($4::text IS NULL OR actor = $4)
                 AND ($5::text[] IS NULL OR action = ANY($5))
                 AND ($6::timestamptz IS NULL OR at >= $6)
                 AND ($7::timestamptz IS NULL OR at < $7)
               ORDER BY seq
               LIMIT $8";

/// A replica of the older release, with one connection.
struct Older(PgConnection);

impl Older {
    /// Writes an event of the binding in the transaction that changes the binding.
    async fn append(&mut self, binding: Uuid, action: &str) {
        let mut transaction = self.0.begin().await.expect("a transaction");
        sqlx::query(APPEND)
            .bind(Uuid::now_v7())
            .bind(binding)
            .bind(action)
            .bind("the older release")
            .bind(None::<String>)
            .bind(Some("active"))
            .bind(serde_json::json!({"calls": 4}))
            .execute(&mut *transaction)
            .await
            .expect("appended");
        transaction.commit().await.expect("committed");
    }

    async fn number(&mut self) -> u64 {
        let mut transaction = self.0.begin().await.expect("a transaction");
        sqlx::query("SELECT pg_advisory_xact_lock($1, hashtext($2))")
            .bind(0x656e_6772)
            .bind("default")
            .execute(&mut *transaction)
            .await
            .expect("locked");
        let numbered = sqlx::query(NUMBER)
            .bind("default")
            .execute(&mut *transaction);
        let numbered = numbered.await.expect("numbered").rows_affected();
        transaction.commit().await.expect("committed");
        numbered
    }

    /// Returns number and action of each event.
    async fn read(&mut self) -> Vec<(i64, String)> {
        let none = None::<String>;
        let rows = sqlx::query(READ)
            .bind("default")
            .bind(0_i64)
            .bind(&none)
            .bind(&none)
            .bind(None::<Vec<String>>)
            .bind(None::<chrono::DateTime<chrono::Utc>>)
            .bind(None::<chrono::DateTime<chrono::Utc>>)
            .bind(1000_i64)
            .fetch_all(&mut self.0)
            .await
            .expect("the log");
        let events = rows.iter().map(|row| (row.get("seq!"), row.get("action")));
        events.collect()
    }
}

#[tokio::test]
async fn an_older_release_writes_and_reads_events_beside_this_one() {
    let database = test_database().await;
    let store = store_of(&database, "default");
    let test = TestStore { database, store };
    test.sql(DUMP).await.expect("the dump can be restored");
    let mut connection = connect(&test).await;
    let binding = "SELECT id FROM bindings WHERE namespace = 'default' ORDER BY id LIMIT 1";
    let binding: Uuid = sqlx::query_scalar(binding)
        .fetch_one(&mut connection)
        .await
        .expect("a binding");
    let mut older = Older(connection);
    older.append(binding, "updated").await;
    assert!(older.number().await > 0);
    let before = older.read().await;
    older.append(binding, "drift_found").await;

    test.store.migrate().await.expect("migrated");
    older.append(binding, "drift_repaired").await;
    assert_eq!(older.number().await, 0);
    assert_eq!(older.read().await, before);
    // Both events await their numbers, which our sequencer gives.
    assert_eq!(number(&test.store).await, 2);
    let last = before.last().expect("an event").0;
    let expected = [
        (last + 1, "drift_found".to_owned()),
        (last + 2, "drift_repaired".to_owned()),
    ];
    assert_eq!(older.read().await, [before, expected.to_vec()].concat());
    let filter = AuditFilter {
        actor: Some("the older release".to_owned()),
        after: last,
        ..AuditFilter::default()
    };
    let ours = log(&test.store, &filter).await;
    let ours: Vec<_> = ours.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(ours, ["drift_found", "drift_repaired"]);
    assert_eq!(older.number().await, 0);
}
