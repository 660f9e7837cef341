//! Intents: what a caller asks for, recorded before AWS is called.

use engine_roles_domain::binding::lifecycle;
use engine_roles_domain::binding::{BindingId, Rejection, State};
use engine_roles_store::{AuditFilter, Change, Intent, Operation, Recorded};
use futures::future::join_all;

use crate::test_store::{
    DONE, activate, change, changed, failure, log, new_binding, provision, read, record,
    record_intent, reject, release, remove, request_teardown, scope, spec, tear_down, test_store,
};

#[tokio::test]
async fn a_new_intent_writes_a_binding_a_lease_and_an_event() {
    let test = test_store().await;
    let recorded = test.provision("one").await;
    assert_eq!(recorded.change, Change::Created);
    let binding = &recorded.binding;
    assert_eq!(
        (binding.state(), binding.is_live()),
        (State::Provisioning, true)
    );
    assert_eq!((binding.generation, binding.applied_generation), (1, None));
    assert_eq!((&binding.spec, &binding.scope), (&spec(), &scope()));
    let lease = recorded.lease.expect("a lease");
    assert_eq!(&lease.binding, binding);
    assert_eq!(&test.current(binding).await, binding);
    let log = log(&test.store, &AuditFilter::default()).await;
    assert_eq!(log.len(), 1);
    assert_eq!(change(&log[0]).binding_id, binding.id);
    assert_eq!(
        (change(&log[0]).from_state, change(&log[0]).to_state),
        (None, State::Provisioning)
    );
    assert_eq!(log[0].request_id.as_deref(), Some("r-1"));
}

#[tokio::test]
async fn repeating_an_intent_returns_the_same_binding() {
    let test = test_store().await;
    let first = test.provision("one").await;
    let again = test.provision("one").await;
    assert_eq!(again.change, Change::Unchanged);
    assert_eq!(again.binding, first.binding);
    assert!(again.lease.is_none(), "another worker has the lease");
    let mut lease = first.lease.expect("a lease");
    assert_eq!(activate(&test.store, &mut lease).await, Recorded::Written);
    let done = test.provision("one").await;
    assert_eq!(done.change, Change::Unchanged);
    assert!(done.lease.is_none(), "there is nothing to do");
}

#[tokio::test]
async fn a_pending_binding_that_nobody_converges_can_be_leased_before_it_is_due() {
    let test = test_store().await;
    let first = test.provision("one").await;
    let mut lease = first.lease.expect("a lease");
    let id = lease.binding.id;
    let taken = test.store.lease_now(id, Operation::Provision).await;
    assert!(
        taken.expect("an answer").is_none(),
        "another worker has the lease"
    );
    let released = release(&test.store, &mut lease, DONE).await;
    assert_eq!(released, Recorded::Written);
    let taken = test.store.lease_now(id, Operation::Provision).await;
    let taken = taken.expect("an answer").expect("the free lease");
    assert_eq!(taken.binding, test.current(&taken.binding).await);
}

#[tokio::test]
async fn repeating_a_teardown_changes_nothing() {
    let test = test_store().await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    activate(&test.store, &mut lease).await;
    let begun = tear_down(&test.store, "one").await;
    assert_eq!(
        (begun.change, begun.binding.state()),
        (Change::Changed, State::Deleting)
    );
    assert_eq!(begun.binding.generation, 2);
    assert_eq!(test.current(&begun.binding).await, begun.binding);
    let again = tear_down(&test.store, "one").await;
    assert_eq!(
        (again.change, again.binding.generation),
        (Change::Unchanged, 2)
    );
    assert!(again.lease.is_none());
    let mut lease = begun.lease.expect("a lease");
    assert_eq!(remove(&test.store, &mut lease).await, Recorded::Written);
    let gone = tear_down(&test.store, "one").await;
    assert_eq!(
        (gone.change, gone.binding.state()),
        (Change::Unchanged, State::Deleted)
    );
    assert!(gone.lease.is_none());
}

#[tokio::test]
async fn repeating_a_blocked_teardown_resumes_it() {
    let test = test_store().await;
    let created = test.provision("one").await;
    let mut lease = created.lease.expect("a lease");
    activate(&test.store, &mut lease).await;
    let mut lease = tear_down(&test.store, "one").await.lease.expect("a lease");
    let now = lease.now();
    let blocked = lifecycle::blocked(lease.binding.clone(), failure(&lease), now, now);
    let blocked = blocked.expect("a teardown");
    let recorded = record(&test.store, &mut lease, &blocked, DONE).await;
    assert_eq!(recorded, Recorded::Written);
    let again = tear_down(&test.store, "one").await;
    assert_eq!(again.binding.state(), State::Deleting);
    assert!(again.lease.is_some());
}

#[tokio::test]
async fn a_rejected_request_writes_nothing() {
    let test = test_store().await;
    let rejected = request_teardown(&test.store, "one").await;
    let rejected = rejected.expect_err("the cluster never had a binding");
    assert!(matches!(rejected, Rejection::NotFound));
    assert_eq!(test.latest("one").await, None);
    let rows = test
        .sql("DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM clusters); END $$")
        .await;
    rows.expect("no row");
}

#[tokio::test]
async fn generations_grow_across_incarnations() {
    let test = test_store().await;
    let mut incarnations: Vec<(BindingId, i64)> = Vec::new();
    for _ in 0..3 {
        let created = test.provision("one").await;
        incarnations.push((created.binding.id, created.binding.generation));
        let mut lease = created.lease.expect("a lease");
        activate(&test.store, &mut lease).await;
        let mut lease = tear_down(&test.store, "one").await.lease.expect("a lease");
        remove(&test.store, &mut lease).await;
    }
    let generations: Vec<i64> = incarnations
        .iter()
        .map(|(_, generation)| *generation)
        .collect();
    assert_eq!(generations, [1, 3, 5]);
    let latest = test.latest("one").await;
    assert_eq!(latest.expect("the newest").id, incarnations[2].0);
}

#[tokio::test]
async fn a_teardown_closes_a_failed_provision_that_created_nothing() {
    let test = test_store().await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    assert_eq!(reject(&test.store, &mut lease).await, Recorded::Written);
    assert_eq!(remove(&test.store, &mut lease).await, Recorded::Written);
    let failed = test.current(&lease.binding).await;
    assert_eq!((failed.state(), failed.is_live()), (State::Failed, false));
    let closed = tear_down(&test.store, "one").await;
    assert_eq!(
        (closed.change, closed.binding.state()),
        (Change::Changed, State::Deleted)
    );
    assert!(closed.lease.is_none() && closed.binding.receipt().is_some());
    let again = test.provision("one").await;
    assert_eq!(
        (again.change, again.binding.generation),
        (Change::Created, 3)
    );
}

#[tokio::test]
async fn concurrent_provisions_record_one_live_binding() {
    let test = test_store().await;
    let asked = join_all((0..8).map(|_| test.provision("one"))).await;
    let created = asked.iter().filter(|one| one.change == Change::Created);
    assert_eq!(created.count(), 1);
    let leased = asked.iter().filter(|one| one.lease.is_some());
    assert_eq!(leased.count(), 1);
    assert!(
        asked
            .iter()
            .all(|one| one.binding.id == asked[0].binding.id)
    );
}

#[tokio::test]
async fn the_database_rejects_a_second_live_binding_of_a_cluster() {
    let test = test_store().await;
    test.provision("one").await;
    let twice = "INSERT INTO bindings (id, namespace, cluster, account_id, aws_partition, state,
                                       live, mode, generation, spec, resource_name, created_at,
                                       updated_at)
                 SELECT gen_random_uuid(), namespace, cluster, account_id, aws_partition, state,
                        live, mode, generation, spec, 'x', created_at, updated_at
                 FROM bindings";
    let error = test.sql(twice).await.expect_err("there is one already");
    assert!(error.to_string().contains("bindings_one_live"), "{error}");
}

#[tokio::test]
async fn a_change_during_a_lease_supersedes_the_holders_next_record() {
    let test = test_store().await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    let change = provision(&test.store, "one", changed()).await;
    assert_eq!(change.change, Change::Changed);
    assert!(change.lease.is_none(), "another worker has the lease");
    assert_eq!(
        activate(&test.store, &mut lease).await,
        Recorded::Superseded
    );
    assert_eq!(
        (lease.binding.generation, &lease.binding.spec),
        (2, &changed())
    );
    assert_eq!(lease.binding.state(), State::Provisioning);
    assert_eq!(activate(&test.store, &mut lease).await, Recorded::Written);
}

#[tokio::test]
async fn an_orphan_is_recorded_once_and_its_tombstone_hides_no_binding() {
    let test = test_store().await;
    let live = test.provision("one").await.binding;
    let orphan = new_binding(&test.store, "one", spec(), 0);
    let mut leased = Vec::new();
    for _ in 0..2 {
        let latest = read(&test.store, "one").await;
        let tombstone = lifecycle::adopted_as_deleted(orphan.clone(), latest.now);
        let intent = Intent::New(Box::new(tombstone));
        let recorded = record_intent(&test.store, &latest, &intent).await;
        let lease = recorded.and_then(|recorded| recorded.lease);
        leased.push(lease.map(|lease| lease.binding.state()));
    }
    assert_eq!(leased, [Some(State::Deleted), None]);
    let latest = test.latest("one").await.expect("the newest");
    assert_eq!((latest.id, latest.generation), (live.id, 1));
}
