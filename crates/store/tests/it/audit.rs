//! The audit log.

use engine_roles_domain::audit::{Actor, EventAction, SequencedEvent};
use engine_roles_domain::binding::State;
use engine_roles_store::{AuditFilter, Recorded, Store};
use futures::future::join_all;

use crate::test_store::{
    activate, change, changed, cluster, log, number, provision, reject, remove, spec, tear_down,
    test_store,
};

fn actions(log: &[SequencedEvent]) -> Vec<EventAction> {
    log.iter().map(|entry| entry.action).collect()
}

async fn incarnation(store: &Store, cluster: &str) {
    let mut lease = provision(store, cluster, spec())
        .await
        .lease
        .expect("a lease");
    activate(store, &mut lease).await;
    let mut lease = tear_down(store, cluster).await.lease.expect("a lease");
    remove(store, &mut lease).await;
}

#[tokio::test]
async fn audit_events_can_not_be_changed_or_removed_not_even_by_the_owner_of_the_tables() {
    let test = test_store().await;
    incarnation(&test.store, "one").await;
    assert_eq!(number(&test.store).await, 4);
    for forbidden in [
        "UPDATE audit_events SET actor = 'x'",
        "UPDATE audit_events SET seq = seq + 100",
        "UPDATE audit_events SET seq = NULL",
        "UPDATE audit_events_from_1 SET actor = 'x'",
        "DELETE FROM audit_events",
        "DELETE FROM audit_events_from_1",
        "TRUNCATE audit_events",
        "TRUNCATE audit_events_from_1",
        "INSERT INTO audit_events SELECT * FROM audit_events
         ON CONFLICT (namespace, seq) DO UPDATE SET actor = 'x'",
    ] {
        let error = test.sql(forbidden).await.expect_err(forbidden);
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    let log = log(&test.store, &AuditFilter::default()).await;
    assert!(log.iter().all(|event| event.actor.0 != "x") && log.len() == 4);
    // A binding with an event that has no number yet can't be deleted.
    test.provision("two").await;
    let delete = "DELETE FROM bindings WHERE cluster = 'two'";
    test.sql(delete).await.expect_err(delete);
}

#[tokio::test]
async fn events_are_numbered_without_gaps_in_the_order_of_each_binding() {
    let test = test_store().await;
    // The clock stands still, so all events have the same time.
    test.clock(0).await;
    let clusters: Vec<String> = (0..6).map(|number| format!("c{number}")).collect();
    let incarnations = clusters
        .iter()
        .map(|cluster| incarnation(&test.store, cluster));
    let numbering = (0..20).map(|_| test.store.sequence_audit());
    let (_, numbered) = tokio::join!(join_all(incarnations), join_all(numbering));
    assert!(numbered.iter().all(Result::is_ok));
    let log = log(&test.store, &AuditFilter::default()).await;
    let numbers: Vec<i64> = log.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=24).collect::<Vec<i64>>());
    for cluster in &clusters {
        let own: Vec<_> = log
            .iter()
            .filter(|entry| change(entry).cluster.as_str() == cluster)
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
async fn an_event_without_a_number_is_not_returned() {
    let test = test_store().await;
    test.provision("one").await;
    let events = test.store.audit(&AuditFilter::default(), 9).await;
    assert!(events.expect("the log").events.is_empty());
    assert_eq!(number(&test.store).await, 1);
    assert_eq!(number(&test.store).await, 0);
    let events = test.store.audit(&AuditFilter::default(), 9).await;
    assert_eq!(events.expect("the log").events.len(), 1);
}

#[tokio::test]
async fn filters_select_events_and_pages_continue_after_a_number() {
    let test = test_store().await;
    test.clock(0).await;
    incarnation(&test.store, "one").await;
    test.clock(10).await;
    incarnation(&test.store, "two").await;
    let start = "2027-01-01T00:00:10Z".parse().expect("a time");
    let all = AuditFilter::default;
    let filters = [
        (all(), 8),
        (
            AuditFilter {
                cluster: Some(cluster("one")),
                ..all()
            },
            4,
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
        assert_eq!(log(&test.store, &filter).await.len(), count, "{filter:?}");
    }
    let page = test
        .store
        .audit(&AuditFilter { after: 2, ..all() }, 3)
        .await;
    let numbers: Vec<i64> = page
        .expect("a page")
        .events
        .iter()
        .map(|entry| entry.seq)
        .collect();
    assert_eq!(numbers, [3, 4, 5]);
}

#[tokio::test]
async fn an_event_records_the_states_and_the_generation() {
    let test = test_store().await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    activate(&test.store, &mut lease).await;
    let changed = provision(&test.store, "one", changed()).await;
    let mut lease = changed.lease.expect("a lease");
    reject(&test.store, &mut lease).await;
    activate(&test.store, &mut lease).await;
    let log = log(&test.store, &AuditFilter::default()).await;
    let events: Vec<String> = log
        .iter()
        .map(|entry| {
            let from = change(entry)
                .from_state
                .map_or("none", |state| state.as_str());
            let (to, action) = (change(entry).to_state, entry.action.as_str());
            format!("{} {action} {from} {to}", change(entry).generation)
        })
        .collect();
    assert_eq!(
        events,
        [
            "1 provision_requested none provisioning",
            "1 provisioned provisioning active",
            "2 update_requested active provisioning",
            // The withdrawal is a separate intent.
            "3 rejected provisioning provisioning",
            "3 withdrawn provisioning active",
        ]
    );
}

#[tokio::test]
async fn an_outcome_recorded_after_the_lease_ended_writes_no_event() {
    let test = test_store().await;
    test.clock(0).await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    test.clock(31).await;
    assert_eq!(activate(&test.store, &mut lease).await, Recorded::Lost);
    let log = log(&test.store, &AuditFilter::default()).await;
    assert_eq!(actions(&log), [EventAction::ProvisionRequested]);
}

#[tokio::test]
async fn an_installation_reads_only_its_own_audit_log() {
    let test = test_store().await;
    let other = test.other("other");
    incarnation(&test.store, "one").await;
    incarnation(&other, "one").await;
    assert_eq!(log(&test.store, &AuditFilter::default()).await.len(), 4);
    assert_eq!(log(&other, &AuditFilter::default()).await.len(), 4);
}

#[tokio::test]
async fn events_that_an_older_release_wrote_are_read() {
    let test = test_store().await;
    test.provision("one").await;
    number(&test.store).await;
    let older = "INSERT INTO audit_pending
            (id, at, namespace, cluster, binding_id, generation, action, actor, from_state,
             to_state, detail)
        SELECT gen_random_uuid(), at + make_interval(secs => place), namespace, cluster,
               binding_id, generation, word, actor, state,
               COALESCE(state, 'active'), '{\"by\": \"an older release\"}'
        FROM audit_events, unnest(
            array['provision_requested', 'update_requested', 'teardown_requested', 'provisioned',
                  'updated', 'torn_down', 'refused', 'withdrawn', 'blocked', 'delayed',
                  'drift_found', 'drift_repaired', 'ghost_removed'],
            array['provisioning', 'active', 'deleting', 'deleted', 'failed', 'blocked']
        ) WITH ORDINALITY AS words (word, state, place)";
    test.sql(older).await.expect("inserted");
    let log = log(
        &test.store,
        &AuditFilter {
            after: 1,
            ..AuditFilter::default()
        },
    )
    .await;
    // The releases that wrote these words wrote no other actions.
    assert_eq!(actions(&log), EventAction::ALL[..13]);
    let states: Vec<_> = log
        .iter()
        .filter_map(|entry| change(entry).from_state)
        .collect();
    assert_eq!(states, State::ALL);
    assert_eq!(log[0].detail["by"], "an older release");
}

#[tokio::test]
async fn the_filter_by_action_also_finds_events_stored_under_an_older_word() {
    let test = test_store().await;
    test.provision("one").await;
    number(&test.store).await;
    let both = "INSERT INTO audit_pending
            (id, at, namespace, cluster, binding_id, generation, action, actor, from_state,
             to_state, detail)
        SELECT gen_random_uuid(), at + make_interval(secs => place), namespace, cluster,
               binding_id, generation, word, actor, to_state, to_state, '{}'
        FROM audit_events, unnest(
            array['refused', 'rejected', 'ghost_removed', 'late_resource_removed']
        ) WITH ORDINALITY AS words (word, place)";
    test.sql(both).await.expect("inserted");
    for action in [EventAction::Rejected, EventAction::LateResourceRemoved] {
        let filter = AuditFilter {
            action: Some(action),
            ..AuditFilter::default()
        };
        assert_eq!(actions(&log(&test.store, &filter).await), [action; 2]);
    }
}
