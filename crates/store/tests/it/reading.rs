//! Lists of bindings, and the separation of installations in one database.

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{Binding, State, lifecycle};
use engine_roles_domain::cluster::{Mode, RoleReference};
use engine_roles_store::{BindingFilter, Intent, Store};

use crate::test_store::{
    TestStore, activate, cluster, new_binding, provision, read, record_intent, remove, spec,
    tear_down, test_store,
};

async fn pages(store: &Store, filter: &BindingFilter, limit: i64) -> Vec<Vec<Binding>> {
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(filter, after.as_ref(), limit).await;
        let page = page.expect("a page");
        pages.push(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return pages,
        }
    }
}

async fn names(store: &Store, filter: &BindingFilter, limit: i64) -> Vec<Vec<String>> {
    let names = |page: Vec<Binding>| page.iter().map(|one| one.cluster.to_string()).collect();
    let pages = pages(store, filter, limit).await;
    pages.into_iter().map(names).collect()
}

/// Provisions the cluster, and tears it down.
async fn past_incarnation(test: &TestStore, name: &str) {
    let mut lease = test.provision(name).await.lease.expect("a lease");
    activate(&test.store, &mut lease).await;
    let mut lease = tear_down(&test.store, name).await.lease.expect("a lease");
    remove(&test.store, &mut lease).await;
}

fn all() -> BindingFilter {
    BindingFilter::default()
}

#[tokio::test]
async fn a_list_is_in_the_order_of_the_bytes_of_the_names_page_by_page() {
    let test = test_store().await;
    assert_eq!(names(&test.store, &all(), 2).await, [[""; 0]]);
    for cluster in ["b", "B", "a_1", "a-1", "a", "1"] {
        test.provision(cluster).await;
    }
    let whole = [["1", "B", "a", "a-1", "a_1", "b"]];
    assert_eq!(names(&test.store, &all(), 9).await, whole);
    assert_eq!(names(&test.store, &all(), 6).await, whole);
    assert_eq!(
        names(&test.store, &all(), 4).await,
        [vec!["1", "B", "a", "a-1"], vec!["a_1", "b"]]
    );
    let single: Vec<_> = whole[0].iter().map(|name| vec![*name]).collect();
    assert_eq!(names(&test.store, &all(), 1).await, single);
}

#[tokio::test]
async fn a_walk_misses_no_binding_that_lives_throughout_it_whatever_happens_to_others() {
    let test = test_store().await;
    for cluster in ["b", "d", "f", "h"] {
        test.provision(cluster).await;
    }
    let first = test.store.list(&all(), None, 2).await.expect("a page");
    // Before the position and after it: a new cluster, a torn-down one, and a changed one.
    for cluster in ["a", "e"] {
        past_incarnation(&test, cluster).await;
    }
    for cluster in ["d", "h"] {
        tear_down(&test.store, cluster).await;
    }
    test.sql("UPDATE bindings SET drift = '[{}]' WHERE cluster = 'f'")
        .await
        .expect("written");
    test.sql("UPDATE bindings SET drift = '[]' WHERE cluster = 'f'")
        .await
        .expect("written");
    let next = first.next.expect("another page");
    let second = test.store.list(&all(), Some(&next), 9).await;
    let second = second.expect("a page").items;
    let names: Vec<_> = first.items.iter().chain(&second).collect();
    let names: Vec<_> = names.iter().map(|one| one.cluster.as_str()).collect();
    assert_eq!(names, ["b", "d", "e", "f", "h"]);
}

#[tokio::test]
async fn a_list_contains_each_clusters_newest_incarnation() {
    let test = test_store().await;
    past_incarnation(&test, "one").await;
    past_incarnation(&test, "one").await;
    let again = test.provision("one").await.binding;
    // Tombstones of orphans have generation 0.
    record_tombstone(&test.store, "one").await;
    record_tombstone(&test.store, "only-orphans").await;
    let first = test.latest("only-orphans").await.expect("a tombstone");
    record_tombstone(&test.store, "only-orphans").await;
    let listed = pages(&test.store, &all(), 9).await.concat();
    let listed: Vec<_> = listed.iter().map(|one| one.id).collect();
    assert_eq!(listed, [again.id, first.id]);
    let of_role = pages(&test.store, &of_role("engine"), 9).await.concat();
    assert_eq!(of_role.len(), 6);
    let deleted = BindingFilter {
        states: vec![State::Deleted],
        ..all()
    };
    let deleted = names(&test.store, &deleted, 9).await.concat();
    assert_eq!(deleted, ["only-orphans"]);
}

/// Records that an operator wants an orphan of the cluster removed.
async fn record_tombstone(store: &Store, name: &str) {
    let latest = read(store, name).await;
    let orphan = new_binding(store, name, spec(), 0);
    let tombstone = lifecycle::adopted_as_deleted(orphan, latest.now);
    let recorded = record_intent(store, &latest, &Intent::New(Box::new(tombstone))).await;
    recorded.expect("a tombstone");
}

/// Six clusters whose bindings differ in everything by which a list can be filtered.
async fn different_bindings() -> TestStore {
    let test = test_store().await;
    for (seconds, name) in [(1, "a-1"), (2, "a-2"), (3, "b_1"), (4, "b_2")] {
        test.clock(seconds).await;
        test.provision(name).await;
    }
    test.clock(5).await;
    let mut lease = test.provision("active").await.lease.expect("a lease");
    activate(&test.store, &mut lease).await;
    test.clock(6).await;
    past_incarnation(&test, "gone").await;
    test.sql(
        r#"UPDATE bindings SET drift = '[{"kind": "tags_changed", "detail": "", "missing_permission": null}]'
           WHERE cluster = 'active';
           UPDATE bindings SET mode = 'create',
                  spec = spec - 'iam_role' || '{"mode": "create"}' WHERE cluster = 'b_1';
           UPDATE bindings SET state = 'failed', last_error = '{"code": "internal",
                  "detail": "no", "missing_permissions": [], "generation": 1, "attempts": 1,
                  "at": "2027-01-01T00:00:00Z", "next_attempt_at": null}'
           WHERE cluster IN ('b_1', 'b_2');
           UPDATE bindings SET live = false WHERE cluster = 'b_2'"#,
    )
    .await
    .expect("written");
    test
}

#[tokio::test]
async fn each_filter_selects_what_it_says_alone_and_with_others() {
    let test = different_bindings().await;
    let at = |seconds: i64| {
        let start: DateTime<Utc> = "2027-01-01T00:00:00Z".parse().expect("a time");
        Some(start + chrono::Duration::seconds(seconds))
    };
    let states = |states: &[State]| BindingFilter {
        states: states.to_vec(),
        ..all()
    };
    let live = |live| BindingFilter {
        live: Some(live),
        ..all()
    };
    let mode = |mode| BindingFilter {
        mode: Some(mode),
        ..all()
    };
    let drifted = |drifted| BindingFilter {
        drifted: Some(drifted),
        ..all()
    };
    let prefix = |prefix: &str| BindingFilter {
        prefix: prefix.to_owned(),
        ..all()
    };
    let updated_since = |seconds| BindingFilter {
        updated_since: at(seconds),
        ..all()
    };
    for (filter, expected) in [
        (all(), vec!["a-1", "a-2", "active", "b_1", "b_2", "gone"]),
        (states(&[State::Active]), vec!["active"]),
        (states(&[State::Blocked]), vec![]),
        (
            states(&[State::Provisioning, State::Deleted]),
            vec!["a-1", "a-2", "gone"],
        ),
        (live(true), vec!["a-1", "a-2", "active", "b_1"]),
        (live(false), vec!["b_2", "gone"]),
        (mode(Mode::Create), vec!["b_1"]),
        (
            mode(Mode::PassThrough),
            vec!["a-1", "a-2", "active", "b_2", "gone"],
        ),
        (drifted(true), vec!["active"]),
        (drifted(false), vec!["a-1", "a-2", "b_1", "b_2", "gone"]),
        (prefix("a"), vec!["a-1", "a-2", "active"]),
        (prefix("a-"), vec!["a-1", "a-2"]),
        (prefix("a-1"), vec!["a-1"]),
        (prefix("a-11"), vec![]),
        (updated_since(3), vec!["active", "b_1", "b_2", "gone"]),
        (updated_since(7), vec![]),
        (
            BindingFilter {
                states: vec![State::Failed],
                live: Some(true),
                mode: Some(Mode::Create),
                drifted: Some(false),
                prefix: "b".to_owned(),
                updated_since: at(3),
                role: None,
            },
            vec!["b_1"],
        ),
        (
            BindingFilter {
                states: vec![State::Failed],
                live: Some(true),
                mode: Some(Mode::PassThrough),
                ..all()
            },
            vec![],
        ),
        (
            BindingFilter {
                states: vec![State::Failed],
                ..updated_since(4)
            },
            vec!["b_2"],
        ),
        (
            BindingFilter {
                live: Some(true),
                ..prefix("a")
            },
            vec!["a-1", "a-2", "active"],
        ),
    ] {
        for limit in [1, 2, 9] {
            let found = names(&test.store, &filter, limit).await.concat();
            assert_eq!(found, expected, "{limit} {filter:?}");
        }
    }
}

fn of_role(role: &str) -> BindingFilter {
    BindingFilter {
        role: Some(RoleReference::parse(role).expect("a role")),
        ..all()
    }
}

#[tokio::test]
async fn the_bindings_of_a_role_are_found_by_its_name_and_arn_past_incarnations_included() {
    let test = test_store().await;
    past_incarnation(&test, "two").await;
    past_incarnation(&test, "one").await;
    test.provision("one").await;
    test.provision("three").await;
    test.provision("other").await;
    test.sql(
        r#"UPDATE bindings SET spec = spec || '{"iam_role": "other"}' WHERE cluster = 'other';
           UPDATE bindings SET spec = spec
                  || '{"iam_role": "arn:aws:iam::123456789012:role/team/engine"}'
           WHERE cluster = 'three'"#,
    )
    .await
    .expect("written");
    let expected = [("one", 2), ("one", 3), ("three", 1), ("two", 2)];
    for role in ["engine", "arn:aws:iam::123456789012:role/engine"] {
        for limit in [1, 2, 3, 9] {
            let found = pages(&test.store, &of_role(role), limit).await.concat();
            let found = found
                .iter()
                .map(|one| (one.cluster.as_str(), one.generation));
            assert_eq!(found.collect::<Vec<_>>(), expected, "{role} {limit}");
        }
    }
    // Also where the bindings are found by the time of their last change.
    let changed = BindingFilter {
        updated_since: Some(DateTime::UNIX_EPOCH),
        ..of_role("engine")
    };
    for limit in [1, 9] {
        let found = pages(&test.store, &changed, limit).await.concat();
        let found = found
            .iter()
            .map(|one| (one.cluster.as_str(), one.generation));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{limit}");
    }
    let past = BindingFilter {
        live: Some(false),
        prefix: "o".to_owned(),
        ..of_role("engine")
    };
    let past = pages(&test.store, &past, 9).await.concat();
    let past = past
        .iter()
        .map(|one| (one.cluster.as_str(), one.generation));
    assert_eq!(past.collect::<Vec<_>>(), [("one", 2)]);
    for role in [
        "engin",
        "arn:aws:iam::210987654321:role/engine",
        "arn:aws-cn:iam::123456789012:role/engine",
    ] {
        let found = pages(&test.store, &of_role(role), 9).await.concat();
        assert!(found.is_empty(), "{role}");
    }
}

#[tokio::test]
async fn a_created_role_is_found_by_its_name_and_by_unique_ids_after_its_teardown_too() {
    let test = test_store().await;
    let binding = test.provision("one").await.binding;
    test.provision("other").await;
    let written = r#"UPDATE bindings SET mode = 'create',
            spec = spec - 'iam_role' || '{"mode": "create"}',
            role = '{"name": "r", "arn": null, "path": null, "id": "AROAMADE"}',
            profile = '{"name": "r", "arn": null, "id": "AIPAMADE", "managed": true}'
        WHERE cluster = 'one';
        UPDATE bindings SET state = 'deleted', live = false, role = NULL, profile = NULL
        WHERE cluster = 'one'"#;
    test.sql(written).await.expect("written");
    let name = binding.resource_name();
    let arn = format!("arn:aws:iam::123456789012:role/ai-unlimited/engine/test/{name}");
    for role in [name.as_str(), &arn, "AROAMADE", "AIPAMADE"] {
        for updated_since in [None, Some(DateTime::UNIX_EPOCH)] {
            let filter = BindingFilter {
                updated_since,
                ..of_role(role)
            };
            assert_eq!(names(&test.store, &filter, 9).await, [["one"]], "{role}");
        }
    }
}

#[tokio::test]
async fn a_list_of_what_changed_is_the_same_however_much_changed() {
    let test = test_store().await;
    test.provision("one").await;
    // More bindings than a list sorts: the list walks in the order of the names.
    let many = "INSERT INTO clusters (namespace, cluster, generation)
        SELECT 'test', 'c' || n, 1 FROM generate_series(1, 5001) n;
        INSERT INTO bindings (id, namespace, cluster, resource_name, account_id, aws_partition,
                              state, live, mode, generation, spec, created_at, updated_at)
        SELECT gen_random_uuid(), 'test', 'c' || n, 'r' || n, account_id, aws_partition, state,
               live, mode, 1, spec, created_at,
               CASE WHEN n % 1000 = 7 THEN '2028-01-01Z' ELSE '2027-01-01Z' END::timestamptz
        FROM bindings, generate_series(1, 5001) n";
    test.sql(many).await.expect("written");
    let since = |year: i32| BindingFilter {
        updated_since: format!("{year}-01-01T00:00:00Z").parse().ok(),
        ..all()
    };
    for role in [None, of_role("engine").role] {
        let filter = BindingFilter {
            role,
            ..since(2027)
        };
        let many = names(&test.store, &filter, 500).await.concat();
        assert_eq!(many.len(), 5001);
        assert!(many.is_sorted());
    }
    let few = names(&test.store, &since(2028), 4).await;
    assert_eq!(few.concat(), ["c1007", "c2007", "c3007", "c4007", "c7"]);
    assert_eq!(few.len(), 2);
}

#[tokio::test]
async fn installations_in_one_database_read_only_their_own_bindings() {
    let test = test_store().await;
    test.clock(0).await;
    let other = test.other("other");
    let ours = test.provision("one").await.binding;
    let cluster = cluster("one");
    assert!(other.latest(&cluster).await.expect("an answer").is_none());
    assert!(other.binding(ours.id).await.expect("an answer").is_none());
    for filter in [all(), of_role("engine")] {
        assert!(names(&other, &filter, 9).await.concat().is_empty());
    }
    assert!(other.count_by_state().await.expect("counts").is_empty());
    let theirs = provision(&other, "one", spec()).await.binding;
    assert_ne!(theirs.id, ours.id);
    assert_eq!(theirs.generation, 1);
    test.clock(31).await;
    let due = other.lease_due(9).await.expect("an answer");
    let due: Vec<_> = due.iter().map(|lease| lease.binding.id).collect();
    assert_eq!(due, [theirs.id]);
}

#[tokio::test]
async fn readers_that_ask_at_the_same_time_share_statements() {
    let test = test_store().await;
    for name in ["one", "two"] {
        test.provision(name).await;
    }
    // A statement waits at most three seconds for a lock, so all connections are open before.
    let one = cluster("one");
    let (found, counted) = futures::join!(test.store.latest(&one), test.store.count_by_state());
    assert!(found.is_ok() && counted.is_ok());
    let (mut blocker, mut observer) = (test.connect().await, test.connect().await);
    let lock = "BEGIN; LOCK TABLE bindings IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(lock)
        .execute(&mut blocker)
        .await
        .expect("a lock");
    let mut waiting = async |number: i64| {
        let sql = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'
                     AND query LIKE '/* read */%'";
        for _ in 0..200 {
            let count = sqlx::query_scalar(sql).fetch_one(&mut observer).await;
            let count: i64 = count.expect("a number");
            if count == number {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{number} statements wait for the lock");
    };
    let ask = |name: &'static str| {
        let store = test.store.clone();
        tokio::spawn(async move { (name, store.latest(&cluster(name)).await) })
    };
    let mut readers = Vec::new();
    for statements in 1..=2 {
        readers.push(ask("one"));
        waiting(statements).await;
    }
    let names = ["one", "two", "none"].into_iter().cycle();
    readers.extend(names.take(30).map(ask));
    // Long enough for any of them to send a statement of its own.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    waiting(2).await;
    sqlx::raw_sql("COMMIT")
        .execute(&mut blocker)
        .await
        .expect("no lock");
    for reader in readers {
        let (name, found) = reader.await.expect("a reader");
        let found = found
            .expect("an answer")
            .map(|binding| binding.cluster.to_string());
        assert_eq!(found.as_deref(), (name != "none").then_some(name));
    }
}
