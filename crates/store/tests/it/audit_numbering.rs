//! The sequencer of the audit log: several at once, paused ones, and a backlog.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::DateTime;
use engine_roles_domain::audit::{Cause, DenialReason, EventAction, InstallationEvent, TraceId};
use engine_roles_domain::caller::{ClusterPrefix, KeyId};
use engine_roles_store::{AuditFilter, Sequenced};
use futures::future::join_all;
use uuid::Uuid;

use crate::raw_events::{RawEvent, connect, first_binding, insert, run};
use crate::test_store::{activate, caller, change, log, number, provision, spec, test_store};

/// More than anything takes that waits for nobody. A statement that waits for a lock fails after three seconds.
const WITHOUT_WAITING: Duration = Duration::from_secs(20);

async fn at_once<T>(what: &str, done: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(WITHOUT_WAITING, done).await;
    done.unwrap_or_else(|_| panic!("{what} waits"))
}

#[tokio::test(flavor = "multi_thread")]
async fn several_sequencers_leave_no_gap_and_keep_the_order_of_each_binding() {
    const CLUSTERS: usize = 6;
    const EVENTS: i64 = 50;
    let test = test_store().await;
    let binding = first_binding(&test).await;
    let stop = Arc::new(AtomicBool::new(false));
    let sequencers: Vec<_> = (0..3)
        .map(|_| {
            let (store, stop) = (test.other("test"), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut numbered = 0;
                while !stop.load(Ordering::Relaxed) {
                    numbered += store.sequence_audit().await.expect("numbered").numbered;
                }
                numbered
            })
        })
        .collect();
    let writers = (0..CLUSTERS).map(|cluster| {
        let test = &test;
        async move {
            let mut connection = connect(test).await;
            for generation in 1..=EVENTS {
                // Transactions overlap, and commit in another order than that of their times.
                let event = format!(
                    "BEGIN;
                     INSERT INTO audit_pending (id, at, namespace, cluster, binding_id, generation,
                                                action, actor, to_state, detail)
                     VALUES ('{}', clock_timestamp(), 'test', 'c{cluster}', '{binding}',
                             {generation}, 'updated', 'somebody', 'active', '{{}}');
                     SELECT pg_sleep(random() * 0.01);
                     COMMIT",
                    Uuid::now_v7()
                );
                run(&mut connection, &event).await;
            }
        }
    });
    join_all(writers).await;
    stop.store(true, Ordering::Relaxed);
    let mut numbered = 0;
    for sequencer in sequencers {
        numbered += sequencer.await.expect("no sequencer panics");
    }
    let rest = number(&test.store).await;
    let events = log(&test.store, &AuditFilter::default()).await;
    let all = 1 + i64::try_from(CLUSTERS).expect("few") * EVENTS;
    let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=all).collect::<Vec<_>>());
    assert_eq!(i64::try_from(1 + numbered + rest).expect("few"), all);
    let mut generations: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for event in &events[1..] {
        let cluster = generations
            .entry(change(event).cluster.to_string())
            .or_default();
        cluster.push(change(event).generation);
    }
    assert_eq!(generations.len(), CLUSTERS);
    for (cluster, generations) in generations {
        assert_eq!(generations, (1..=EVENTS).collect::<Vec<_>>(), "{cluster}");
    }
}

#[tokio::test]
async fn a_paused_sequencer_delays_no_reader_no_writer_and_no_other_sequencer() {
    let test = test_store().await;
    first_binding(&test).await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    // What a sequencer does, before its commit; and the lock of an older release's sequencer.
    let mut paused = connect(&test).await;
    run(
        &mut paused,
        "BEGIN;
         SELECT pg_advisory_xact_lock(1701734258, hashtext('test'));
         SELECT seq FROM audit_heads WHERE namespace = 'test' FOR UPDATE;
         WITH moved AS (DELETE FROM audit_pending RETURNING *)
         INSERT INTO audit_events (seq, id, at, namespace, cluster, binding_id, generation, action,
                                   actor, request_id, from_state, to_state, detail)
         SELECT 2, id, at, namespace, cluster, binding_id, generation, action, actor, request_id,
                from_state, to_state, detail FROM moved;
         UPDATE audit_heads SET seq = 2",
    )
    .await;
    let all = AuditFilter::default();
    let read = at_once("a reader", test.store.audit(&all, 9)).await;
    assert_eq!(read.expect("the log").events.len(), 1);
    at_once("a request", provision(&test.store, "two", spec())).await;
    Box::pin(at_once("a worker", activate(&test.store, &mut lease))).await;
    let sequenced = at_once("another sequencer", test.other("test").sequence_audit()).await;
    let nothing = Sequenced {
        numbered: 0,
        more: false,
    };
    assert_eq!(sequenced.expect("an answer"), nothing);
    let other = test.other("other");
    at_once("another installation", provision(&other, "one", spec())).await;
    assert_eq!(at_once("another installation", number(&other)).await, 1);
    // The paused sequencer ends without a commit. Nothing is lost, and no number is left out.
    run(&mut paused, "ROLLBACK").await;
    let events = log(&test.store, &all).await;
    let events: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.seq,
                change(event).cluster.as_str(),
                event.action.as_str(),
            )
        })
        .collect();
    assert_eq!(
        events,
        [
            (1, "first", "provision_requested"),
            (2, "one", "provision_requested"),
            (3, "two", "provision_requested"),
            (4, "one", "provisioned"),
        ]
    );
}

#[tokio::test]
async fn a_backlog_is_numbered_in_batches_in_the_order_of_time_and_generation() {
    let test = test_store().await;
    let binding = first_binding(&test).await;
    let backlog = format!(
        "INSERT INTO audit_pending (id, at, namespace, cluster, binding_id, generation, action,
                                    actor, to_state, detail)
         SELECT gen_random_uuid(), timestamptz '2027-01-01' + make_interval(secs => n % 7), 'test',
                'one', '{binding}', n, 'updated', 'somebody', 'active', '{{}}'
         FROM generate_series(2500, 1, -1) AS n"
    );
    test.sql(&backlog).await.expect("inserted");
    let mut batches = Vec::new();
    for _ in 0..3 {
        let sequenced = test.store.sequence_audit().await.expect("numbered");
        batches.push((sequenced.numbered, sequenced.more));
    }
    assert_eq!(batches, [(1000, true), (1000, true), (500, false)]);
    let mut order = Vec::new();
    let mut filter = AuditFilter {
        after: 1,
        ..AuditFilter::default()
    };
    loop {
        let page = test
            .store
            .audit(&filter, 1000)
            .await
            .expect("a page")
            .events;
        let Some(last) = page.last() else { break };
        filter.after = last.seq;
        order.extend(
            page.iter()
                .map(|event| (event.at, change(event).generation)),
        );
    }
    assert_eq!(order.len(), 2500);
    assert!(order.is_sorted());
}

#[tokio::test]
async fn an_event_that_was_committed_late_gets_the_next_number() {
    let test = test_store().await;
    let binding = first_binding(&test).await;
    let mut connection = connect(&test).await;
    for (at, cluster) in [(500, "late"), (400, "later")] {
        let event = RawEvent {
            at,
            cluster: cluster.to_owned(),
            ..RawEvent::default()
        };
        insert(&mut connection, binding, &event).await;
        assert_eq!(number(&test.store).await, 1);
    }
    let events = log(&test.store, &AuditFilter::default()).await;
    let order: Vec<&str> = events
        .iter()
        .map(|event| change(event).cluster.as_str())
        .collect();
    assert_eq!(order, ["first", "late", "later"]);
}

#[tokio::test]
async fn events_about_the_installation_are_numbered_among_the_others() {
    let test = test_store().await;
    let cause = Cause {
        key: Some(KeyId(Uuid::from_bytes([7; 16]))),
        source: Some(IpAddr::from([192, 0, 2, 1])),
        trace: TraceId::parse("4bf92f3577b34da6a3ce929d0e0e4736"),
        ..caller()
    };
    let denied = InstallationEvent::Denied {
        reason: DenialReason::Scope,
        requests: 3,
        combined: false,
        first_at: DateTime::UNIX_EPOCH,
        last_at: DateTime::UNIX_EPOCH,
    };
    test.store
        .append_events(&[(cause, denied)])
        .await
        .expect("added");
    let mut lease = test.provision("one").await.lease.expect("a lease");
    activate(&test.store, &mut lease).await;
    number(&test.store).await;
    let log = log(&test.store, &AuditFilter::default()).await;
    assert_eq!(log.len(), 3);
    let event = &log[0];
    assert_eq!((event.seq, event.action), (1, EventAction::Denied));
    assert_eq!(event.change, None);
    assert_eq!(event.key_id, Some(Uuid::from_bytes([7; 16])));
    assert_eq!(event.source.as_deref(), Some("192.0.2.1"));
    assert_eq!(event.request_id.as_deref(), Some("r-1"));
    assert_eq!(event.trace_id.as_deref().map(str::len), Some(32));
    assert_eq!(event.detail["requests"], 3);
    assert_eq!(change(&log[1]).cluster.as_str(), "one");
    let limited = AuditFilter {
        prefix: Some(ClusterPrefix::parse("o").expect("a prefix")),
        ..AuditFilter::default()
    };
    let page = test.store.audit(&limited, 10).await.expect("a page");
    assert_eq!(page.events.len(), 2);
}
