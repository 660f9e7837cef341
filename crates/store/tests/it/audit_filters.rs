//! Filters of the audit log, compared with a filter in memory.

use chrono::TimeDelta;
use engine_roles_domain::audit::{EventAction, SequencedEvent};
use engine_roles_store::AuditFilter;

use crate::raw_events::{Random, RawEvent, connect, first_binding, insert};
use crate::test_store::{TestStore, change, cluster, number, test_store};

const EVENTS: usize = 900;

fn small(number: u64) -> i32 {
    i32::try_from(number).expect("a small number")
}

/// Writes events whose times have many ties and are out of order, in several batches, and numbers
/// them. The service wrote the first event, before all of these times.
async fn written(test: &TestStore, random: &mut Random) {
    let binding = first_binding(test).await;
    let mut connection = connect(test).await;
    let mut start = 100;
    for place in 0..EVENTS {
        if random.below(6) == 0 {
            number(&test.store).await;
            start += small(random.below(4));
        }
        // Most events are a few seconds late, and some are later than all others.
        let late = match random.below(40) {
            0 => 60,
            _ => small(random.below(5)),
        };
        let event = RawEvent {
            at: start - late,
            cluster: random.pick(&["one", "two", "three", "one-more"]).to_owned(),
            generation: i64::try_from(place).expect("small"),
            actor: random
                .pick(&["init", "init", "reconciler", "rare"])
                .to_owned(),
            action: random
                .pick(&["provisioned", "torn_down", "refused", "rejected", "blocked"])
                .to_owned(),
        };
        insert(&mut connection, binding, &event).await;
    }
    number(&test.store).await;
}

/// Returns a filter whose times are those of events, or a second later.
fn random_filter(random: &mut Random, all: &[SequencedEvent]) -> AuditFilter {
    let time = |random: &mut Random| {
        let later = TimeDelta::seconds(i64::try_from(random.below(2)).expect("small"));
        random.pick(all).at + later
    };
    let mut filter = AuditFilter::default();
    if random.below(3) == 0 {
        let name = random.pick(&["one", "two", "never"]);
        filter.cluster = Some(cluster(name));
    }
    if random.below(3) == 0 {
        filter.actor = Some(random.pick(&["init", "rare", "never"]).to_owned());
    }
    if random.below(3) == 0 {
        let action = random.pick(&[
            EventAction::Provisioned,
            EventAction::Rejected,
            EventAction::DriftFound,
        ]);
        filter.action = Some(action);
    }
    if random.below(3) == 0 {
        filter.since = Some(time(random));
    }
    if random.below(3) == 0 {
        filter.until = Some(time(random));
    }
    if random.below(3) == 0 {
        filter.after = random.pick(all).seq;
    }
    filter
}

fn matches(filter: &AuditFilter, event: &SequencedEvent) -> bool {
    event.seq > filter.after
        && filter
            .cluster
            .as_ref()
            .is_none_or(|it| *it == change(event).cluster)
        && filter.actor.as_ref().is_none_or(|it| *it == event.actor.0)
        && filter.action.is_none_or(|it| it == event.action)
        && filter.since.is_none_or(|it| event.at >= it)
        && filter.until.is_none_or(|it| event.at < it)
}

#[tokio::test]
async fn every_combination_of_filters_selects_what_a_filter_in_memory_selects() {
    let test = test_store().await;
    test.clock(0).await;
    let mut random = Random::new(0x5eed);
    written(&test, &mut random).await;
    let all = test.store.audit(&AuditFilter::default(), 1000).await;
    let all = all.expect("the log").events;
    assert_eq!(all.len(), EVENTS + 1);
    // The events are out of order, so that a range of numbers alone does not select a range of times.
    assert!(!all.iter().map(|event| event.at).is_sorted());
    let mut found = 0;
    for _ in 0..600 {
        let filter = random_filter(&mut random, &all);
        let limit = random.pick(&[1, 10, 1000]);
        let expected = all.iter().filter(|event| matches(&filter, event));
        let expected: Vec<_> = expected.take(limit).cloned().collect();
        let limit = i64::try_from(limit).expect("small");
        let page = test
            .store
            .audit(&filter, limit)
            .await
            .expect("a page")
            .events;
        assert_eq!(page, expected, "{filter:?}, limit {limit}");
        found += page.len();
    }
    assert!(found > 10_000, "{found} events");
}
