//! The counts of bindings that triggers keep.

use engine_roles_domain::account::{Partition, Scope};
use engine_roles_domain::binding::State;
use engine_roles_store::Store;
use futures::future::join_all;

use crate::test_store::{activate, provision, remove, scope, spec, tear_down, test_store};

async fn counts(store: &Store) -> Vec<(&'static str, i64)> {
    let counts = store.count_by_state().await.expect("counts");
    let mut counts: Vec<_> = counts
        .into_iter()
        .map(|(state, count)| (state.as_str(), count))
        .collect();
    counts.sort_unstable();
    counts
}

/// Provisions a cluster, activates the binding, and tears it down.
async fn incarnation(store: &Store, name: &str) {
    let mut lease = provision(store, name, spec()).await.lease.expect("a lease");
    activate(store, &mut lease).await;
    let mut lease = tear_down(store, name).await.lease.expect("a lease");
    remove(store, &mut lease).await;
}

#[tokio::test]
async fn counts_are_exact_before_and_after_changes_are_added_to_them() {
    let test = test_store().await;
    let store = &test.store;
    assert!(counts(store).await.is_empty());
    assert_eq!(store.add_count_changes().await.expect("added"), 0);
    incarnation(store, "one").await;
    let again = test.provision("one").await;
    for round in 0..2 {
        let expected = [("deleted", 1), ("provisioning", 1)];
        assert_eq!(counts(store).await, expected, "{round}");
        store.add_count_changes().await.expect("added");
        assert_eq!(store.add_count_changes().await.expect("added"), 0);
    }
    activate(store, &mut again.lease.expect("a lease")).await;
    assert_eq!(counts(store).await, [("active", 1), ("deleted", 1)]);
    // An update that changes no state changes no count.
    let touch = "UPDATE bindings SET updated_at = updated_at + interval '1 second'";
    test.sql(touch).await.expect("written");
    assert_eq!(store.add_count_changes().await.expect("added"), 2);
    test.sql("DELETE FROM audit_pending; DELETE FROM bindings WHERE state = 'deleted'")
        .await
        .expect("deleted");
    assert_eq!(counts(store).await, [("active", 1)]);
}

#[tokio::test]
async fn counts_are_exact_when_many_write_and_several_add_at_once() {
    let test = test_store().await;
    let writers = (0..4).map(|writer| {
        let store = test.other("test");
        async move {
            for number in 0..5 {
                incarnation(&store, &format!("c{writer}-{number}")).await;
                provision(&store, &format!("c{writer}-{number}"), spec()).await;
                store.add_count_changes().await.expect("added");
            }
        }
    });
    join_all(writers).await;
    for _ in 0..2 {
        let expected = [("deleted", 20), ("provisioning", 20)];
        assert_eq!(counts(&test.store).await, expected);
        test.store.add_count_changes().await.expect("added");
    }
}

#[tokio::test]
async fn a_binding_that_was_rolled_back_is_not_counted() {
    let test = test_store().await;
    test.provision("one").await;
    let rolled_back = "BEGIN; UPDATE bindings SET state = 'active'; ROLLBACK";
    test.sql(rolled_back).await.expect("rolled back");
    assert_eq!(counts(&test.store).await, [("provisioning", 1)]);
}

#[tokio::test]
async fn live_bindings_of_other_accounts_are_counted() {
    let test = test_store().await;
    let store = &test.store;
    incarnation(store, "gone").await;
    test.provision("one").await;
    test.provision("two").await;
    let other_account = Scope {
        account: "210987654321".parse().expect("an account"),
        ..scope()
    };
    let other_partition = Scope {
        partition: Partition::AwsCn,
        ..scope()
    };
    for _ in 0..2 {
        for (here, expected) in [
            (scope(), 0),
            (other_account.clone(), 2),
            (other_partition.clone(), 2),
        ] {
            let count = store.count_of_other_accounts(&here).await.expect("a count");
            assert_eq!(count, expected, "{here:?}");
        }
        store.add_count_changes().await.expect("added");
    }
    let others = test.other("other");
    let count = others.count_of_other_accounts(&other_account).await;
    assert_eq!(count.expect("a count"), 0);
    assert_eq!(State::ALL.len(), 6, "each state has a count");
}
