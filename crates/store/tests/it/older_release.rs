//! Migrations of a database that an older release filled, with bindings in every state.
//!
//! `tests/older_release/database.sql` says how it was made.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SubsecRound, Utc};
use engine_roles_domain::binding::{Binding, BindingId};
use engine_roles_embedded_postgres::test_database;
use engine_roles_store::AuditFilter;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::test_store::{TestStore, cluster, log, store_of};

const DUMP: &str = include_str!("../older_release/database.sql");
/// When the dump was taken.
const TAKEN_AT: &str = "2026-11-26 04:07:49.39432+00";
const NAMESPACES: [&str; 2] = ["default", "other"];

/// What the dump contains, read before any migration.
struct Before {
    /// The rows of `bindings`.
    bindings: Vec<Value>,
    /// The ids of each installation's events that have a number, in the order of the numbers.
    numbered: BTreeMap<String, Vec<Value>>,
    /// The ids of each installation's events that have no number yet.
    unnumbered: BTreeMap<String, BTreeSet<String>>,
    /// The clusters whose bindings may be leased when the dump was taken, and 61 seconds later.
    due: [BTreeSet<String>; 2],
}

/// Returns a database with the contents of the dump. No migration of this release was run.
async fn restored() -> (TestStore, Before) {
    let database = test_database().await;
    let store = store_of(&database, "default");
    let test = TestStore { database, store };
    test.sql(DUMP).await.expect("the dump can be restored");
    let bindings = json_rows(
        &test,
        "SELECT * FROM bindings ORDER BY namespace, generation",
    )
    .await;
    let (mut numbered, mut unnumbered) = (BTreeMap::new(), BTreeMap::new());
    for namespace in NAMESPACES {
        let of = format!("SELECT id, seq FROM audit_events WHERE namespace = '{namespace}'");
        let rows = json_rows(&test, &format!("{of} AND seq > 0 ORDER BY seq")).await;
        let ids = rows.into_iter().map(|mut row| row["id"].take());
        numbered.insert(namespace.to_owned(), ids.collect());
        let rows = json_rows(&test, &format!("{of} AND seq IS NULL")).await;
        let ids = rows.iter().map(|row| text(row, "id"));
        unnumbered.insert(namespace.to_owned(), ids.collect());
    }
    let due = [due_after(&test, 0).await, due_after(&test, 61).await];
    let before = Before {
        bindings,
        numbered,
        unnumbered,
        due,
    };
    (test, before)
}

/// Returns the clusters whose bindings were due and not leased this many seconds after the dump was
/// taken, by the columns of the older release.
async fn due_after(test: &TestStore, seconds: u32) -> BTreeSet<String> {
    let now = format!("timestamptz '{TAKEN_AT}' + interval '{seconds} seconds'");
    let query = format!(
        "SELECT cluster FROM bindings WHERE namespace = 'default' AND due_at <= {now}
         AND (lease_until IS NULL OR lease_until <= {now})"
    );
    let rows = json_rows(test, &query).await;
    rows.iter().map(|row| text(row, "cluster")).collect()
}

async fn json_rows(test: &TestStore, query: &str) -> Vec<Value> {
    let mut connection = PgConnection::connect(test.database.url())
        .await
        .expect("connected");
    let query = format!("SELECT to_jsonb(found) FROM ({query}) AS found");
    let rows = sqlx::query(AssertSqlSafe(query))
        .fetch_all(&mut connection)
        .await;
    let rows = rows.expect("an answer");
    rows.iter().map(|row| row.get(0)).collect()
}

/// Stops the database's clock this many seconds after the dump was taken.
async fn clock_after_the_dump(test: &TestStore, seconds: u32) {
    let sql = format!(
        "CREATE OR REPLACE FUNCTION service_now() RETURNS timestamptz LANGUAGE sql VOLATILE
         AS $$ SELECT timestamptz '{TAKEN_AT}' + interval '{seconds} seconds' $$"
    );
    test.sql(&sql).await.expect("the clock is set");
}

fn text(row: &Value, column: &str) -> String {
    row[column].as_str().unwrap_or_default().to_owned()
}

/// Returns the binding in the columns of the older release, without lease and due time.
fn in_columns(binding: &Binding) -> Value {
    json!({
        "id": binding.id.0,
        "namespace": binding.namespace,
        "cluster": binding.cluster,
        "resource_name": binding.resource_name(),
        "account_id": binding.scope.account,
        "aws_partition": binding.scope.partition,
        "state": binding.state().as_str(),
        "live": binding.is_live(),
        "mode": binding.mode().as_str(),
        "generation": binding.generation,
        "applied_generation": binding.applied_generation,
        "spec": binding.spec,
        "applied_spec": binding.applied_spec,
        "unapplied_tags": binding.unapplied_tags,
        "role": binding.role,
        "profile": binding.profile,
        "policy": binding.policy,
        "drift": binding.drift,
        "last_error": binding.last_error(),
        "receipt": binding.receipt(),
        "attempts": binding.attempts,
        "usable_after": binding.usable_after,
        "verified_at": binding.verified_at,
        "created_at": binding.created_at,
        "updated_at": binding.updated_at,
        "reads_settle_at": binding.consistency.reads_consistent_at,
        "writes_settle_at": binding.consistency.writes_resolved_at,
    })
}

/// Compares a value of a row with the value that was read. A time is equal in every notation, to the
/// microsecond.
fn is_same(stored: &Value, read: &Value) -> bool {
    if let (Some(stored), Some(read)) = (stored.as_object(), read.as_object()) {
        let mut members = stored.iter();
        return stored.len() == read.len()
            && members
                .all(|(name, stored)| read.get(name).is_some_and(|read| is_same(stored, read)));
    }
    let time = |value: &Value| {
        let time = value.as_str()?.parse::<DateTime<Utc>>().ok()?;
        Some(time.trunc_subsecs(6))
    };
    stored == read || (time(stored).is_some() && time(stored) == time(read))
}

fn assert_same(row: &Value, binding: &Binding) {
    let read = in_columns(binding);
    for (column, value) in read.as_object().expect("an object") {
        assert!(
            is_same(&row[column], value),
            "{} of {}: {} was stored, {value} was read",
            column,
            row["cluster"],
            row[column]
        );
    }
}

#[tokio::test]
async fn the_dump_has_bindings_in_every_state() {
    let (_test, before) = restored().await;
    let found: BTreeSet<String> = before
        .bindings
        .iter()
        .map(|row| {
            let leased = if row["lease_until"].is_null() {
                ""
            } else {
                " leased"
            };
            let live = if row["live"] == true { " live" } else { "" };
            format!("{}{live}{leased}", text(row, "state"))
        })
        .collect();
    let expected = [
        "active live",
        "active live leased",
        "blocked live",
        "deleted",
        "deleting live",
        "deleting live leased",
        "failed",
        "failed live",
        "failed live leased",
        "provisioning live",
        "provisioning live leased",
    ];
    assert_eq!(found, expected.map(str::to_owned).into());
    assert!(before.unnumbered["default"].len() > 1);
    assert!(before.numbered["default"].len() > 1 && before.numbered["other"].len() > 1);
}

#[tokio::test]
async fn every_binding_of_an_older_release_is_read_as_it_was_stored() {
    let (test, before) = restored().await;
    test.store.migrate().await.expect("migrated");
    assert!(!before.bindings.is_empty());
    let stores = NAMESPACES.map(|namespace| (namespace.to_owned(), test.other(namespace)));
    let stores = BTreeMap::from(stores);
    let mut newest = BTreeMap::new();
    for row in &before.bindings {
        let store = &stores[&text(row, "namespace")];
        let id = text(row, "id").parse().expect("an id");
        let binding = store.binding(BindingId(id)).await.expect("an answer");
        assert_same(row, &binding.expect("the binding exists"));
        newest.insert((text(row, "namespace"), text(row, "cluster")), row);
    }
    for ((namespace, name), row) in newest {
        let latest = stores[&namespace].latest(&cluster(&name)).await;
        assert_same(row, &latest.expect("an answer").expect("a binding"));
    }
}

#[tokio::test]
async fn events_of_an_older_release_keep_their_numbers_and_the_others_follow() {
    let (test, before) = restored().await;
    test.store.migrate().await.expect("migrated");
    for namespace in NAMESPACES {
        let numbered = &before.numbered[namespace];
        let events = log(&test.other(namespace), &AuditFilter::default()).await;
        let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
        let last = i64::try_from(events.len()).expect("a small number");
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "{namespace}");
        let ids: Vec<Value> = events.iter().map(|event| json!(event.id)).collect();
        assert_eq!(ids[..numbered.len()], numbered[..], "{namespace}");
        let rest = events[numbered.len()..].iter();
        let rest: BTreeSet<String> = rest.map(|event| event.id.to_string()).collect();
        assert_eq!(rest, before.unnumbered[namespace], "{namespace}");
    }
}

#[tokio::test]
async fn a_lease_of_an_older_release_ends_by_time_alone() {
    let (test, before) = restored().await;
    clock_after_the_dump(&test, 0).await;
    test.store.migrate().await.expect("migrated");
    let [at_once, later] = &before.due;
    assert!(at_once.contains("deleting-expired") && !at_once.contains("deleting-leased"));
    assert!(later.contains("deleting-leased"));
    let mut taken = BTreeSet::new();
    for (seconds, expected) in [(0, at_once), (61, later)] {
        clock_after_the_dump(&test, seconds).await;
        let leases = test.store.lease_due(99).await.expect("an answer");
        taken.extend(leases.iter().map(|lease| lease.binding.cluster.to_string()));
        assert_eq!(&taken, expected, "{seconds} seconds after the dump");
    }
}

/// Reads of the older release, as it sends them, each with an installation as its parameter.
const ITS_READS: [&str; 4] = [
    "SELECT b.id, b.namespace, b.cluster, b.account_id, b.aws_partition, b.state, b.live,
            b.generation, b.applied_generation, b.spec, b.applied_spec, b.unapplied_tags, b.role,
            b.profile, b.policy, b.drift, b.last_error, b.receipt, b.usable_after, b.verified_at,
            b.created_at, b.updated_at, b.attempts, b.reads_settle_at, b.writes_settle_at
     FROM bindings b WHERE b.namespace = $1 ORDER BY b.created_at DESC, b.id DESC",
    "SELECT namespace, cluster, generation FROM clusters WHERE namespace = $1",
    "SELECT id, seq, at, cluster, binding_id, generation, action, actor, request_id, from_state,
            to_state, detail
     FROM audit_events WHERE namespace = $1 AND seq > 0 ORDER BY seq",
    "SELECT kind, name, arn, found_at FROM orphans WHERE namespace = $1 ORDER BY name, kind",
];

#[tokio::test]
async fn statements_that_the_older_release_prepared_before_a_migration_run_after_it() {
    let (test, _) = restored().await;
    let mut connection = PgConnection::connect(test.database.url())
        .await
        .expect("connected");
    // Postgres refuses a prepared statement whose columns have another type or collation than when
    // it was prepared.
    let mut found = Vec::new();
    for sql in ITS_READS {
        let rows = sqlx::query(sql).bind("default").fetch_all(&mut connection);
        found.push(rows.await.expect("an answer").len());
    }
    test.store.migrate().await.expect("migrated");
    for (sql, before) in ITS_READS.into_iter().zip(found) {
        let rows = sqlx::query(sql).bind("default").fetch_all(&mut connection);
        assert_eq!(rows.await.expect(sql).len(), before, "{sql}");
    }
}
