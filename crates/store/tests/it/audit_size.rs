//! The cost of reading a large audit log.
//!
//! ```text
//! ENGINE_ROLES_AUDIT_EVENTS=10000000 cargo test --release -p engine-roles-store --test it -- \
//!     --ignored --nocapture audit_size
//! ```

use std::time::{Duration, Instant};

use engine_roles_domain::binding::EventAction;
use engine_roles_store::{AuditFilter, Store};

use crate::test_store::{TestStore, cluster, config, test_store};

/// A page of the interface: 100 events, and one more to know whether another page follows.
const PAGE: i64 = 101;

fn events() -> i64 {
    std::env::var("ENGINE_ROLES_AUDIT_EVENTS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(20_000)
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
               CASE WHEN n % 50 = 0 THEN 'busy' WHEN n = 600 THEN 'rare'
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
        let start: chrono::DateTime<chrono::Utc> = "2026-01-01T00:00:00Z".parse().expect("a time");
        start + chrono::TimeDelta::milliseconds(number * 1500)
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

/// Returns how long a page takes, and how many events it has.
async fn page(store: &Store, filter: &AuditFilter) -> (Duration, usize) {
    let started = Instant::now();
    let page = store.audit(filter, PAGE).await.expect("a page");
    (started.elapsed(), page.len())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
#[ignore = "a measurement, which takes minutes"]
async fn measures() {
    let (empty, small, full) = tokio::join!(test_store(), test_store(), test_store());
    let started = Instant::now();
    fill(&small, 3000).await;
    fill(&full, events()).await;
    println!("{} events written in {:?}", events(), started.elapsed());
    let one = |test: &TestStore| {
        let config = engine_roles_store::StoreConfig {
            max_connections: 1,
            ..config(test.database.url())
        };
        Store::new(&config, test.store.namespace().clone()).expect("a store")
    };
    let stores = [one(&empty), one(&small), one(&full)];
    for (name, filter) in queries(events()) {
        let mut times: [Vec<Duration>; 3] = Default::default();
        let mut lengths = [0; 3];
        for _ in 0..60 {
            for (place, store) in stores.iter().enumerate() {
                let (time, length) = page(store, &filter).await;
                times[place].push(time);
                lengths[place] = length;
            }
        }
        let times = times.map(|times| median(times).as_secs_f64() * 1e6);
        println!(
            "{name:45} events {lengths:?} us {:6.0} {:6.0} {:6.0} ratios {:.2} {:.2}",
            times[0],
            times[1],
            times[2],
            times[2] / times[0],
            times[2] / times[1],
        );
    }
}
