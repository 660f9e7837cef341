//! What the sweeps of the whole account read and write.

use std::time::Duration;

use engine_roles_domain::binding::{Binding, BindingId};
use engine_roles_store::{Next, Recorded, Sweep};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::test_store::{
    DONE, TestStore, activate, changed, provision, release, remove, scope, tear_down, test_store,
};

const INTERVAL: Duration = Duration::from_secs(100);

/// Provisions the cluster and records that AWS applied the spec. Only a request makes it due.
async fn active(test: &TestStore, name: &str) -> Binding {
    let mut lease = test.provision(name).await.lease.expect("a lease");
    activate(&test.store, &mut lease).await;
    lease.binding
}

/// Starts a transaction that locks rows, and returns its connection.
async fn locked(test: &TestStore, rows: &str) -> PgConnection {
    let url = test.database.url();
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    sqlx::raw_sql(AssertSqlSafe(format!("BEGIN; {rows} FOR UPDATE")))
        .execute(&mut connection)
        .await
        .expect("locked");
    connection
}

fn ids(bindings: &[&Binding]) -> Vec<BindingId> {
    bindings.iter().map(|binding| binding.id).collect()
}

#[tokio::test]
async fn one_replica_takes_the_turn_of_a_sweep_once_per_interval() {
    let test = test_store().await;
    let other = test.other("test");
    let take = async |seconds: u64| {
        test.clock(seconds).await;
        let (one, two) = tokio::join!(
            test.store.take_turn(Sweep::Drift, INTERVAL),
            other.take_turn(Sweep::Drift, INTERVAL)
        );
        u8::from(one.expect("an answer")) + u8::from(two.expect("an answer"))
    };
    // The first call sets the time of the first turn.
    for (seconds, turns) in [(0, 0), (99, 0), (100, 1), (150, 0), (200, 1)] {
        assert_eq!(take(seconds).await, turns, "{seconds}");
    }
    let orphans = test.store.take_turn(Sweep::Orphans, INTERVAL).await;
    assert!(!orphans.expect("an answer"), "each sweep has its own turns");
}

#[tokio::test]
async fn a_sweep_makes_bindings_due_unless_a_worker_has_them() {
    let test = test_store().await;
    test.clock(0).await;
    let quiet = active(&test, "quiet").await;
    let mut lease = test.provision("later").await.lease.expect("a lease");
    let later = Next::Release {
        due_at: Some(lease.now() + Duration::from_mins(9)),
    };
    release(&test.store, &mut lease, later).await;
    let leased = test.provision("leased").await;
    test.clock(1).await;
    assert_eq!(test.due().await, [""; 0]);
    let all = ids(&[&quiet, &lease.binding, &leased.binding]);
    test.store.make_due(&all).await.expect("an answer");
    let mut due = test.due().await;
    due.sort_unstable();
    assert_eq!(due, ["later", "quiet"]);
    // The holder's record is not affected.
    let mut lease = leased.lease.expect("a lease");
    assert_eq!(activate(&test.store, &mut lease).await, Recorded::Written);
    test.clock(40).await;
    let mut due = test.due().await;
    due.sort_unstable();
    assert_eq!(due, ["later", "quiet"]);
}

#[tokio::test]
async fn a_verified_binding_is_due_again_after_the_interval() {
    let test = test_store().await;
    test.clock(0).await;
    let before = active(&test, "one").await;
    test.clock(10).await;
    let sound = [(before.id, before.generation)];
    test.store
        .verified(&sound, INTERVAL)
        .await
        .expect("an answer");
    let after = test.latest("one").await.expect("a binding");
    let verified_at = after.verified_at.expect("the time of the check");
    assert_eq!(verified_at.to_rfc3339(), "2027-01-01T00:00:10+00:00");
    assert_eq!(after.revision, before.revision + 1);
    test.clock(109).await;
    assert_eq!(test.due().await, [""; 0]);
    test.clock(110).await;
    assert_eq!(test.due().await, ["one"]);
}

#[tokio::test]
async fn a_binding_that_changed_or_has_a_lease_is_not_verified() {
    let test = test_store().await;
    test.clock(0).await;
    let changed_since = active(&test, "changed").await;
    let mut lease = provision(&test.store, "changed", changed())
        .await
        .lease
        .expect("a lease");
    activate(&test.store, &mut lease).await;
    let deleting = active(&test, "deleting").await;
    let mut lease = tear_down(&test.store, "deleting")
        .await
        .lease
        .expect("a lease");
    release(&test.store, &mut lease, DONE).await;
    let ended = active(&test, "ended").await;
    test.store
        .make_due(&ids(&[&ended]))
        .await
        .expect("an answer");
    assert_eq!(test.due().await, ["ended"]);
    // The lease has ended without an outcome; a worker must take the binding over.
    test.clock(31).await;
    let all = [changed_since, lease.binding, deleting, ended];
    let sound: Vec<_> = all.iter().map(|one| (one.id, one.generation)).collect();
    test.store
        .verified(&sound, INTERVAL)
        .await
        .expect("an answer");
    for name in ["changed", "deleting", "ended"] {
        let binding = test.latest(name).await.expect("a binding");
        assert_eq!(binding.verified_at, None, "{name}");
    }
    assert_eq!(test.due().await, ["ended"]);
}

#[tokio::test]
async fn a_sweep_does_not_wait_for_a_locked_row() {
    let test = test_store().await;
    test.clock(0).await;
    for (number, rows) in [
        "SELECT FROM bindings WHERE cluster = 'stuck0'",
        "SELECT FROM work WHERE binding_id = (SELECT id FROM bindings WHERE cluster = 'stuck1')",
    ]
    .into_iter()
    .enumerate()
    {
        let stuck = active(&test, &format!("stuck{number}")).await;
        let free = active(&test, &format!("free{number}")).await;
        let _transaction = locked(&test, rows).await;
        let both = [(stuck.id, 1), (free.id, 1)];
        test.store
            .verified(&both, INTERVAL)
            .await
            .expect("the statement does not wait");
        test.store
            .make_due(&ids(&[&stuck, &free]))
            .await
            .expect("the statement does not wait");
        let verified = async |name: String| {
            let binding = test.latest(&name).await.expect("a binding");
            binding.verified_at.is_some()
        };
        assert!(!verified(format!("stuck{number}")).await, "{rows}");
        assert!(verified(format!("free{number}")).await, "{rows}");
        assert_eq!(test.due().await, [format!("free{number}")], "{rows}");
    }
}

#[tokio::test]
async fn active_bindings_that_a_listing_lacks_are_found_on_every_page() {
    let test = test_store().await;
    // A mode, a profile of ours, no drift, and no write that reads may not show.
    let rows = "INSERT INTO clusters (namespace, cluster, generation)
        SELECT 'test', 'c' || n, 1 FROM generate_series(1, 2100) n;
        INSERT INTO bindings (id, namespace, cluster, resource_name, account_id, aws_partition, state,
                              live, mode, generation, spec, profile, drift, created_at, updated_at)
        SELECT lpad(n::text, 32, '0')::uuid, 'test', 'c' || n, 'r' || n, '123456789012', 'aws',
               CASE WHEN n = 5 THEN 'blocked' ELSE 'active' END, true,
               CASE WHEN n % 2 = 0 THEN 'create' ELSE 'pass_through' END, 1, '{}',
               CASE n WHEN 6 THEN NULL ELSE jsonb_build_object('managed', n <> 7) END,
               CASE WHEN n % 3 = 0 THEN '[{}]'::jsonb ELSE '[]'::jsonb END,
               service_now(), service_now()
        FROM generate_series(1, 2100) n;
        INSERT INTO work (binding_id, reads_consistent_at)
        SELECT id, CASE WHEN cluster = 'c8' THEN service_now() + interval '1 minute'
                        WHEN cluster = 'c9' THEN service_now() END
        FROM bindings WHERE cluster <> 'c10'";
    test.clock(0).await;
    test.sql(rows).await.expect("written");
    let id = |number: u32| BindingId(format!("{number:0>32}").parse().expect("an id"));
    let found: Vec<_> = (11..=2000).map(id).collect();
    let missing = test.store.active_except(&found).await.expect("an answer");
    let mut missing: Vec<_> = missing.into_iter().collect();
    missing.sort_unstable();
    let expected: Vec<_> = [1, 2, 3, 4, 9, 10]
        .into_iter()
        .chain(2001..=2100)
        .map(id)
        .collect();
    assert_eq!(missing, expected);
    let other = test.other("other").active_except(&[]).await;
    assert!(other.expect("an answer").is_empty());
}

#[tokio::test]
async fn some_role_that_the_service_created_is_known_while_one_is_active() {
    let test = test_store().await;
    let account = scope().account;
    let some = async || {
        let name = test.store.some_created_role(&account).await;
        name.expect("an answer")
    };
    active(&test, "prepared").await;
    test.provision("created").await;
    let create = "UPDATE bindings SET mode = 'create' WHERE cluster LIKE 'created%'";
    test.sql(create).await.expect("written");
    assert_eq!(some().await, None);
    let created = active(&test, "created-2").await;
    test.sql(create).await.expect("written");
    let name = created.resource_name().to_string();
    assert_eq!(some().await, Some(name));
    let other_account = "210987654321".parse().expect("an account");
    let name = test.store.some_created_role(&other_account).await;
    assert_eq!(name.expect("an answer"), None);
    let mut lease = tear_down(&test.store, "created-2")
        .await
        .lease
        .expect("a lease");
    remove(&test.store, &mut lease).await;
    assert_eq!(some().await, None);
}
