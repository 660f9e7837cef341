//! API keys: what they permit, and how they come and go.

use std::time::Duration;

use engine_roles_e2e::{Client, Installation, eventually};
use futures::future::join_all;
use serde_json::{Value, json};

/// Runs `engine-roles keys` and returns its standard output.
fn keys(installation: &Installation, arguments: &[&str]) -> String {
    let arguments = [&["keys"], arguments].concat();
    let output = installation.run(&arguments, &[]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn client_with(installation: &Installation, replica: usize, key: &str) -> Client {
    let anonymous = installation.client_of(replica).anonymous();
    anonymous.with("authorization", &format!("Bearer {key}"))
}

fn record(installation: &Installation, name: &str) -> Value {
    let all: Value =
        serde_json::from_str(&keys(installation, &["list", "--format", "json"])).expect("JSON");
    let all = all["keys"].as_array().cloned().expect("a list");
    let mut named = all.into_iter().filter(|key| key["name"] == name);
    named.next().expect("the key is listed")
}

#[tokio::test]
async fn a_new_key_works_at_once_on_every_replica_and_a_revoked_one_nowhere_after_two_seconds() {
    let installation = Installation::build()
        .rarely_checked()
        .replicas(2)
        .start()
        .await;
    for replica in 0..2 {
        let name = format!("manager-{replica}");
        let key = keys(&installation, &["create", &name]);
        assert_eq!(key.len(), 64);
        let clients = [0, 1].map(|it| client_with(&installation, it, &key));
        for client in &clients {
            client.list("").await.expect(200);
        }
        keys(&installation, &["revoke", &name]);
        tokio::time::sleep(Duration::from_secs(2)).await;
        for client in &clients {
            let problem = client.list("").await;
            let problem = problem.expect_problem(401, "unauthenticated");
            assert!(problem["detail"].to_string().contains("revoked"));
        }
        assert!(record(&installation, &name)["revoked_at"].is_string());
    }
    // The database has only the hash of a key.
    let key = keys(&installation, &["create", "another"]);
    let rows: Vec<Value> = installation
        .database
        .rows("SELECT to_jsonb(k) AS row FROM api_keys k")
        .await;
    assert_eq!(rows.len(), 3);
    assert!(!json!(rows).to_string().contains(&key));
}

#[tokio::test]
async fn a_key_permits_only_its_scopes() {
    let installation = Installation::build().rarely_checked().start().await;
    installation.client().provision("one").await.expect(201);
    let role = "/v1/clusters/one/role";
    for scopes in ["provision", "read", "audit"] {
        let key = keys(&installation, &["create", scopes, "--scopes", scopes]);
        let client = client_with(&installation, 0, &key);
        for (answer, needed) in [
            (client.provision("one").await, "provision"),
            (client.plan("one", json!({})).await, "read"),
            (client.fetch(role).await, "read"),
            (client.access("one").await, "read"),
            (client.list("").await, "read"),
            (client.fetch("/v1/capabilities").await, "read"),
            (client.audit("").await, "audit"),
        ] {
            if scopes == needed {
                assert_eq!(answer.status, 200, "{scopes}: {}", answer.text);
            } else {
                let problem = answer.expect_problem(403, "forbidden");
                assert!(problem["detail"].to_string().contains(needed), "{problem}");
            }
        }
        // The actor of an event is the key's name.
        if scopes == "provision" {
            client.delete("one").await.expect(200);
            client.provision("one").await.expect(201);
            let events = installation.database.events().await;
            let actor = events.last().expect("an event").actor.clone();
            assert_eq!(actor, "provision");
        }
    }
}

#[tokio::test]
async fn a_key_with_a_prefix_sees_and_changes_only_those_clusters() {
    let installation = Installation::build().rarely_checked().start().await;
    let all = installation.client();
    for cluster in ["team-a-1", "team-a-2", "team-b-1"] {
        all.provision(cluster).await.expect(201);
    }
    installation.events_are_numbered().await;
    let scopes = ["--scopes", "provision,read,audit"];
    let limited = ["create", "team-a", "--cluster-prefix", "team-a-"];
    let key = keys(&installation, &[&limited[..], &scopes].concat());
    let client = client_with(&installation, 0, &key);
    for answer in [
        client.get("team-b-1").await,
        client.provision("team-b-1").await,
        client.provision("new").await,
        client.delete("team-b-1").await,
        client.plan("team-b-1", json!({})).await,
        client.access("team-b-1").await,
        client.fetch("/v1/clusters/team-b-1/incarnations").await,
        client.audit("cluster=team-b-1").await,
        client.fetch("/v1/clusters/team%2Db%2D1/role").await,
    ] {
        answer.expect_problem(403, "forbidden");
    }
    assert_eq!(all.get("team-b-1").await.body["state"], "active");
    client.get("team-a-1").await.expect(200);
    let names = |body: &Value| -> Vec<String> {
        let items = body["items"].as_array().expect("items").iter();
        let names = items.map(|item| item["cluster"].as_str().unwrap_or_default().to_owned());
        names.collect()
    };
    for (query, expected) in [
        ("", &["team-a-1", "team-a-2"][..]),
        ("prefix=team", &["team-a-1", "team-a-2"]),
        ("prefix=team-a-2", &["team-a-2"]),
        ("prefix=team-b", &[]),
        ("limit=1", &["team-a-1"]),
    ] {
        let page = client.list(query).await;
        assert_eq!(names(page.expect(200)), expected, "{query}");
    }
    let before = all.audit("").await;
    before.expect(200);
    let log = client.audit("").await;
    let seen = names(log.expect(200));
    assert_eq!(seen.len(), 4, "two events for each cluster");
    assert!(seen.iter().all(|name| name.starts_with("team-a-")));
    // The page ends where the whole log ends. The reads themselves add events to it meanwhile.
    let after = all.audit("").await;
    let [before, end, after] = [&before, &log, &after].map(|it| it.body["next_after"].as_i64());
    assert!(
        before.is_some() && before <= end && end <= after,
        "{before:?} {end:?} {after:?}"
    );
    let first = client.audit("limit=1").await;
    assert_eq!(names(first.expect(200)).len(), 1);
    let stream = client.with("accept", "application/x-ndjson");
    let stream = stream.audit("").await.text;
    assert_eq!(stream.lines().count(), 4);
    assert!(!stream.contains("team-b-1"));
}

#[tokio::test]
async fn a_key_expires_and_several_keys_of_one_name_can_be_valid() {
    let installation = Installation::build().rarely_checked().start().await;
    let next = keys(&installation, &["create", "manager"]);
    let short = keys(&installation, &["create", "manager", "--valid-for", "15s"]);
    let (short, next) = (
        client_with(&installation, 0, &short),
        client_with(&installation, 0, &next),
    );
    short.list("").await.expect(200);
    next.list("").await.expect(200);
    let problem = eventually("the key expires", async || {
        let answer = short.list("").await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    let problem = problem.expect_problem(401, "unauthenticated");
    assert!(problem["detail"].to_string().contains("expired"));
    next.list("").await.expect(200);
    // A name is enough to revoke the one that is valid.
    keys(&installation, &["revoke", "manager"]);
    let unknown = installation.run(&["keys", "revoke", "manager"], &[]);
    assert_eq!(unknown.status.code(), Some(1));
    let two = ["create", "twice"];
    keys(&installation, &two);
    keys(&installation, &two);
    let ambiguous = installation.run(&["keys", "revoke", "twice"], &[]);
    assert_eq!(ambiguous.status.code(), Some(1));
    let message = String::from_utf8_lossy(&ambiguous.stderr).into_owned();
    let id = record(&installation, "twice")["id"]
        .as_str()
        .map(str::to_owned);
    let id = id.expect("an id");
    assert!(message.contains(&id), "{message}");
    keys(&installation, &["revoke", &id]);
    for wrong in [
        &["create", "init"][..],
        &["create", "a b"],
        &["create", "k", "--scopes", "write"],
        &["create", "k", "--cluster-prefix", "*"],
        &["create", "k", "--valid-for", "0s"],
    ] {
        let output = installation.run(&[&["keys"], wrong].concat(), &[]);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test]
async fn known_keys_go_on_for_ten_seconds_without_the_database() {
    let mut installation = Installation::build()
        .rarely_checked()
        .own_postgres()
        .start()
        .await;
    let key = keys(&installation, &["create", "manager"]);
    let client = client_with(&installation, 0, &key);
    client.list("").await.expect(200);
    installation
        .postgres()
        .kill()
        .await
        .expect("Postgres is killed");
    // This request needs no database. It is answered as long as the key is accepted.
    let path = "/v1/policies";
    client.fetch(path).await.expect(200);
    let stopped = std::time::Instant::now();
    let refused = eventually("the key can't be checked any more", async || {
        let answer = client.fetch(path).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    refused.expect_problem(503, "database_unavailable");
    assert!(stopped.elapsed() > Duration::from_secs(5));
    // Whether another key is valid is not known.
    let other = client_with(&installation, 0, &"x".repeat(64));
    let problem = other.fetch(path).await;
    problem.expect_problem(503, "database_unavailable");
    // The key in the configuration needs no database.
    installation.client().fetch(path).await.expect(200);
    installation
        .postgres()
        .start_again()
        .await
        .expect("Postgres starts");
    installation.ready().await;
    client.list("").await.expect(200);
    other.list("").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn without_an_initial_key_the_service_starts_once_another_key_exists() {
    let mut installation = Installation::build().rarely_checked().start().await;
    let without = [
        ("ENGINE_ROLES_INIT_API_KEY", ""),
        ("ENGINE_ROLES_LISTEN", "127.0.0.1:0"),
    ];
    let output = installation.run(&["serve"], &without);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    for way in [
        "engine-roles keys create",
        "ENGINE_ROLES_INIT_API_KEY",
        "--insecure-no-auth",
    ] {
        assert!(message.contains(way), "{message}");
    }
    let key = keys(&installation, &["create", "manager"]);
    installation.set_env("ENGINE_ROLES_INIT_API_KEY", "");
    installation.restart_listening(0).await;
    let client = client_with(&installation, 0, &key);
    eventually("the service answers", async || {
        (client.list("").await.status == 200).then_some(())
    })
    .await;
    let initial = client_with(&installation, 0, installation.key());
    initial
        .list("")
        .await
        .expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn failures_are_limited_by_source_and_a_valid_key_is_not_concerned() {
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_TRUSTED_PROXIES", "127.0.0.0/8")
        .env("ENGINE_ROLES_KEY_RATE", "5")
        .start()
        .await;
    let stranger = client_with(&installation, 0, &"x".repeat(64));
    let from = |address: &str| stranger.with("x-forwarded-for", address);
    let mut limited = None;
    for _ in 0..40 {
        let answer = from("192.0.2.1").list("").await;
        if answer.status != 401 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("the source is limited");
    limited.expect_problem(429, "rate_limited");
    let wait: u64 = limited
        .header("retry-after")
        .expect("a time")
        .parse()
        .expect("seconds");
    assert!((1..=60).contains(&wait));
    from("192.0.2.2")
        .list("")
        .await
        .expect_problem(401, "unauthenticated");
    let valid = installation.client().with("x-forwarded-for", "192.0.2.1");
    valid.list("").await.expect(200);
    // A valid key has a limit of its own: twice the rate at once.
    // Together, because one after another they may be slower than the limit.
    let answers = join_all((0..30).map(|_| valid.fetch("/v1/policies"))).await;
    let refused = answers.iter().find(|answer| answer.status == 429);
    refused
        .expect("it is limited")
        .expect_problem(429, "rate_limited");
    let metrics = valid.fetch("/metrics").await.text;
    for reason in ["unknown_key", "rate"] {
        let counter = format!("engine_roles_denied_requests_total{{reason=\"{reason}\"}}");
        assert!(metrics.contains(&counter), "{reason}");
    }
}

#[tokio::test]
async fn a_use_is_recorded() {
    let installation = Installation::build().rarely_checked().start().await;
    let key = keys(&installation, &["create", "manager"]);
    assert!(record(&installation, "manager")["last_used_at"].is_null());
    client_with(&installation, 0, &key)
        .list("")
        .await
        .expect(200);
    eventually("the use is recorded", async || {
        let used = record(&installation, "manager")["last_used_at"].clone();
        used.is_string().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_revoked_while_its_requests_wait_gets_nothing_more() {
    let installation = Installation::build()
        .rarely_checked()
        .latency(300)
        .start()
        .await;
    let scopes = ["--scopes", "provision,read,audit"];
    let create = [&["create", "manager"][..], &scopes].concat();
    let key = keys(&installation, &create);
    let client = client_with(&installation, 0, &key);
    client.provision("one").await.expect(201);
    installation.becomes_idle().await;
    installation.events_are_numbered().await;
    let head = client.audit("").await.body["next_after"].clone();
    let watch = client.with("prefer", "wait=60");
    let watch = tokio::spawn(async move { watch.audit(&format!("after={head}")).await });
    // IAM does not answer, so that the teardown goes on until the fault ends.
    installation.set_faults(json!([{
        "action": "*", "when": "before", "do": {"error": "ServiceFailure"}, "times": 1_000_000,
    }]));
    installation
        .client()
        .without_waiting()
        .delete("one")
        .await
        .expect(202);
    let waiting = client.with("prefer", "wait=60");
    let put = tokio::spawn(async move { waiting.put("one", json!({"secrets": ["x"]})).await });
    let watched = watch.await.expect("an answer");
    watched.expect(200);
    let head = watched.body["next_after"].clone();
    let watch = client.with("prefer", "wait=60");
    let filter = format!("after={head}&cluster=nothing-happens");
    let watch = tokio::spawn(async move { watch.audit(&filter).await });
    // Until the watch waits.
    tokio::time::sleep(Duration::from_secs(4)).await;
    keys(&installation, &["revoke", "manager"]);
    let ended = watch.await.expect("an answer");
    let detail = ended.expect_problem(401, "unauthenticated")["detail"].to_string();
    assert!(detail.contains("stopped being valid"), "{detail}");
    installation.set_faults(json!([]));
    let ended = put.await.expect("an answer");
    ended.expect_problem(401, "unauthenticated");
    installation.reaches_in_time("one", "deleted").await;
    let events = installation.database.events().await;
    let requested = events
        .iter()
        .filter(|event| event.action == "provision_requested");
    assert_eq!(requested.count(), 1, "the revoked key records nothing");
}

#[tokio::test]
async fn two_keys_in_one_request_are_rejected() {
    let installation = Installation::build().rarely_checked().start().await;
    let client = installation.client();
    let request = client.request(reqwest::Method::GET, "/v1/clusters");
    let twice = client
        .send(request.header("authorization", "Bearer x"))
        .await;
    let problem = twice.expect_problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["field"], "Authorization");
}

#[tokio::test]
async fn the_commands_of_the_page_do_what_it_says() {
    const PAGE: &str = include_str!("../../../docs/operations.md");
    let installation = Installation::build().rarely_checked().start().await;
    let lines = PAGE.lines().map(str::trim);
    let commands = lines.filter_map(|line| line.strip_prefix("engine-roles keys "));
    let mut kinds = Vec::new();
    for command in commands {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        kinds.push(arguments[0]);
        if arguments[0] == "revoke" {
            // The page has a made-up id; the id of a key takes its place.
            let id = record(&installation, "manager")["id"].clone();
            keys(&installation, &["revoke", id.as_str().expect("an id")]);
        } else {
            keys(&installation, &arguments);
        }
    }
    assert_eq!(kinds, ["create", "create", "create", "list", "revoke"]);
    assert!(record(&installation, "manager")["revoked_at"].is_string());
    assert_eq!(record(&installation, "team-a")["cluster_prefix"], "team-a-");
}
