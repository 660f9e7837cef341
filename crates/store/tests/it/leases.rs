//! Leases: who may converge a binding, and until when.

use chrono::{DateTime, Duration, Utc};
use engine_roles_domain::binding::lifecycle::Lifecycle;
use engine_roles_domain::binding::{ProfileRecord, State, step_applied, write_unresolved};
use engine_roles_domain::cluster::RoleSpec;
use engine_roles_domain::resources::Applied;
use engine_roles_store::{Next, Operation, Recorded};

use crate::test_store::{
    DONE, LEASE, WINDOW, activate, activated, changed, provision, record, reject, release, spec,
    test_store,
};

fn at(seconds: i64) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2027-01-01T00:00:00Z".parse().expect("a time");
    start + Duration::seconds(seconds)
}

#[tokio::test]
async fn a_leased_binding_can_not_be_leased_again() {
    let test = test_store().await;
    test.clock(0).await;
    let held = test.provision("one").await.lease.expect("a lease");
    assert!(test.due().await.is_empty());
    assert!(
        test.other("test")
            .lease_due(9)
            .await
            .expect("an answer")
            .is_empty()
    );
    assert!(held.remaining() <= LEASE);
    assert!(held.now() >= at(0));
}

#[tokio::test]
async fn two_replicas_never_lease_the_same_binding() {
    let test = test_store().await;
    test.clock(0).await;
    for number in 0..10 {
        test.provision(&format!("c{number}")).await;
    }
    test.clock(31).await;
    let (one, two) = (test.other("test"), test.other("test"));
    let (one, two) = tokio::join!(one.lease_due(10), two.lease_due(10));
    let (one, two) = (one.expect("an answer"), two.expect("an answer"));
    let mut ids: Vec<_> = one
        .iter()
        .chain(&two)
        .map(|lease| lease.binding.id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), one.len() + two.len()), (10, 10));
}

#[tokio::test]
async fn an_expired_lease_is_taken_over_and_its_holder_can_record_nothing() {
    let test = test_store().await;
    test.clock(0).await;
    let mut slow = test.provision("one").await.lease.expect("a lease");
    test.clock(29).await;
    assert!(test.due().await.is_empty());
    test.clock(30).await;
    let mut taken = test.store.lease_due(9).await.expect("an answer");
    let mut taken = taken.pop().expect("the expired one");
    assert_eq!(taken.binding.id, slow.binding.id);
    // The holder may have sent a call until its lease ended, and such a call may take effect up to
    // one consistency window later.
    let resolved = at(30) + Duration::from_std(WINDOW).expect("a minute");
    let consistency = taken.binding.consistency;
    assert_eq!(consistency.writes_resolved_at, Some(resolved));

    assert!(
        !test
            .store
            .renew(&mut slow, Operation::Reconcile)
            .await
            .expect("an answer")
    );
    assert_eq!(activate(&test.store, &mut slow).await, Recorded::Lost);
    assert_eq!(reject(&test.store, &mut slow).await, Recorded::Lost);
    let current = test.current(&taken.binding).await;
    assert_eq!(
        (current.state(), current.generation),
        (State::Provisioning, 1)
    );
    assert_eq!(activate(&test.store, &mut taken).await, Recorded::Written);
}

#[tokio::test]
async fn an_expired_lease_is_lost_even_when_nobody_took_it_over() {
    let test = test_store().await;
    test.clock(0).await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    test.clock(30).await;
    assert!(
        !test
            .store
            .renew(&mut lease, Operation::Reconcile)
            .await
            .expect("an answer")
    );
    assert_eq!(activate(&test.store, &mut lease).await, Recorded::Lost);
}

#[tokio::test]
async fn a_renewed_lease_lasts_longer() {
    let test = test_store().await;
    test.clock(0).await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    test.clock(20).await;
    assert!(
        test.store
            .renew(&mut lease, Operation::Reconcile)
            .await
            .expect("an answer")
    );
    assert!(lease.now() >= at(20));
    test.clock(49).await;
    assert!(test.due().await.is_empty());
    assert_eq!(activate(&test.store, &mut lease).await, Recorded::Written);
}

#[tokio::test]
async fn a_change_takes_over_an_expired_lease() {
    let test = test_store().await;
    test.clock(0).await;
    let mut slow = test.provision("one").await.lease.expect("a lease");
    test.clock(40).await;
    let change = provision(&test.store, "one", changed()).await;
    let taken = change.lease.expect("a lease");
    assert!(taken.binding.consistency.writes_resolved_at.is_some());
    assert_eq!(activate(&test.store, &mut slow).await, Recorded::Lost);
}

#[tokio::test]
async fn a_released_binding_is_leased_again_when_it_is_due() {
    let test = test_store().await;
    test.clock(0).await;
    for (cluster, due_at) in [
        ("later", Some(at(100))),
        ("sooner", Some(at(50))),
        ("never", None),
    ] {
        let mut lease = test.provision(cluster).await.lease.expect("a lease");
        let released = release(&test.store, &mut lease, Next::Release { due_at }).await;
        assert_eq!(released, Recorded::Written);
    }
    let mut due = Vec::new();
    for seconds in [49, 50, 120] {
        test.clock(seconds).await;
        let leases = test.store.lease_due(9).await.expect("an answer");
        let mut names: Vec<String> = Vec::new();
        for mut lease in leases {
            let resolved = lease.binding.consistency.writes_resolved_at;
            assert_eq!(resolved, None, "no lease expired");
            names.push(lease.binding.cluster.to_string());
            release(&test.store, &mut lease, DONE).await;
        }
        due.push(names);
    }
    assert_eq!(due, [vec![], vec!["sooner"], vec!["later"]]);
}

#[tokio::test]
async fn a_batch_is_limited_and_holds_the_bindings_that_are_due_longest() {
    let test = test_store().await;
    for (seconds, cluster) in [(0, "a"), (5, "b"), (10, "c")] {
        test.clock(seconds).await;
        test.provision(cluster).await;
    }
    test.clock(60).await;
    let leases = test.store.lease_due(2).await.expect("an answer");
    let mut names: Vec<_> = leases
        .iter()
        .map(|lease| lease.binding.cluster.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test]
async fn an_unreadable_record_does_not_delay_other_bindings() {
    let test = test_store().await;
    test.clock(0).await;
    for (cluster, columns) in [
        ("newer", r#"spec = '{"mode": "of_tomorrow"}'"#),
        ("contradictory", "state = 'blocked', last_error = NULL"),
        ("good", "cluster = cluster"),
    ] {
        test.provision(cluster).await;
        let sql = format!("UPDATE bindings SET {columns} WHERE cluster = '{cluster}'");
        test.sql(&sql).await.expect("updated");
        test.clock(1).await;
    }
    test.clock(31).await;
    assert_eq!(test.due().await, ["good"]);
}

fn profile() -> ProfileRecord {
    ProfileRecord {
        name: "made".parse().expect("a profile"),
        arn: None,
        id: Some("AIPAMADE".to_owned()),
        managed: true,
    }
}

#[tokio::test]
async fn what_was_learned_about_aws_under_a_superseded_intent_is_kept() {
    let test = test_store().await;
    test.clock(0).await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    provision(&test.store, "one", changed()).await;
    let created = Applied::Profile(profile());
    let learned = step_applied(lease.binding.clone(), &created, at(60));
    let learned = activated(&lease, write_unresolved(learned, at(90)));
    let recorded = record(&test.store, &mut lease, &learned, DONE).await;
    assert_eq!(recorded, Recorded::Superseded);
    let current = test.current(&lease.binding).await;
    assert_eq!(current, lease.binding);
    assert_eq!(
        (current.state(), current.generation),
        (State::Provisioning, 2)
    );
    assert_eq!(current.spec, changed());
    assert_eq!(current.profile, Some(profile()));
    assert_eq!(
        (current.applied_generation, current.applied_spec),
        (Some(1), Some(spec()))
    );
    assert_eq!(current.consistency.reads_consistent_at, Some(at(60)));
    assert_eq!(current.consistency.writes_resolved_at, Some(at(90)));
}

#[tokio::test]
async fn a_withdrawal_is_a_new_intent_under_the_same_lease() {
    let test = test_store().await;
    test.clock(0).await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    activate(&test.store, &mut lease).await;
    let change = provision(&test.store, "one", changed()).await;
    let mut lease = change.lease.expect("a lease");
    assert_eq!(reject(&test.store, &mut lease).await, Recorded::Written);
    // The newest binding is the one with the generation of the cluster.
    let latest = test.latest("one").await.expect("the newest");
    assert_eq!((latest.generation, &latest.spec), (3, &spec()));
    assert!(matches!(
        latest.lifecycle,
        Lifecycle::WithdrawingChange { .. }
    ));
    assert_eq!(latest, lease.binding);
    assert_eq!(activate(&test.store, &mut lease).await, Recorded::Written);
    let next = provision(&test.store, "one", changed()).await;
    assert_eq!(next.binding.generation, 4);
}

#[tokio::test]
async fn the_withdrawal_of_a_superseded_intent_changes_no_generation() {
    let test = test_store().await;
    test.clock(0).await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    activate(&test.store, &mut lease).await;
    let change = provision(&test.store, "one", changed()).await;
    let mut lease = change.lease.expect("a lease");
    let other = RoleSpec {
        region: "eu-west-1".parse().expect("a region"),
        ..changed()
    };
    provision(&test.store, "one", other.clone()).await;
    assert_eq!(reject(&test.store, &mut lease).await, Recorded::Superseded);
    let latest = test.latest("one").await.expect("the newest");
    assert_eq!((latest.generation, &latest.spec), (3, &other));
    assert_eq!(latest, lease.binding);
    // The lease now has the newer intent, which can be withdrawn too.
    assert_eq!(reject(&test.store, &mut lease).await, Recorded::Written);
    let latest = test.latest("one").await.expect("the newest");
    assert_eq!((latest.generation, &latest.spec), (4, &spec()));
}

#[tokio::test]
async fn a_new_intent_for_a_released_binding_comes_with_a_lease() {
    let test = test_store().await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    activate(&test.store, &mut lease).await;
    let change = provision(&test.store, "one", changed()).await;
    assert!(change.lease.is_some());
    // The holder of the old lease has lost it.
    let released = release(&test.store, &mut lease, DONE).await;
    assert_eq!(released, Recorded::Lost);
}
