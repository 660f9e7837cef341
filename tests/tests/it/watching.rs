//! What a manager of many clusters needs: to find bindings, and to follow changes without missing one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engine_roles_e2e::{Client, Installation};
use serde_json::{Value, json};

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().into_iter().flatten();
    let names = items.map(|item| item["cluster"].as_str().unwrap_or_default());
    names.collect()
}

#[tokio::test]
async fn a_role_is_found_by_name_arn_and_unique_id_also_after_its_teardown() {
    let installation = Installation::start().await;
    let client = installation.client();
    let first = client.provision("one").await.expect(201).clone();
    client.provision("two").await.expect(201);
    client.delete("one").await.expect(200);
    let second = client.provision("one").await.expect(201).clone();
    for part in ["name", "arn", "id"] {
        for (binding, is_live) in [(&first, false), (&second, true)] {
            let role = binding["role"][part].as_str().expect("a role");
            let found = client.list(&format!("role={role}")).await;
            let found = found.expect(200);
            assert_eq!(names(found), ["one"], "{part}");
            let item = &found["items"][0];
            assert_eq!(item["binding_id"], binding["binding_id"], "{part}");
            assert_eq!(item["state"] == "active", is_live, "{part}");
        }
    }
    let profile = second["instance_profile"]["id"].as_str().expect("an id");
    let found = client.list(&format!("role={profile}")).await;
    assert_eq!(names(found.expect(200)), ["one"]);
    // The event has the role, so that an audit can go the same way.
    installation.events_are_numbered().await;
    let log = client.audit("cluster=one&action=provisioned").await;
    let event = &log.expect(200)["items"][0]["detail"];
    assert_eq!(event["role"]["id"], first["role"]["id"], "{event:#}");
    assert_eq!(event["role"]["arn"], first["role"]["arn"]);
    let incarnations = client.fetch("/v1/clusters/one/incarnations").await;
    let incarnations = incarnations.expect(200)["items"].clone();
    let ids = |place: usize| incarnations[place]["binding_id"].clone();
    assert_eq!(
        [ids(0), ids(1)],
        [&second, &first].map(|it| it["binding_id"].clone())
    );
    assert_eq!(incarnations[1]["role"], first["role"]);
    assert_eq!(incarnations[1]["policy"], first["policy"]);
    assert!(incarnations[1]["receipt"]["access_ended_at"].is_string());
    let page = client.fetch("/v1/clusters/one/incarnations?limit=1").await;
    let cursor = page.expect(200)["next_cursor"].as_str().map(str::to_owned);
    let cursor = cursor.expect("another page");
    let path = format!("/v1/clusters/one/incarnations?limit=1&cursor={cursor}");
    let rest = client.fetch(&path).await.expect(200).clone();
    assert_eq!(rest["items"][0]["binding_id"], first["binding_id"]);
    assert_eq!(rest["next_cursor"], Value::Null);
    let answer = client.fetch("/v1/clusters/never/incarnations").await;
    answer.expect_problem(404, "not_found");
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_filters_of_the_list_select_bindings() {
    let installation = Installation::build().prepared("engine").start().await;
    let client = installation.client();
    let passed = json!({"mode": "pass_through", "iam_role": "engine"});
    for cluster in ["a-one", "a-two", "b-one"] {
        client.provision(cluster).await.expect(201);
    }
    client.put("b-two", passed).await.expect(201);
    client.delete("a-two").await.expect(200);
    for (query, expected) in [
        ("", vec!["a-one", "a-two", "b-one", "b-two"]),
        ("state=active", vec!["a-one", "b-one", "b-two"]),
        ("state=deleted,failed", vec!["a-two"]),
        ("live=true", vec!["a-one", "b-one", "b-two"]),
        ("live=false", vec!["a-two"]),
        ("mode=pass_through", vec!["b-two"]),
        ("prefix=a-", vec!["a-one", "a-two"]),
        ("prefix=b-t", vec!["b-two"]),
        ("drifted=true", vec![]),
        ("drifted=false&live=true&prefix=a", vec!["a-one"]),
        ("updated_since=2999-01-01T00:00:00Z", vec![]),
        (
            "updated_since=2000-01-01T00:00:00Z&state=active",
            vec!["a-one", "b-one", "b-two"],
        ),
        ("role=engine", vec!["b-two"]),
    ] {
        let answer = client.list(query).await;
        assert_eq!(names(answer.expect(200)), expected, "{query}");
    }
    // A deleted binding shows nothing that no longer exists.
    let gone = client.get("a-two").await.expect(200).clone();
    for member in ["role", "instance_profile", "policy", "usable_after"] {
        assert_eq!(gone[member], Value::Null, "{member}");
    }
}

#[tokio::test]
async fn the_spec_of_an_answer_can_be_put_back_in_every_mode() {
    let list = "arn:aws:iam::123456789012:role/engine=theirs";
    let installation = Installation::build()
        .prepared("engine")
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", list)
        .env("ENGINE_ROLES_RESOURCE_TAGS", "owner=platform")
        .prepared_profile("theirs", "engine")
        .start()
        .await;
    let client = installation.client();
    for (cluster, body) in [
        ("created", json!({"tags": {"team": "x"}, "secrets": ["a"]})),
        (
            "passed",
            json!({"mode": "pass_through", "iam_role": "engine"}),
        ),
    ] {
        let binding = client.put(cluster, body).await.expect(201).clone();
        let again = client.put(cluster, binding["spec"].clone()).await;
        let again = again.expect(200);
        assert_eq!(again["generation"], 1, "{again:#}");
        assert_eq!(again["spec"], binding["spec"]);
        assert_eq!(binding["effective"]["tags"]["owner"], "platform");
        assert_eq!(binding["spec"]["tags"].get("owner"), None);
        assert_eq!(binding["spec"].get("instance_profile"), None);
        let profile = &binding["effective"]["instance_profile"];
        assert_eq!(profile == "theirs", cluster == "passed");
    }
}

/// Follows the audit log from a number until the changes are over and nothing came for three seconds. Returns
/// the clusters of the events by their numbers.
async fn follow(
    client: &Client,
    filter: &str,
    mut after: i64,
    are_over: &AtomicBool,
) -> BTreeMap<i64, String> {
    let mut seen = BTreeMap::new();
    loop {
        let is_last = are_over.load(Ordering::Relaxed);
        let query = format!("{filter}after={after}&limit=7");
        let page = client.with("prefer", "wait=3").audit(&query).await;
        let page = page.expect(200);
        let next = page["next_after"].as_i64().expect("always a number");
        assert!(next >= after);
        after = next;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        if items.is_empty() && is_last {
            return seen;
        }
        for item in items {
            let seq = item["seq"].as_i64().expect("a number");
            let cluster = item["cluster"].as_str().unwrap_or_default().to_owned();
            assert!(
                seen.insert(seq, cluster).is_none(),
                "event {seq} came twice"
            );
        }
    }
}

#[tokio::test]
async fn a_list_that_is_followed_by_a_watch_misses_no_change() {
    let installation = Installation::start().await;
    let client = installation.client();
    for number in 0..6 {
        client
            .provision(&format!("before-{number}"))
            .await
            .expect(201);
    }
    let are_over = AtomicBool::new(false);
    let changes = async {
        for number in 0..12 {
            client
                .provision(&format!("during-{number}"))
                .await
                .expect(201);
        }
        are_over.store(true, Ordering::Relaxed);
    };
    let watch = async {
        let first = client.list("limit=2").await.expect(200).clone();
        let watch_after = first["watch_after"].as_i64().expect("a number");
        let mut listed: BTreeSet<String> = names(&first).into_iter().map(str::to_owned).collect();
        let mut cursor = first["next_cursor"].clone();
        while let Some(next) = cursor.as_str() {
            let page = client.list(&format!("limit=2&cursor={next}")).await;
            let page = page.expect(200).clone();
            assert_eq!(page["watch_after"], Value::Null);
            listed.extend(names(&page).into_iter().map(str::to_owned));
            cursor = page["next_cursor"].clone();
        }
        let all = follow(&client, "", watch_after, &are_over);
        let filtered = follow(&client, "action=provisioned&", watch_after, &are_over);
        let (all, filtered) = tokio::join!(all, filtered);
        (listed, all, filtered)
    };
    let ((), (listed, all, filtered)) = tokio::join!(changes, watch);
    let known: BTreeSet<String> = listed
        .iter()
        .cloned()
        .chain(all.values().cloned())
        // The event of the watch's own read is about no cluster.
        .filter(|cluster| !cluster.is_empty())
        .collect();
    let expected: BTreeSet<String> = (0..6)
        .map(|number| format!("before-{number}"))
        .chain((0..12).map(|number| format!("during-{number}")))
        .collect();
    assert_eq!(known, expected);
    // The numbers of an unfiltered watch have no gaps.
    let numbers: Vec<i64> = all.keys().copied().collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
    let watched: BTreeSet<&String> = filtered.values().collect();
    let all_watched: BTreeSet<&String> = all.values().collect();
    assert!(watched.is_subset(&all_watched));
    assert!(watched.len() >= 12 - 1, "{watched:?}");
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_filtered_watch_goes_on_from_the_last_examined_event() {
    let installation = Installation::start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    client.provision("two").await.expect(201);
    installation.database.without_log_reads().await;
    installation.events_are_numbered().await;
    let page = client.audit("cluster=one").await;
    assert_eq!(page.expect(200)["next_after"], 4);
    let page = client.audit("cluster=never").await;
    assert_eq!(page.expect(200)["next_after"], 4);
    let started = Instant::now();
    let waiting = client.with("prefer", "wait=1");
    let page = waiting.audit("cluster=one&after=4").await;
    assert_eq!(page.expect(200)["items"], json!([]));
    assert_eq!(page.header("preference-applied"), Some("wait=1"));
    assert!(started.elapsed() >= Duration::from_secs(1));
    let waiting = client.with("prefer", "wait=60");
    let watch = waiting.audit("cluster=one&action=torn_down&after=4");
    let change = async {
        client
            .put("two", json!({"tags": {"a": "b"}}))
            .await
            .expect(200);
        client.delete("one").await.expect(200);
    };
    let (page, ()) = tokio::join!(watch, change);
    let items = page.expect(200)["items"].as_array().map(Vec::len);
    assert_eq!(items, Some(1));
    assert!(started.elapsed() < Duration::from_secs(30));
}
