//! Heartbeats: how replicas see that another replica is alive, and what else a tick reads.

use std::time::Duration;

use engine_roles_store::{ReplicaId, Seen, Store, StoreError, Tick, Ticker};

use crate::test_store::{TestStore, log, test_store};

const CALL_TIMEOUT: Duration = Duration::from_secs(10);

fn ticker(store: &Store) -> Ticker {
    store.ticker(CALL_TIMEOUT)
}

async fn seen(ticker: &mut Ticker) -> Seen {
    match ticker.tick().await.expect("an answer") {
        Tick::Acknowledged(seen) => seen,
        Tick::DeclaredDead => panic!("the replica is alive"),
    }
}

async fn is_work_due(ticker: &mut Ticker) -> bool {
    seen(ticker).await.work_due_for.is_some()
}

/// Makes a cluster's binding due, and gives this replica a lease on it until this many seconds after
/// the start of 2027.
async fn leased(test: &TestStore, cluster: &str, replica: Option<ReplicaId>, until: u64) {
    let replica = replica.map_or("NULL".to_owned(), |replica| format!("'{replica}'"));
    let binding = test.provision(cluster).await.binding.id;
    let sql = format!(
        "UPDATE work SET lease_token = gen_random_uuid(), lease_replica = {replica},
             lease_until = timestamptz '2027-01-01' + make_interval(secs => {until})
         WHERE binding_id = '{binding}';
         INSERT INTO schedule (binding_id, namespace, due_at)
         VALUES ('{binding}', 'test', timestamptz '2027-01-01')
         ON CONFLICT (binding_id) DO UPDATE SET due_at = EXCLUDED.due_at",
        binding = binding.0,
    );
    test.sql(&sql).await.expect("the binding is leased");
}

#[tokio::test]
async fn each_tick_raises_the_heartbeat_that_the_other_replicas_read() {
    let test = test_store().await;
    let (store, other) = (test.starting("test"), test.starting("test"));
    let (mut one, mut two) = (ticker(&store), ticker(&other));
    assert_eq!(store.current_replica(), None);
    assert_eq!(seen(&mut one).await.others, []);
    assert_eq!(store.current_replica(), Some(one.replica()));
    assert_eq!(other.current_replica(), None);
    for heartbeat in 1..4 {
        assert_eq!(seen(&mut two).await.others, [(one.replica(), heartbeat)]);
        assert_eq!(seen(&mut one).await.others, [(two.replica(), heartbeat)]);
    }
}

#[tokio::test]
async fn replicas_of_another_installation_are_not_read() {
    let test = test_store().await;
    let (mut one, mut two) = (ticker(&test.store), ticker(&test.other("else")));
    seen(&mut one).await;
    assert_eq!(seen(&mut two).await.others, []);
}

#[tokio::test]
async fn a_replica_is_declared_dead_only_while_its_heartbeat_is_the_one_that_was_seen() {
    let test = test_store().await;
    let (mut one, mut two) = (ticker(&test.store), ticker(&test.other("test")));
    seen(&mut two).await;
    let others = seen(&mut one).await.others;
    let (replica, heartbeat) = others[0];
    seen(&mut two).await;
    let declared = one.declare_dead(replica, heartbeat).await;
    assert!(!declared.expect("an answer"), "its heartbeat has changed");
    assert_eq!(seen(&mut one).await.others, [(replica, heartbeat + 1)]);
    let declared = one.declare_dead(replica, heartbeat + 1).await;
    assert!(declared.expect("an answer"));
    let again = one.declare_dead(replica, heartbeat + 1).await;
    assert!(!again.expect("an answer"), "it was declared dead before");
    assert_eq!(seen(&mut one).await.others, []);
}

#[tokio::test]
async fn a_replica_that_was_declared_dead_continues_under_a_new_id() {
    let test = test_store().await;
    let store = test.other("test");
    let (mut one, mut two) = (ticker(&test.store), ticker(&store));
    seen(&mut two).await;
    let (old, heartbeat) = seen(&mut one).await.others[0];
    one.declare_dead(old, heartbeat).await.expect("an answer");
    assert_eq!(two.tick().await.expect("an answer"), Tick::DeclaredDead);
    assert_eq!(store.current_replica(), None);
    seen(&mut two).await;
    assert_ne!(two.replica(), old);
    assert_eq!(store.current_replica(), Some(two.replica()));
    assert_eq!(seen(&mut one).await.others, [(two.replica(), 1)]);
}

#[tokio::test]
async fn a_replica_whose_row_is_missing_continues_under_a_new_id() {
    let test = test_store().await;
    let mut one = ticker(&test.store);
    seen(&mut one).await;
    let old = one.replica();
    test.sql("DELETE FROM replicas").await.expect("deleted");
    assert_eq!(one.tick().await.expect("an answer"), Tick::DeclaredDead);
    assert_eq!(test.store.current_replica(), None);
    seen(&mut one).await;
    assert_ne!(one.replica(), old);
}

#[tokio::test]
async fn a_moved_clock_ends_no_heartbeat() {
    let test = test_store().await;
    let (mut one, mut two) = (ticker(&test.store), ticker(&test.other("test")));
    for seconds in [0, 1_000_000, 500] {
        test.clock(seconds).await;
        seen(&mut two).await;
        let others = seen(&mut one).await.others;
        assert_eq!(others.len(), 1, "at {seconds} s");
    }
}

#[tokio::test]
async fn a_binding_is_due_for_others_when_its_lease_has_ended_by_time() {
    let test = test_store().await;
    let mut one = ticker(&test.store);
    test.clock(0).await;
    assert!(!is_work_due(&mut one).await);
    leased(&test, "one", None, 30).await;
    test.clock(29).await;
    assert!(!is_work_due(&mut one).await, "a lease without a replica");
    test.clock(30).await;
    assert!(is_work_due(&mut one).await);
    test.sql("UPDATE schedule SET due_at = due_at + interval '1 hour'")
        .await
        .expect("postponed");
    assert!(!is_work_due(&mut one).await, "the binding is not due");
}

#[tokio::test]
async fn a_binding_is_due_for_others_when_its_replica_was_declared_dead() {
    let test = test_store().await;
    let (mut one, mut two) = (ticker(&test.store), ticker(&test.other("test")));
    test.clock(0).await;
    seen(&mut two).await;
    leased(&test, "one", Some(two.replica()), 30).await;
    let first = seen(&mut one).await;
    assert!(first.work_due_for.is_none());
    let (replica, heartbeat) = first.others[0];
    one.declare_dead(replica, heartbeat)
        .await
        .expect("an answer");
    assert!(is_work_due(&mut one).await);
}

#[tokio::test]
async fn a_replica_that_gives_up_leaves_its_work_to_others_at_once() {
    let test = test_store().await;
    let store = test.other("test");
    let (mut one, mut two) = (ticker(&test.store), ticker(&store));
    test.clock(0).await;
    seen(&mut two).await;
    leased(&test, "one", Some(two.replica()), 30).await;
    assert!(!is_work_due(&mut one).await);
    two.give_up().await.expect("an answer");
    assert_eq!(store.current_replica(), None);
    let after = seen(&mut one).await;
    assert_eq!((after.work_due_for.is_some(), after.others), (true, vec![]));
}

#[tokio::test]
async fn events_are_pending_until_they_have_a_number() {
    let test = test_store().await;
    let mut one = ticker(&test.store);
    assert!(seen(&mut one).await.events_pending_for.is_none());
    test.provision("one").await;
    assert!(seen(&mut one).await.events_pending_for.is_some());
    log(&test.store, &engine_roles_store::AuditFilter::default()).await;
    assert!(seen(&mut one).await.events_pending_for.is_none());
}

#[tokio::test]
async fn the_row_of_a_dead_replica_is_deleted_by_a_later_start_once_its_leases_have_ended() {
    let test = test_store().await;
    let rows = async || {
        let count = "SELECT count(*) FROM replicas";
        test.number(count).await
    };
    test.clock(0).await;
    let mut one = ticker(&test.store);
    seen(&mut one).await;
    one.give_up().await.expect("an answer");
    test.clock(3_600).await;
    seen(&mut ticker(&test.store)).await;
    assert_eq!(rows().await, 2);
    test.clock(3_601).await;
    seen(&mut ticker(&test.store)).await;
    assert_eq!(rows().await, 2, "the dead one was deleted, a third came");
}

#[tokio::test]
async fn the_row_of_a_replica_has_its_call_timeout() {
    let test = test_store().await;
    seen(&mut ticker(&test.store)).await;
    let seconds = "SELECT extract(epoch FROM call_timeout)::bigint FROM replicas";
    assert_eq!(test.number(seconds).await, 10);
}

#[tokio::test]
async fn a_tick_after_a_lost_connection_connects_again() {
    let test = test_store().await;
    let mut one = ticker(&test.store);
    seen(&mut one).await;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    test.sql(cut).await.expect("the connections are cut");
    let failed = one.tick().await.expect_err("the connection is lost");
    assert!(matches!(failed, StoreError::Unavailable(_)), "{failed}");
    let replica = one.replica();
    seen(&mut one).await;
    assert_eq!(one.replica(), replica, "it was not declared dead");
}

#[tokio::test]
async fn a_server_that_became_read_only_is_left() {
    let test = test_store().await;
    let mut one = ticker(&test.store);
    seen(&mut one).await;
    // The setting is read when a connection is opened, so that this one can still write.
    let mut administrator = test.connect().await;
    let mut set_read_only = async |on: &str| {
        let set = format!(
            "DO $$ BEGIN EXECUTE format(
                 'ALTER DATABASE %I SET default_transaction_read_only = {on}', current_database());
             END $$"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(set))
            .execute(&mut administrator)
            .await
            .expect("set");
    };
    set_read_only("on").await;
    let mut late = ticker(&test.store);
    let failed = late.tick().await.expect_err("the server is read-only");
    assert!(matches!(failed, StoreError::ReadOnly(_)), "{failed:?}");
    set_read_only("off").await;
    // This succeeds only on a new connection.
    seen(&mut late).await;
}

#[tokio::test]
async fn a_tick_that_has_to_wait_fails_within_seconds() {
    let test = test_store().await;
    let mut one = ticker(&test.store);
    seen(&mut one).await;
    let mut locking = test.connect().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE replicas IN ACCESS EXCLUSIVE MODE")
        .execute(&mut locking)
        .await
        .expect("locked");
    let started = std::time::Instant::now();
    one.tick().await.expect_err("the table is locked");
    // Requests and background tasks wait three seconds.
    assert!(started.elapsed() < Duration::from_secs(3));
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut locking)
        .await
        .expect("unlocked");
    seen(&mut one).await;
}
