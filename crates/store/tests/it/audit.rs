//! The audit log.

use engine_roles_domain::binding::{Actor, EventAction, SequencedEvent};
use engine_roles_store::{AuditFilter, Store};
use futures::future::join_all;

use crate::test_store::{activate, bury, changed, provision, spec, tear_down, test_store};

async fn log(store: &Store, filter: &AuditFilter) -> Vec<SequencedEvent> {
    store.sequence_audit().await.expect("numbered");
    store.audit(filter, 1000).await.expect("the log")
}

fn actions(log: &[SequencedEvent]) -> Vec<EventAction> {
    log.iter().map(|entry| entry.event.action).collect()
}

async fn life(store: &Store, cluster: &str) {
    let mut claim = provision(store, cluster, spec())
        .await
        .claim
        .expect("a claim");
    activate(store, &mut claim).await;
    let mut claim = tear_down(store, cluster).await.claim.expect("a claim");
    bury(store, &mut claim).await;
}

#[tokio::test]
async fn nothing_in_it_is_changed_or_removed() {
    let world = test_store().await;
    life(&world.store, "one").await;
    world.store.sequence_audit().await.expect("numbered");
    for forbidden in [
        "UPDATE audit_events SET actor = 'x'",
        "UPDATE audit_events SET seq = seq + 100",
        "UPDATE audit_events SET seq = NULL",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "TRUNCATE audit_events, bindings CASCADE",
    ] {
        let refused = world.sql(forbidden).await.expect_err(forbidden);
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    // Not before it is numbered either, and not along with the number.
    world.provision("two").await;
    for forbidden in [
        "DELETE FROM audit_events WHERE seq IS NULL",
        "UPDATE audit_events SET actor = 'x' WHERE seq IS NULL",
        "UPDATE audit_events SET seq = 99, actor = 'x' WHERE seq IS NULL",
        "DELETE FROM bindings WHERE cluster = 'two'",
    ] {
        world.sql(forbidden).await.expect_err(forbidden);
    }
}

#[tokio::test]
async fn numbers_have_no_gaps_and_keep_each_bindings_order() {
    let world = test_store().await;
    // Under a clock that stands still, too.
    world.clock(0).await;
    let clusters: Vec<String> = (0..6).map(|number| format!("c{number}")).collect();
    let lives = clusters.iter().map(|cluster| life(&world.store, cluster));
    let numbering = (0..20).map(|_| world.store.sequence_audit());
    let (_, numbered) = tokio::join!(join_all(lives), join_all(numbering));
    assert!(numbered.iter().all(Result::is_ok));
    let log = log(&world.store, &AuditFilter::default()).await;
    let numbers: Vec<i64> = log.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=24).collect::<Vec<i64>>());
    for cluster in &clusters {
        let own: Vec<_> = log
            .iter()
            .filter(|entry| entry.cluster.as_str() == cluster)
            .cloned()
            .collect();
        assert_eq!(
            actions(&own),
            [
                EventAction::ProvisionRequested,
                EventAction::Provisioned,
                EventAction::TeardownRequested,
                EventAction::TornDown,
            ]
        );
    }
}

#[tokio::test]
async fn what_is_not_numbered_is_not_shown() {
    let world = test_store().await;
    world.provision("one").await;
    let shown = world.store.audit(&AuditFilter::default(), 9).await;
    assert!(shown.expect("the log").is_empty());
    assert_eq!(world.store.sequence_audit().await.expect("numbered"), 1);
    assert_eq!(world.store.sequence_audit().await.expect("numbered"), 0);
}

#[tokio::test]
async fn filters_narrow_and_pages_follow() {
    let world = test_store().await;
    world.clock(0).await;
    life(&world.store, "one").await;
    world.clock(10).await;
    life(&world.store, "two").await;
    let start = "2027-01-01T00:00:10Z".parse().expect("a time");
    let all = AuditFilter::default;
    let filters = [
        (all(), 8),
        (
            AuditFilter {
                cluster: Some("one".parse().expect("a cluster")),
                ..all()
            },
            4,
        ),
        (
            AuditFilter {
                cluster_prefix: Some("t".to_owned()),
                ..all()
            },
            4,
        ),
        (
            AuditFilter {
                cluster_prefix: Some("%".to_owned()),
                ..all()
            },
            0,
        ),
        (
            AuditFilter {
                actor: Some("somebody".to_owned()),
                ..all()
            },
            4,
        ),
        (
            AuditFilter {
                actor: Some(Actor::reconciler().0),
                ..all()
            },
            4,
        ),
        (
            AuditFilter {
                action: Some(EventAction::TornDown),
                ..all()
            },
            2,
        ),
        (
            AuditFilter {
                since: Some(start),
                ..all()
            },
            4,
        ),
        (
            AuditFilter {
                until: Some(start),
                ..all()
            },
            4,
        ),
        (
            AuditFilter {
                since: Some(start),
                until: Some(start),
                ..all()
            },
            0,
        ),
        (AuditFilter { after: 6, ..all() }, 2),
        (
            AuditFilter {
                after: i64::MAX,
                ..all()
            },
            0,
        ),
        (AuditFilter { after: -5, ..all() }, 8),
    ];
    for (filter, count) in filters {
        assert_eq!(log(&world.store, &filter).await.len(), count, "{filter:?}");
    }
    let page = world
        .store
        .audit(&AuditFilter { after: 2, ..all() }, 3)
        .await;
    let numbers: Vec<i64> = page
        .expect("a page")
        .iter()
        .map(|entry| entry.seq)
        .collect();
    assert_eq!(numbers, [3, 4, 5]);
}

#[tokio::test]
async fn an_event_tells_the_states_and_the_generation() {
    let world = test_store().await;
    let mut claim = world.provision("one").await.claim.expect("a claim");
    activate(&world.store, &mut claim).await;
    provision(&world.store, "one", changed()).await;
    let log = log(&world.store, &AuditFilter::default()).await;
    let told: Vec<String> = log
        .iter()
        .map(|entry| {
            let from = entry.from_state.map_or("none", |state| state.as_str());
            let (to, action) = (entry.to_state, entry.event.action.as_str());
            format!("{} {action} {from} {to}", entry.generation)
        })
        .collect();
    assert_eq!(
        told,
        [
            "1 provision_requested none provisioning",
            "1 provisioned provisioning active",
            "2 update_requested active provisioning",
        ]
    );
}

#[tokio::test]
async fn a_refused_record_leaves_no_event() {
    let world = test_store().await;
    world.clock(0).await;
    let mut claim = world.provision("one").await.claim.expect("a claim");
    world.clock(31).await;
    activate(&world.store, &mut claim).await;
    let log = log(&world.store, &AuditFilter::default()).await;
    assert_eq!(actions(&log), [EventAction::ProvisionRequested]);
}

#[tokio::test]
async fn another_installations_log_is_not_seen() {
    let world = test_store().await;
    let other = world.other("other");
    life(&world.store, "one").await;
    life(&other, "one").await;
    assert_eq!(log(&world.store, &AuditFilter::default()).await.len(), 4);
    assert_eq!(log(&other, &AuditFilter::default()).await.len(), 4);
}
