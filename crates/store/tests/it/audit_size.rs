//! The cost of reading a large audit log: the first page of each filter and of each pair of filters,
//! for values that are frequent, rare, or never occur.
//!
//! `ENGINE_ROLES_AUDIT_EVENTS` sets how many events the log has. With the variable, the times are
//! printed too: next to them, the time of the same page of an empty log, and of a log with 3,000
//! events.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use engine_roles_domain::audit::EventAction;
use engine_roles_store::{AuditFilter, Store, StoreConfig};

use crate::test_store::{TestStore, cluster, config, test_store};

/// A page of the interface: 100 events, and one more to know whether another page follows.
const PAGE: i64 = 101;
/// How often a page is read: Postgres may use another plan from the sixth time on.
const READS: i64 = 7;
/// How many events one read of a page may read. An action can have two words, each with a page of its
/// own; and a time is translated to a number that is at most a hundred events away, plus those that
/// were numbered out of order.
const MOST_READ: i64 = 2 * PAGE + 300;

/// How many events the log has, and whether that was asked for.
fn events() -> (i64, bool) {
    match std::env::var("ENGINE_ROLES_AUDIT_EVENTS") {
        Ok(number) => (number.parse().expect("a number of events"), true),
        Err(_) => (20_000, false),
    }
}

async fn fill(test: &TestStore, events: i64) {
    let sql = format!(
        "SELECT audit_make_partition(first, first + 10000000)
        FROM generate_series(10000001, {events} + 1000000, 10000000) AS first;
        INSERT INTO audit_events (seq, id, at, namespace, cluster, binding_id, generation, action,
                                  actor, request_id, from_state, to_state, detail)
        SELECT n, gen_random_uuid(),
               timestamptz '2026-01-01' + n * interval '1.5 s'
                   - CASE WHEN n % 37 = 0 THEN interval '2.7 s' ELSE interval '0' END,
               'test',
               CASE WHEN n % 50 = 0 THEN 'busy' WHEN n = 601 THEN 'rare'
                    ELSE 'c' || lpad((n / 6)::text, 12, '0') END,
               gen_random_uuid(), 1 + n % 3,
               CASE WHEN n % 10003 = 7 THEN 'blocked' WHEN n % 10007 = 9 THEN 'refused'
                    ELSE (array['provision_requested', 'provisioned', 'update_requested',
                                'updated', 'teardown_requested', 'torn_down'])[1 + n % 6] END,
               CASE WHEN n % 10009 = 11 THEN 'rare' WHEN n % 2 = 0 THEN 'init'
                    ELSE 'reconciler' END,
               CASE WHEN n % 2 = 0 THEN gen_random_uuid()::text END,
               'provisioning', 'active',
               CASE WHEN n % 2 = 0 THEN '{{\"spec\": {{\"mode\": \"create\",
                   \"permissions_boundary\": null, \"secrets\": \"all\", \"session_manager\": false,
                   \"region\": \"us-west-2\", \"kms_key\": null, \"role_prefix\": \"ai-unlimited-\",
                   \"tags\": {{}}}}}}'::jsonb ELSE '{{\"calls\": 4}}'::jsonb END
        FROM generate_series(1::bigint, {events}) n;
        INSERT INTO audit_times (namespace, latest_at, seq)
        SELECT 'test', latest_at, seq
        FROM (SELECT seq, max(at) OVER (ORDER BY seq) AS latest_at FROM audit_events) event
        WHERE seq % 100 = 0;
        INSERT INTO audit_heads (namespace, seq, latest_at, longest_delay)
        SELECT 'test', {events}, max(at), '2.7 s' FROM audit_events;
        VACUUM (ANALYZE) audit_events; ANALYZE"
    );
    for statement in sql.split(';') {
        test.sql(statement).await.expect(statement);
    }
}

/// Every filter with a frequent value, a rare one and one that never occurs.
fn filters(events: i64) -> Vec<Vec<(String, AuditFilter)>> {
    let at = |number: i64| {
        let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().expect("a time");
        start + TimeDelta::milliseconds(number * 1500)
    };
    let all = AuditFilter::default;
    let named = |name: &str, value: &str, filter: AuditFilter| (format!("{name}={value}"), filter);
    let clusters = ["busy", "rare", "never"].map(|value| {
        let filter = AuditFilter {
            cluster: Some(cluster(value)),
            ..all()
        };
        named("cluster", value, filter)
    });
    let actors = ["init", "rare", "never"].map(|value| {
        let filter = AuditFilter {
            actor: Some(value.to_owned()),
            ..all()
        };
        named("actor", value, filter)
    });
    let actions = [
        EventAction::Provisioned,
        EventAction::Blocked,
        EventAction::Rejected,
        EventAction::DriftFound,
    ]
    .map(|action| {
        let filter = AuditFilter {
            action: Some(action),
            ..all()
        };
        named("action", action.as_str(), filter)
    });
    let times = [("start", 0), ("middle", events / 2), ("end", events + 9)];
    let since = times.map(|(name, number)| {
        let filter = AuditFilter {
            since: Some(at(number)),
            ..all()
        };
        named("since", name, filter)
    });
    let until = times.map(|(name, number)| {
        let filter = AuditFilter {
            until: Some(at(number)),
            ..all()
        };
        named("until", name, filter)
    });
    let after = [("middle", events / 2), ("end", events)].map(|(name, number)| {
        let filter = AuditFilter {
            after: number,
            ..all()
        };
        named("after", name, filter)
    });
    vec![
        clusters.into(),
        actors.into(),
        actions.into(),
        since.into(),
        until.into(),
        after.into(),
    ]
}

fn both(one: &AuditFilter, other: &AuditFilter) -> AuditFilter {
    AuditFilter {
        prefix: None,
        cluster: one.cluster.clone().or(other.cluster.clone()),
        actor: one.actor.clone().or(other.actor.clone()),
        action: one.action.or(other.action),
        since: one.since.or(other.since),
        until: one.until.or(other.until),
        after: one.after.max(other.after),
    }
}

/// No filter, each filter alone, and each pair of filters.
fn queries(events: i64) -> Vec<(String, AuditFilter)> {
    let kinds = filters(events);
    let mut queries = vec![("none".to_owned(), AuditFilter::default())];
    for (place, kind) in kinds.iter().enumerate() {
        for (name, filter) in kind {
            queries.push((name.clone(), filter.clone()));
            for (other_name, other) in kinds[place + 1..].iter().flatten() {
                queries.push((format!("{name} {other_name}"), both(filter, other)));
            }
        }
    }
    queries
}

/// Returns a store with one connection.
fn one_connection(test: &TestStore) -> Store {
    let config = StoreConfig {
        max_connections: 1,
        ..config(test.database.url())
    };
    Store::new(&config, test.store.namespace().clone()).expect("a store")
}

/// Returns how many events were read since the database was created, by connections that are closed.
async fn events_read(test: &TestStore) -> i64 {
    test.connections_end().await;
    let read = "SELECT COALESCE(sum(seq_tup_read + idx_tup_fetch), 0)::bigint
                FROM pg_stat_user_tables WHERE relname LIKE 'audit_events%'";
    test.number(read).await
}

#[tokio::test]
async fn the_first_page_of_every_filter_reads_few_events_however_long_the_log_is() {
    let (events, is_measured) = events();
    let test = test_store().await;
    fill(&test, events).await;
    test.store.close().await;
    let mut before = events_read(&test).await;
    let mut too_many = Vec::new();
    let mut most = 0;
    for (name, filter) in queries(events) {
        let store = one_connection(&test);
        for _ in 0..READS {
            store.audit(&filter, PAGE).await.expect("a page");
        }
        store.close().await;
        let after = events_read(&test).await;
        let read = (after - before) / READS;
        if read > MOST_READ {
            too_many.push(format!("{name}: {read} events"));
        }
        most = most.max(read);
        before = after;
    }
    assert!(too_many.is_empty(), "{too_many:#?}");
    assert!(most >= PAGE, "the statistics count no events: {most}");
    if is_measured {
        print_times(&test, events).await;
    }
}

async fn print_times(full: &TestStore, events: i64) {
    let (empty, small) = (test_store().await, test_store().await);
    fill(&small, 3000).await;
    let stores = [&empty, &small, full].map(one_connection);
    println!(
        "microseconds (events) of a page of an empty log, of one with 3,000 and with {events}"
    );
    for (name, filter) in queries(events) {
        let mut times: [Vec<Duration>; 3] = Default::default();
        let mut lengths = [0; 3];
        for _ in 0..50 {
            for (place, store) in stores.iter().enumerate() {
                let started = Instant::now();
                let page = store.audit(&filter, PAGE).await.expect("a page");
                times[place].push(started.elapsed());
                lengths[place] = page.events.len();
            }
        }
        let times = times.map(|mut times| {
            times.sort_unstable();
            times[times.len() / 2].as_micros()
        });
        let columns = [0, 1, 2].map(|place| format!("{:5} ({:3})", times[place], lengths[place]));
        println!("{name:45} {}", columns.join("  "));
    }
}
