//! The partitions of the audit log, and the retention.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{BindingId, State};
use engine_roles_store::{AuditFilter, Maintained};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::raw_events::{RawEvent, connect, first_binding, insert, run};
use crate::test_store::{
    TestStore, activate, cluster, log, number, provision, remove, spec, tear_down, test_store,
};

const DAY: Duration = Duration::from_hours(24);
const RETENTION: Duration = Duration::from_hours(80 * 24);

/// Returns the numbers that each partition holds: from the first one and before the second one.
async fn partitions(test: &TestStore) -> Vec<(i64, i64)> {
    let sql = "SELECT first, past FROM audit_partitions ORDER BY first";
    let mut connection = connect(test).await;
    let rows = sqlx::query_as(sql).fetch_all(&mut connection).await;
    rows.expect("the partitions")
}

async fn maintain(test: &TestStore, retention: Option<Duration>) -> Option<Maintained> {
    let done = test.store.maintain_audit_partitions(retention).await;
    done.expect("an answer")
}

/// Maintains the partitions until nothing is left to do.
async fn maintain_all(test: &TestStore, retention: Option<Duration>) -> Vec<Maintained> {
    let mut done = Vec::new();
    while let Some(one) = maintain(test, retention).await {
        done.push(one);
        assert!(done.len() < 20, "{done:?}");
    }
    done
}

/// Stops the clock this many days after the start of 2027.
async fn day(test: &TestStore, days: u64) {
    test.clock(days * DAY.as_secs()).await;
}

async fn set_head(test: &TestStore, seq: i64) {
    let sql = format!("UPDATE audit_heads SET seq = {seq} WHERE namespace = 'test'");
    test.sql(&sql).await.expect("updated");
}

/// Writes and numbers an event at the start of each of these days.
async fn events_on(test: &TestStore, binding: Uuid, days: &[i32]) {
    let mut connection = connect(test).await;
    for day in days {
        let event = RawEvent {
            at: day * 86_400,
            ..RawEvent::default()
        };
        insert(&mut connection, binding, &event).await;
        number(&test.store).await;
    }
}

async fn days(test: &TestStore) -> Vec<i64> {
    let events = log(&test.store, &AuditFilter::default()).await;
    let start: DateTime<Utc> = "2027-01-01T00:00:00Z".parse().expect("a time");
    let days = events.iter().map(|event| (event.at - start).num_days());
    days.collect()
}

#[tokio::test]
async fn a_partition_is_made_before_the_first_event_needs_it() {
    let test = test_store().await;
    first_binding(&test).await;
    assert_eq!(maintain(&test, None).await, None);
    set_head(&test, 8_999_999).await;
    assert_eq!(maintain(&test, None).await, None);
    set_head(&test, 9_000_001).await;
    assert_eq!(maintain(&test, None).await, Some(Maintained::Made));
    assert_eq!(maintain(&test, None).await, None);
    let expected = [(1, 10_000_001), (10_000_001, 20_000_001)];
    assert_eq!(partitions(&test).await, expected);
    // With a retention, partitions are smaller.
    set_head(&test, 19_500_000).await;
    let retention = Some(RETENTION);
    assert_eq!(maintain_all(&test, retention).await, [Maintained::Made]);
    assert_eq!(partitions(&test).await[2], (20_000_001, 21_000_001));
}

#[tokio::test]
async fn the_sequencer_makes_a_partition_that_is_missing() {
    let test = test_store().await;
    let binding = first_binding(&test).await;
    set_head(&test, 9_999_999).await;
    let mut connection = connect(&test).await;
    for _ in 0..3 {
        insert(&mut connection, binding, &RawEvent::default()).await;
    }
    assert_eq!(number(&test.store).await, 3);
    let numbers: Vec<i64> = log(&test.store, &AuditFilter::default())
        .await
        .iter()
        .map(|event| event.seq)
        .collect();
    assert_eq!(numbers, [1, 10_000_000, 10_000_001, 10_000_002]);
}

#[tokio::test]
async fn a_full_partition_is_dropped_when_its_last_event_is_older_than_the_retention() {
    let test = test_store().await;
    day(&test, 0).await;
    let binding = first_binding(&test).await;
    // The first partition is full, and one event of another installation in it is younger.
    set_head(&test, 9_999_997).await;
    events_on(&test, binding, &[1, 2, 3, 98]).await;
    let other = test.other("other");
    day(&test, 20).await;
    provision(&other, "one", spec()).await;
    assert_eq!(number(&other).await, 1);
    // The next numbers of the other installation are in the next partition too.
    let skip = "UPDATE audit_heads SET seq = 10000001 WHERE namespace = 'other'";
    test.sql(skip).await.expect("updated");
    assert_eq!(days(&test).await, [0, 1, 2, 3, 98]);
    day(&test, 99).await;
    assert_eq!(maintain_all(&test, None).await, []);
    assert_eq!(maintain_all(&test, Some(RETENTION)).await, []);
    assert_eq!(days(&test).await, [0, 1, 2, 3, 98]);
    day(&test, 101).await;
    // A partition is kept as long as the tree over the log lacks an event of it.
    let behind = "INSERT INTO audit_trees (namespace, size, extended_at)
                  VALUES ('test', 9999998, now())";
    test.sql(behind).await.expect("inserted");
    assert_eq!(maintain_all(&test, Some(RETENTION)).await, []);
    let whole = "UPDATE audit_trees SET size = 10000000";
    test.sql(whole).await.expect("updated");
    assert_eq!(
        maintain_all(&test, Some(RETENTION)).await,
        [Maintained::Dropped]
    );
    assert_eq!(days(&test).await, [98]);
}

#[tokio::test]
async fn the_newest_partition_is_closed_early_so_that_few_events_expire_too() {
    let test = test_store().await;
    day(&test, 0).await;
    let binding = first_binding(&test).await;
    day(&test, 10).await;
    assert_eq!(maintain_all(&test, Some(RETENTION)).await, []);
    events_on(&test, binding, &[5, 10]).await;
    // Closed when the first event is older than an eighth of the retention.
    day(&test, 11).await;
    assert_eq!(
        maintain_all(&test, Some(RETENTION)).await,
        [Maintained::Closed]
    );
    assert_eq!(partitions(&test).await, [(1, 4), (4, 10_000_001)]);
    assert_eq!(maintain_all(&test, Some(RETENTION)).await, []);
    events_on(&test, binding, &[12, 13]).await;
    assert_eq!(days(&test).await, [0, 5, 10, 12, 13]);
    for (now, done, left) in [
        (89, vec![Maintained::Closed], vec![0, 5, 10, 12, 13]),
        (91, vec![Maintained::Dropped], vec![12, 13]),
        (92, vec![], vec![12, 13]),
        (94, vec![Maintained::Dropped], vec![]),
    ] {
        day(&test, now).await;
        assert_eq!(
            maintain_all(&test, Some(RETENTION)).await,
            done,
            "day {now}"
        );
        assert_eq!(days(&test).await, left, "day {now}");
    }
    // The numbers continue.
    events_on(&test, binding, &[94]).await;
    let events = log(&test.store, &AuditFilter::default()).await;
    assert_eq!(events[0].seq, 6);
    // The times of deleted events are deleted too, so a filter by time still starts at the right event.
    let filter = AuditFilter {
        since: Some(events[0].at),
        ..AuditFilter::default()
    };
    assert_eq!(log(&test.store, &filter).await, events);
}

#[tokio::test]
async fn an_installation_whose_next_number_has_no_partition_any_more_gets_one() {
    let test = test_store().await;
    day(&test, 0).await;
    let binding = first_binding(&test).await;
    events_on(&test, binding, &[1, 2]).await;
    day(&test, 20).await;
    assert_eq!(
        maintain_all(&test, Some(RETENTION)).await,
        [Maintained::Closed]
    );
    day(&test, 200).await;
    assert_eq!(
        maintain_all(&test, Some(RETENTION)).await,
        [Maintained::Dropped]
    );
    assert_eq!(partitions(&test).await, [(4, 10_000_001)]);
    let other = test.other("other");
    provision(&other, "one", spec()).await;
    assert_eq!(number(&other).await, 1);
    assert_eq!(log(&other, &AuditFilter::default()).await[0].seq, 1);
    assert_eq!(partitions(&test).await, [(1, 4), (4, 10_000_001)]);
    // The partition of its next numbers stays, although its event is too old.
    day(&test, 400).await;
    assert!(
        !maintain_all(&test, Some(RETENTION))
            .await
            .contains(&Maintained::Dropped)
    );
    assert_eq!(log(&other, &AuditFilter::default()).await.len(), 1);
}

#[tokio::test]
async fn no_retention_deletes_an_event_that_is_younger_than_a_day() {
    let test = test_store().await;
    day(&test, 0).await;
    let binding = first_binding(&test).await;
    set_head(&test, 9_999_999).await;
    events_on(&test, binding, &[0, 0]).await;
    test.clock(DAY.as_secs() - 1).await;
    for retention in [Duration::ZERO, Duration::from_hours(1)] {
        let done = maintain_all(&test, Some(retention)).await;
        assert!(!done.contains(&Maintained::Dropped), "{done:?}");
    }
    test.clock(DAY.as_secs() + 1).await;
    assert!(
        maintain_all(&test, Some(Duration::ZERO))
            .await
            .contains(&Maintained::Dropped)
    );
}

/// A database role that may serve and owns nothing. Dropping the database drops what it may do.
async fn serving_role(test: &TestStore) -> (String, PgConnection) {
    let role = format!("serve_{}", Uuid::new_v4().simple());
    let mut owner = connect(test).await;
    run(
        &mut owner,
        &format!(
            "CREATE ROLE {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON bindings, work, schedule, clusters TO {role};
             GRANT SELECT, INSERT, DELETE ON audit_pending TO {role};
             GRANT SELECT, INSERT ON audit_events, audit_times TO {role};
             GRANT SELECT, INSERT, UPDATE ON audit_heads TO {role}"
        ),
    )
    .await;
    let mut serving = PgConnection::connect(test.database.url())
        .await
        .expect("connected");
    run(&mut serving, &format!("SET ROLE {role}")).await;
    (role, serving)
}

async fn error_of(connection: &mut PgConnection, sql: &str) -> String {
    let ran = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await;
    ran.expect_err(sql).to_string()
}

#[tokio::test]
async fn a_role_that_may_only_serve_can_maintain_partitions_and_nothing_else() {
    let test = test_store().await;
    day(&test, 0).await;
    let binding = first_binding(&test).await;
    set_head(&test, 9_999_999).await;
    events_on(&test, binding, &[0, 1]).await;
    day(&test, 100).await;
    let (role, mut serving) = serving_role(&test).await;
    let call = "SELECT audit_maintain_partitions('1 day')";
    assert!(
        error_of(&mut serving, call)
            .await
            .contains("permission denied")
    );
    let grant = format!("GRANT EXECUTE ON FUNCTION audit_maintain_partitions(interval) TO {role}");
    test.sql(&grant).await.expect("granted");
    for denied in [
        "SELECT audit_make_partition(30000001, 40000001)",
        "DROP TABLE audit_events_from_1",
        "DROP TABLE audit_events",
        "ALTER TABLE audit_events DETACH PARTITION audit_events_from_1",
        "DELETE FROM audit_events",
        "UPDATE audit_events SET actor = 'x'",
        "TRUNCATE audit_events",
        "TRUNCATE audit_events_from_1",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
    ] {
        let error = error_of(&mut serving, denied).await;
        let is_denied = ["permission denied", "must be owner", "append-only"];
        assert!(
            is_denied.iter().any(|it| error.contains(it)),
            "{denied}: {error}"
        );
    }
    // Tables of its own with these names do not confuse the function.
    run(
        &mut serving,
        "CREATE TEMP TABLE audit_heads AS SELECT 'test'::text AS namespace, 0::bigint AS seq;
         CREATE TEMP TABLE audit_events (seq bigint, at timestamptz)",
    )
    .await;
    let mut done: Vec<String> = Vec::new();
    loop {
        let one: Option<String> = sqlx::query_scalar(call)
            .fetch_one(&mut serving)
            .await
            .expect("an answer");
        let Some(one) = one else { break };
        done.push(one);
    }
    assert_eq!(done, ["dropped", "closed", "dropped"]);
    assert_eq!(days(&test).await, [0; 0]);
    let mut owner = connect(&test).await;
    run(
        &mut owner,
        &format!("DROP OWNED BY {role}; DROP ROLE {role}"),
    )
    .await;
}

#[tokio::test]
async fn a_transaction_that_reads_for_long_delays_the_maintenance_of_partitions() {
    let test = test_store().await;
    day(&test, 0).await;
    let binding = first_binding(&test).await;
    set_head(&test, 9_999_999).await;
    events_on(&test, binding, &[0, 1]).await;
    day(&test, 100).await;
    let mut reader = connect(&test).await;
    run(&mut reader, "BEGIN; SELECT count(*) FROM audit_events").await;
    let error = test.store.maintain_audit_partitions(Some(DAY)).await;
    error.expect_err("the reader has a lock");
    assert_eq!(days(&test).await, [0, 0, 1]);
    run(&mut reader, "COMMIT").await;
    assert_eq!(maintain(&test, Some(DAY)).await, Some(Maintained::Dropped));
}

async fn incarnation(test: &TestStore, name: &str) -> BindingId {
    let mut lease = test.provision(name).await.lease.expect("a lease");
    activate(&test.store, &mut lease).await;
    let mut lease = tear_down(&test.store, name).await.lease.expect("a lease");
    remove(&test.store, &mut lease).await;
    lease.binding.id
}

async fn delete_expired(test: &TestStore) -> u64 {
    let deleted = test.store.delete_expired_bindings(RETENTION).await;
    deleted.expect("an answer")
}

#[tokio::test]
async fn finished_incarnations_are_deleted_after_their_events() {
    let test = test_store().await;
    day(&test, 0).await;
    let gone = incarnation(&test, "gone").await;
    let earlier = incarnation(&test, "again").await;
    let mut live = test.provision("live").await.lease.expect("a lease");
    activate(&test.store, &mut live).await;
    number(&test.store).await;
    day(&test, 20).await;
    let later = incarnation(&test, "again").await;
    assert_eq!(
        maintain_all(&test, Some(RETENTION)).await,
        [Maintained::Closed]
    );
    number(&test.store).await;
    day(&test, 90).await;
    assert_eq!(
        delete_expired(&test).await,
        0,
        "their events are still there"
    );
    assert_eq!(
        maintain_all(&test, Some(RETENTION)).await,
        [Maintained::Dropped, Maintained::Closed]
    );
    assert_eq!(delete_expired(&test).await, 2);
    assert_eq!(delete_expired(&test).await, 0);
    for (id, is_left) in [
        (gone, false),
        (earlier, false),
        (later, true),
        (live.binding.id, true),
    ] {
        let found = test.store.binding(id).await.expect("an answer");
        assert_eq!(found.is_some(), is_left);
    }
    // The cluster that lost its only binding goes on with the next generation.
    assert!(
        test.store
            .latest(&cluster("gone"))
            .await
            .expect("an answer")
            .is_none()
    );
    let again = test.provision("gone").await.binding;
    assert_eq!((again.generation, again.state()), (3, State::Provisioning));
    let rest = "DO $$ BEGIN
        ASSERT NOT EXISTS (SELECT FROM work w LEFT JOIN bindings b ON b.id = w.binding_id
                           WHERE b.id IS NULL);
    END $$";
    test.sql(rest)
        .await
        .expect("nothing is left of the deleted bindings");
}

#[tokio::test]
async fn a_finished_incarnation_that_may_have_a_late_resource_is_kept() {
    let test = test_store().await;
    day(&test, 0).await;
    let ids = ["due", "leased", "unresolved", "pending"];
    for name in ids {
        incarnation(&test, name).await;
    }
    number(&test.store).await;
    let of = |name: &str| format!("(SELECT id FROM bindings WHERE cluster = '{name}')");
    let states = format!(
        "INSERT INTO schedule (binding_id, namespace, due_at)
         SELECT id, namespace, service_now() FROM bindings WHERE cluster = 'due';
         UPDATE work SET lease_token = gen_random_uuid(), lease_until = service_now()
         WHERE binding_id = {};
         UPDATE work SET writes_resolved_at = service_now() + interval '200 days'
         WHERE binding_id = {};
         INSERT INTO audit_pending SELECT gen_random_uuid(), at, namespace, cluster, binding_id,
             generation, action, actor, request_id, from_state, to_state, detail
         FROM audit_events WHERE cluster = 'pending' LIMIT 1",
        of("leased"),
        of("unresolved"),
    );
    test.sql(&states).await.expect("updated");
    day(&test, 20).await;
    assert_eq!(
        maintain_all(&test, Some(RETENTION)).await,
        [Maintained::Closed]
    );
    day(&test, 100).await;
    assert_eq!(
        maintain_all(&test, Some(RETENTION)).await,
        [Maintained::Dropped]
    );
    assert_eq!(delete_expired(&test).await, 0);
    let settled = "DELETE FROM schedule; DELETE FROM audit_pending;
                   UPDATE work SET lease_token = NULL, lease_until = NULL, writes_resolved_at = NULL";
    test.sql(settled).await.expect("updated");
    assert_eq!(delete_expired(&test).await, 4);
}
