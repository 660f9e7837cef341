//! Many connections write the same bindings.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine_roles_domain::audit::Cause;
use engine_roles_domain::binding::Binding;
use engine_roles_domain::binding::lifecycle::{self, Lifecycle};
use engine_roles_store::{Intent, Lease, Next, Operation, Recorded, Store};
use futures::future::join_all;

use crate::test_store::{
    DONE, activate, activated, changed, failure, new_binding, provision, read, record_intent, spec,
    test_store,
};

/// What all writers together did.
#[derive(Default)]
struct Done {
    intents: AtomicUsize,
    outcomes: AtomicUsize,
}

/// Carries out what the lease's binding needs, as a worker does, and records it.
async fn converge(store: &Store, mut lease: Lease, done: &Done) {
    loop {
        let (binding, now) = (lease.binding.clone(), lease.now());
        let transition = match &binding.lifecycle {
            Lifecycle::Provisioning { .. } if now.timestamp_subsec_micros() % 5 == 0 => {
                lifecycle::rejected(binding, failure(&lease), now)
            }
            Lifecycle::Provisioning { .. } | Lifecycle::WithdrawingChange { .. } => {
                Ok(activated(&lease, binding))
            }
            Lifecycle::Deleting { .. } | Lifecycle::WithdrawingProvision { .. } => {
                lifecycle::resources_gone(binding, true, now)
            }
            _ => Ok(lifecycle::Transition::silent(binding)),
        };
        let transition = transition.expect("a transition of the binding's state");
        let is_pending = transition.binding.is_intent_pending();
        let next = if is_pending { Next::Keep } else { DONE };
        let recorded = store
            .record(
                &mut lease,
                &transition,
                &Cause::reconciler(),
                &[],
                next,
                Operation::Reconcile,
            )
            .await
            .expect("an answer");
        match recorded {
            Recorded::Written => {
                let has_event = usize::from(transition.event.is_some());
                done.outcomes.fetch_add(has_event, Ordering::Relaxed);
                if next == DONE {
                    return;
                }
            }
            Recorded::Superseded => {}
            Recorded::Lost => panic!("no lease ends in this test"),
        }
    }
}

async fn write(store: &Store, name: &str, choice: u64, done: &Done) {
    let latest = read(store, name).await;
    let live = latest.binding.clone().filter(Binding::is_live);
    let intent = match live {
        None => {
            let new = new_binding(store, name, spec(), latest.generation + 1);
            Intent::New(Box::new(lifecycle::provision_requested(new, latest.now)))
        }
        Some(live) if choice.is_multiple_of(3) => {
            let wanted = if live.spec == spec() {
                changed()
            } else {
                spec()
            };
            match lifecycle::change_requested(live, wanted, latest.now) {
                Ok(change) => Intent::Changed(Box::new(change)),
                Err(_) => return,
            }
        }
        Some(live) => match lifecycle::teardown_begun(live, latest.now) {
            Ok(begun) => Intent::Changed(Box::new(begun)),
            Err(_) => return,
        },
    };
    if let Some(recorded) = record_intent(store, &latest, &intent).await {
        done.intents.fetch_add(1, Ordering::Relaxed);
        if let Some(lease) = recorded.lease {
            converge(store, lease, done).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_writes_by_several_replicas_lose_nothing() {
    const WRITERS: u64 = 8;
    const WRITES: u64 = 250;
    let test = test_store().await;
    let done = Arc::new(Done::default());
    let writers = (0..WRITERS).map(|writer| {
        let (store, done) = (test.other("test"), Arc::clone(&done));
        tokio::spawn(async move {
            let mut random = (writer + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            for _ in 0..WRITES {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let name = format!("c{}", random % 4);
                Box::pin(write(&store, &name, random / 8, &done)).await;
            }
        })
    });
    for writer in join_all(writers).await {
        writer.expect("no writer panics");
    }
    // What was recorded while another writer had the lease is due, and is carried out now.
    for lease in test.store.lease_due(100).await.expect("an answer") {
        converge(&test.store, lease, &done).await;
    }
    let events = "SELECT (SELECT count(*) FROM audit_events)
                       + (SELECT count(*) FROM audit_pending)";
    let (intents, outcomes) = (
        done.intents.load(Ordering::Relaxed),
        done.outcomes.load(Ordering::Relaxed),
    );
    assert!(intents > 500, "{intents} intents");
    assert_eq!(
        test.number(events).await,
        i64::try_from(intents + outcomes).expect("few")
    );
    let unsound = "SELECT count(*) FROM bindings b
                   LEFT JOIN work w ON w.binding_id = b.id
                   WHERE w.binding_id IS NULL OR w.lease_token IS NOT NULL
                      OR b.live AND b.applied_generation IS DISTINCT FROM b.generation";
    assert_eq!(test.number(unsound).await, 0);
    let behind = "SELECT count(*) FROM clusters c
                  WHERE c.generation <> (SELECT max(b.generation) FROM bindings b
                                         WHERE b.cluster = c.cluster)";
    assert_eq!(test.number(behind).await, 0);
}

#[tokio::test]
async fn updates_of_leases_are_heap_only() {
    let test = test_store().await;
    for round in 0..40 {
        for number in 0..20 {
            let name = format!("c{number}");
            let change = if round % 2 == 0 { changed() } else { spec() };
            let recorded = provision(&test.store, &name, change).await;
            if let Some(mut lease) = recorded.lease {
                activate(&test.store, &mut lease).await;
            }
        }
    }
    // A connection reports its statistics at the latest when it ends.
    test.store.close().await;
    test.connections_end().await;
    let updates = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'work'";
    let heap_only = "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'work'";
    let (updates, heap_only) = (test.number(updates).await, test.number(heap_only).await);
    println!("{heap_only} of {updates} updates of `work` were heap-only");
    assert!(updates >= 1_500, "{updates}");
    assert!(heap_only * 100 >= updates * 95, "{heap_only} of {updates}");
}
