//! Leases: who works on a binding, and until when.

use chrono::{DateTime, Duration, Utc};
use engine_roles_domain::binding::{EventAction, ProfileRecord, State};
use engine_roles_store::{Next, Recorded};

use crate::test_store::{
    DONE, LEASE, WINDOW, activate, changed, event, provision, spec, test_store,
};

fn at(seconds: i64) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2027-01-01T00:00:00Z".parse().expect("a time");
    start + Duration::seconds(seconds)
}

#[tokio::test]
async fn a_claim_excludes_every_other() {
    let world = test_store().await;
    world.clock(0).await;
    let held = world.provision("one").await.claim.expect("a claim");
    assert!(
        world
            .store
            .claim_due(9)
            .await
            .expect("an answer")
            .is_empty()
    );
    assert!(
        world
            .other("test")
            .claim_due(9)
            .await
            .expect("an answer")
            .is_empty()
    );
    assert!(held.remaining() <= LEASE);
    assert!(held.now() >= at(0));
}

#[tokio::test]
async fn two_replicas_never_claim_the_same() {
    let world = test_store().await;
    world.clock(0).await;
    for number in 0..10 {
        world.provision(&format!("c{number}")).await;
    }
    world.clock(31).await;
    let (one, two) = (world.other("test"), world.other("test"));
    let (one, two) = tokio::join!(one.claim_due(10), two.claim_due(10));
    let (one, two) = (one.expect("an answer"), two.expect("an answer"));
    let mut ids: Vec<_> = one
        .iter()
        .chain(&two)
        .map(|claim| claim.binding.id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), one.len() + two.len()), (10, 10));
}

#[tokio::test]
async fn an_expired_lease_is_taken_over_and_its_holder_is_refused() {
    let world = test_store().await;
    world.clock(0).await;
    let mut slow = world.provision("one").await.claim.expect("a claim");
    world.clock(29).await;
    assert!(
        world
            .store
            .claim_due(9)
            .await
            .expect("an answer")
            .is_empty()
    );
    world.clock(30).await;
    let mut taken = world.store.claim_due(9).await.expect("an answer");
    let mut taken = taken.pop().expect("the expired one");
    assert_eq!(taken.binding.id, slow.binding.id);
    // What its holder sent last was sent within its lease, and may arrive a window later.
    let settles = at(30) + Duration::from_std(WINDOW).expect("a minute");
    assert_eq!(taken.binding.writes_settle_at, Some(settles));

    assert!(!world.store.renew(&mut slow).await.expect("an answer"));
    assert_eq!(activate(&world.store, &mut slow).await, Recorded::Lost);
    let known = slow.binding.clone();
    let refused = event(EventAction::Refused);
    let withdrawn = world.store.withdraw(&mut slow, &known, &refused).await;
    assert_eq!(withdrawn.expect("an answer"), Recorded::Lost);
    let current = world.current(&taken.binding).await;
    assert_eq!(
        (current.state, current.generation),
        (State::Provisioning, 1)
    );
    assert_eq!(activate(&world.store, &mut taken).await, Recorded::Written);
}

#[tokio::test]
async fn a_lease_that_ran_out_is_over_even_if_nobody_took_it() {
    let world = test_store().await;
    world.clock(0).await;
    let mut claim = world.provision("one").await.claim.expect("a claim");
    world.clock(30).await;
    assert!(!world.store.renew(&mut claim).await.expect("an answer"));
    assert_eq!(activate(&world.store, &mut claim).await, Recorded::Lost);
}

#[tokio::test]
async fn a_renewed_lease_holds_longer() {
    let world = test_store().await;
    world.clock(0).await;
    let mut claim = world.provision("one").await.claim.expect("a claim");
    world.clock(20).await;
    assert!(world.store.renew(&mut claim).await.expect("an answer"));
    assert!(claim.now() >= at(20));
    world.clock(49).await;
    assert!(
        world
            .store
            .claim_due(9)
            .await
            .expect("an answer")
            .is_empty()
    );
    assert_eq!(activate(&world.store, &mut claim).await, Recorded::Written);
}

#[tokio::test]
async fn asking_again_takes_an_expired_lease_over() {
    let world = test_store().await;
    world.clock(0).await;
    let mut slow = world.provision("one").await.claim.expect("a claim");
    world.clock(40).await;
    let again = world.provision("one").await.claim.expect("a claim");
    assert!(again.binding.writes_settle_at.is_some());
    assert_eq!(activate(&world.store, &mut slow).await, Recorded::Lost);
}

#[tokio::test]
async fn what_rests_is_looked_at_when_it_is_due() {
    let world = test_store().await;
    world.clock(0).await;
    for (cluster, due_at) in [
        ("later", Some(at(100))),
        ("sooner", Some(at(50))),
        ("never", None),
    ] {
        let mut claim = world.provision(cluster).await.claim.expect("a claim");
        let known = claim.binding.clone();
        let rest = Next::Release { due_at };
        let recorded = world.store.record(&mut claim, &known, None, rest).await;
        assert_eq!(recorded.expect("an answer"), Recorded::Written);
    }
    let mut due = Vec::new();
    for seconds in [49, 50, 120] {
        world.clock(seconds).await;
        let claims = world.store.claim_due(9).await.expect("an answer");
        let mut names: Vec<String> = Vec::new();
        for mut claim in claims {
            assert_eq!(
                claim.binding.writes_settle_at, None,
                "nobody was interrupted"
            );
            names.push(claim.binding.cluster.to_string());
            let known = claim.binding.clone();
            world
                .store
                .record(&mut claim, &known, None, DONE)
                .await
                .expect("an answer");
        }
        due.push(names);
    }
    assert_eq!(due, [vec![], vec!["sooner"], vec!["later"]]);
}

#[tokio::test]
async fn a_batch_has_a_limit_and_the_longest_due_come_first() {
    let world = test_store().await;
    for (seconds, cluster) in [(0, "a"), (5, "b"), (10, "c")] {
        world.clock(seconds).await;
        world.provision(cluster).await;
    }
    world.clock(60).await;
    let claims = world.store.claim_due(2).await.expect("an answer");
    let mut names: Vec<_> = claims
        .iter()
        .map(|claim| claim.binding.cluster.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test]
async fn a_record_that_can_not_be_read_keeps_no_other_waiting() {
    let world = test_store().await;
    world.clock(0).await;
    world.provision("bad").await;
    world.provision("good").await;
    let newer = "UPDATE bindings SET spec = '{\"mode\": \"of_tomorrow\"}' WHERE cluster = 'bad'";
    world.sql(newer).await.expect("updated");
    world.clock(31).await;
    let claims = world.store.claim_due(9).await.expect("an answer");
    let names: Vec<_> = claims
        .iter()
        .map(|claim| claim.binding.cluster.as_str())
        .collect();
    assert_eq!(names, ["good"]);
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
async fn what_was_learned_outlives_the_intent_it_was_learned_under() {
    let world = test_store().await;
    world.clock(0).await;
    let mut claim = world.provision("one").await.claim.expect("a claim");
    provision(&world.store, "one", changed()).await;
    let mut known = claim.binding.clone();
    known.profile = Some(profile());
    known.state = State::Active;
    known.applied_generation = Some(1);
    known.applied_spec = Some(spec());
    known.reads_settle_at = Some(at(60));
    known.writes_settle_at = Some(at(90));
    let done = event(EventAction::Provisioned);
    let recorded = world
        .store
        .record(&mut claim, &known, Some(&done), DONE)
        .await;
    assert_eq!(recorded.expect("an answer"), Recorded::Superseded);
    let current = world.current(&known).await;
    assert_eq!(current, claim.binding);
    assert_eq!(
        (current.state, current.generation),
        (State::Provisioning, 2)
    );
    assert_eq!(current.spec, changed());
    assert_eq!(current.profile, Some(profile()));
    assert_eq!(
        (current.applied_generation, current.applied_spec),
        (Some(1), Some(spec()))
    );
    assert_eq!(current.reads_settle_at, Some(at(60)));
    assert_eq!(current.writes_settle_at, Some(at(90)));
}

#[tokio::test]
async fn a_withdrawal_is_a_new_intent_under_the_same_claim() {
    let world = test_store().await;
    world.clock(0).await;
    let mut claim = world.provision("one").await.claim.expect("a claim");
    activate(&world.store, &mut claim).await;
    let mut claim = provision(&world.store, "one", changed())
        .await
        .claim
        .expect("a claim");
    let mut known = claim.binding.clone();
    known.spec = spec();
    let refused = event(EventAction::Refused);
    let withdrawn = world.store.withdraw(&mut claim, &known, &refused).await;
    assert_eq!(withdrawn.expect("an answer"), Recorded::Written);
    assert_eq!(
        (claim.binding.generation, &claim.binding.spec),
        (3, &spec())
    );
    let cluster = "one".parse().expect("a cluster");
    let latest = world
        .store
        .latest(&cluster)
        .await
        .expect("an answer")
        .expect("it");
    assert_eq!((latest.generation, latest.spec), (3, spec()));
    assert_eq!(activate(&world.store, &mut claim).await, Recorded::Written);
}

#[tokio::test]
async fn a_withdrawal_that_came_too_late_changes_no_generation() {
    let world = test_store().await;
    world.clock(0).await;
    let mut claim = world.provision("one").await.claim.expect("a claim");
    provision(&world.store, "one", changed()).await;
    let known = claim.binding.clone();
    let refused = event(EventAction::Refused);
    let withdrawn = world.store.withdraw(&mut claim, &known, &refused).await;
    assert_eq!(withdrawn.expect("an answer"), Recorded::Superseded);
    let cluster = "one".parse().expect("a cluster");
    let latest = world
        .store
        .latest(&cluster)
        .await
        .expect("an answer")
        .expect("it");
    assert_eq!((latest.generation, latest.spec), (2, changed()));
}

#[tokio::test]
async fn an_intent_of_a_binding_that_rests_is_claimed_with_it() {
    let world = test_store().await;
    let mut claim = world.provision("one").await.claim.expect("a claim");
    activate(&world.store, &mut claim).await;
    let change = provision(&world.store, "one", changed()).await;
    assert!(change.claim.is_some());
    // The holder of the old claim has no lease any more.
    assert_eq!(activate(&world.store, &mut claim).await, Recorded::Lost);
}
