//! Intents, written down before anything is done.

use engine_roles_domain::binding::{Binding, BindingId, Intent, State};
use engine_roles_store::{AuditFilter, Change, Recorded};
use futures::future::join_all;

use crate::test_store::{
    DONE, activate, bury, changed, declaration, provision, refuse_teardown, scope, spec, tear_down,
    test_store,
};

#[tokio::test]
async fn a_new_intent_is_a_binding_a_lease_and_an_event() {
    let world = test_store().await;
    let declared = world.provision("one").await;
    assert_eq!(declared.change, Change::Created);
    let binding = &declared.binding;
    assert_eq!((binding.state, binding.live), (State::Provisioning, true));
    assert_eq!((binding.generation, binding.applied_generation), (1, None));
    assert_eq!((&binding.spec, &binding.scope), (&spec(), &scope()));
    let claim = declared.claim.expect("the right to work on it");
    assert_eq!(&claim.binding, binding);
    assert_eq!(&world.current(binding).await, binding);
    world.store.sequence_audit().await.expect("numbered");
    let log = world.store.audit(&AuditFilter::default(), 9).await;
    let log = log.expect("the log");
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].binding_id, binding.id);
    assert_eq!(
        (log[0].from_state, log[0].to_state),
        (None, State::Provisioning)
    );
    assert_eq!(log[0].event.request_id.as_deref(), Some("r-1"));
}

#[tokio::test]
async fn the_same_intent_again_is_the_same_binding() {
    let world = test_store().await;
    let first = world.provision("one").await;
    let again = world.provision("one").await;
    assert_eq!(again.change, Change::Unchanged);
    assert_eq!(again.binding, first.binding);
    assert!(again.claim.is_none(), "somebody has it");
    let mut claim = first.claim.expect("a claim");
    assert_eq!(activate(&world.store, &mut claim).await, Recorded::Written);
    let done = world.provision("one").await;
    assert_eq!(done.change, Change::Unchanged);
    assert!(done.claim.is_none(), "there is nothing to do");
}

#[tokio::test]
async fn what_nobody_works_on_is_claimed_by_asking_again() {
    let world = test_store().await;
    let first = world.provision("one").await;
    let mut claim = first.claim.expect("a claim");
    let known = claim.binding.clone();
    let recorded = world.store.record(&mut claim, &known, None, DONE).await;
    assert_eq!(recorded.expect("an answer"), Recorded::Written);
    let again = world.provision("one").await;
    assert_eq!(again.change, Change::Unchanged);
    assert!(again.claim.is_some());
}

#[tokio::test]
async fn a_teardown_again_is_the_same_teardown() {
    let world = test_store().await;
    let mut made = world.provision("one").await.claim.expect("a claim");
    activate(&world.store, &mut made).await;
    let begun = tear_down(&world.store, "one").await;
    assert_eq!(
        (begun.change, begun.binding.state),
        (Change::Changed, State::Deleting)
    );
    assert_eq!(begun.binding.generation, 2);
    let again = tear_down(&world.store, "one").await;
    assert_eq!(
        (again.change, again.binding.generation),
        (Change::Unchanged, 2)
    );
    assert!(again.claim.is_none());
    let mut claim = begun.claim.expect("a claim");
    assert_eq!(bury(&world.store, &mut claim).await, Recorded::Written);
    let gone = tear_down(&world.store, "one").await;
    assert_eq!(
        (gone.change, gone.binding.state),
        (Change::Unchanged, State::Deleted)
    );
    assert!(gone.claim.is_none());
}

#[tokio::test]
async fn a_blocked_teardown_is_looked_at_again_when_asked() {
    let world = test_store().await;
    let made = world.provision("one").await;
    let mut claim = made.claim.expect("a claim");
    activate(&world.store, &mut claim).await;
    let mut claim = tear_down(&world.store, "one").await.claim.expect("a claim");
    let mut known = claim.binding.clone();
    known.state = State::Blocked;
    let recorded = world.store.record(&mut claim, &known, None, DONE).await;
    assert_eq!(recorded.expect("an answer"), Recorded::Written);
    let again = tear_down(&world.store, "one").await;
    assert_eq!(again.binding.state, State::Deleting);
    assert!(again.claim.is_some());
}

#[tokio::test]
async fn a_refusal_writes_nothing() {
    let world = test_store().await;
    refuse_teardown(&world.store, "one").await;
    let decide = |_: Option<&Binding>| Err::<Intent, ()>(());
    let refused = world
        .store
        .declare_role(&declaration("one"), &scope(), decide)
        .await;
    refused.expect("an answer").expect_err("refused");
    assert!(
        world
            .store
            .latest(&"one".parse().expect("a cluster"))
            .await
            .expect("an answer")
            .is_none()
    );
    let rows = world
        .sql("DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM clusters); END $$")
        .await;
    rows.expect("no row");
}

#[tokio::test]
async fn generations_go_on_across_lives() {
    let world = test_store().await;
    let mut lives: Vec<(BindingId, i64)> = Vec::new();
    for _ in 0..3 {
        let made = world.provision("one").await;
        lives.push((made.binding.id, made.binding.generation));
        let mut claim = made.claim.expect("a claim");
        activate(&world.store, &mut claim).await;
        let mut claim = tear_down(&world.store, "one").await.claim.expect("a claim");
        bury(&world.store, &mut claim).await;
    }
    let generations: Vec<i64> = lives.iter().map(|(_, generation)| *generation).collect();
    assert_eq!(generations, [1, 3, 5]);
    let cluster = "one".parse().expect("a cluster");
    let latest = world.store.latest(&cluster).await.expect("an answer");
    assert_eq!(latest.expect("the newest").id, lives[2].0);
}

#[tokio::test]
async fn a_failure_with_nothing_made_is_closed_by_a_teardown() {
    let world = test_store().await;
    let mut claim = world.provision("one").await.claim.expect("a claim");
    let mut known = claim.binding.clone();
    (known.state, known.live) = (State::Failed, false);
    let recorded = world.store.record(&mut claim, &known, None, DONE).await;
    assert_eq!(recorded.expect("an answer"), Recorded::Written);
    let closed = tear_down(&world.store, "one").await;
    assert_eq!(
        (closed.change, closed.binding.state),
        (Change::Changed, State::Deleted)
    );
    assert!(closed.claim.is_none() && closed.binding.receipt.is_some());
    let again = world.provision("one").await;
    assert_eq!(
        (again.change, again.binding.generation),
        (Change::Created, 3)
    );
}

#[tokio::test]
async fn many_at_once_make_one_live_binding() {
    let world = test_store().await;
    let asked = join_all((0..8).map(|_| world.provision("one"))).await;
    let created = asked.iter().filter(|one| one.change == Change::Created);
    assert_eq!(created.count(), 1);
    let claimed = asked.iter().filter(|one| one.claim.is_some());
    assert_eq!(claimed.count(), 1);
    assert!(
        asked
            .iter()
            .all(|one| one.binding.id == asked[0].binding.id)
    );
}

#[tokio::test]
async fn the_database_itself_holds_one_live_binding_a_cluster() {
    let world = test_store().await;
    world.provision("one").await;
    let twice = "INSERT INTO bindings SELECT (jsonb_populate_record(b,
                     jsonb_build_object('id', gen_random_uuid(), 'resource_name', 'x', 'lease_token', NULL,
                                        'lease_until', NULL))).* FROM bindings b";
    let refused = world.sql(twice).await.expect_err("there is one");
    assert!(
        refused.to_string().contains("bindings_one_live"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_change_while_somebody_works_is_met_at_his_next_record() {
    let world = test_store().await;
    let mut claim = world.provision("one").await.claim.expect("a claim");
    let change = provision(&world.store, "one", changed()).await;
    assert_eq!(change.change, Change::Changed);
    assert!(change.claim.is_none(), "somebody has it");
    assert_eq!(
        activate(&world.store, &mut claim).await,
        Recorded::Superseded
    );
    assert_eq!(
        (claim.binding.generation, &claim.binding.spec),
        (2, &changed())
    );
    assert_eq!(claim.binding.state, State::Provisioning);
    assert_eq!(activate(&world.store, &mut claim).await, Recorded::Written);
}
