//! What the events of the audit log say: who, from where, with which calls to AWS; and the events that are
//! about no binding.

use std::time::{Duration, Instant};

use engine_roles_e2e::{Client, Installation, eventually, within_one_hour};
use serde_json::{Value, json};

/// Runs a command of the binary and returns its standard output.
fn run(installation: &Installation, arguments: &[&str]) -> String {
    let output = installation.run(arguments, &[]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn with_key(installation: &Installation, key: &str) -> Client {
    let anonymous = installation.client().anonymous();
    anonymous.with("authorization", &format!("Bearer {key}"))
}

/// Returns the numbered events of an action.
async fn events(installation: &Installation, action: &str) -> Vec<Value> {
    let page = installation
        .client()
        .audit(&format!("action={action}"))
        .await;
    let items = page.expect(200)["items"].as_array();
    items.cloned().unwrap_or_default()
}

/// Waits until the log has as many events of an action.
async fn has_events(installation: &Installation, action: &str, count: usize) -> Vec<Value> {
    eventually(&format!("the log has {count} of {action}"), async || {
        let found = events(installation, action).await;
        (found.len() >= count).then_some(found)
    })
    .await
}

#[tokio::test]
async fn an_event_names_the_key_the_address_the_trace_and_every_call_to_aws() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_TRUSTED_PROXIES", "127.0.0.1")
        .start()
        .await;
    let key = run(&installation, &["keys", "create", "manager"]);
    let client = with_key(&installation, &key)
        .with("x-request-id", "r-1")
        .with("x-forwarded-for", "192.0.2.17")
        .with("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let mark = installation.mark();
    let created = client.provision("one").await.expect(201).clone();
    let created_by = request_ids(&installation, mark);
    let mark = installation.mark();
    client.delete("one").await.expect(200);
    let removed_by = request_ids(&installation, mark);
    installation.events_are_numbered().await;

    let created_key = &events(&installation, "key_created").await[0];
    let [requested, provisioned] = ["provision_requested", "provisioned"];
    let requested = &events(&installation, requested).await[0];
    let provisioned = &events(&installation, provisioned).await[0];
    let removed = &events(&installation, "torn_down").await[0];
    for event in [requested, provisioned, removed] {
        assert_eq!(event["actor"], "manager", "{event}");
        assert_eq!(event["key_id"], created_key["detail"]["key_id"], "{event}");
        assert_eq!(event["source"], "192.0.2.17", "{event}");
        assert_eq!(event["request_id"], "r-1", "{event}");
        assert_eq!(event["trace_id"], TRACE, "{event}");
    }
    assert_eq!(requested["outcome"], "accepted");
    assert_eq!(requested["aws_request_ids"], json!([]));
    assert_eq!(requested["role_id"], Value::Null);
    assert_eq!(created_by.len(), 4);
    assert_eq!(sorted(&provisioned["aws_request_ids"]), created_by);
    assert_eq!(provisioned["role_id"], created["role"]["id"]);
    assert_eq!(provisioned["outcome"], "succeeded");
    assert_eq!(sorted(&removed["aws_request_ids"]), removed_by);
    assert_eq!(removed["role_id"], created["role"]["id"]);
    installation.assert_sound().await;
}

/// Returns the ids of the service's calls after a mark, sorted.
fn request_ids(installation: &Installation, mark: u64) -> Vec<String> {
    let calls = installation.iam_calls(mark).into_iter();
    let mut ids: Vec<String> = calls.map(|call| call.request_id).collect();
    ids.sort_unstable();
    ids
}

fn sorted(ids: &Value) -> Vec<String> {
    let mut ids: Vec<String> = serde_json::from_value(ids.clone()).expect("a list of texts");
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn denials_are_one_event_for_each_sender_and_reason_and_survive_a_shutdown() {
    let mut installation = Installation::build().rarely_checked().start().await;
    let key = run(
        &installation,
        &[
            "keys",
            "create",
            "reader",
            "--scopes",
            "read",
            "--cluster-prefix",
            "team-",
        ],
    );
    let revoked = run(&installation, &["keys", "create", "former"]);
    let anonymous = installation.client().anonymous();
    for _ in 0..3 {
        anonymous
            .list("")
            .await
            .expect_problem(401, "unauthenticated");
    }
    let unknown = with_key(&installation, &"x".repeat(64));
    unknown
        .list("")
        .await
        .expect_problem(401, "unauthenticated");
    let reader = with_key(&installation, &key);
    reader
        .provision("team-a")
        .await
        .expect_problem(403, "forbidden");
    reader.get("other").await.expect_problem(403, "forbidden");
    let former = with_key(&installation, &revoked);
    former.list("").await.expect(200);
    run(&installation, &["keys", "revoke", "former"]);
    eventually("the key is refused", async || {
        (former.list("").await.status == 401).then_some(())
    })
    .await;
    // The request before may have been in progress when the key was revoked, and is no denial then.
    let answer = former.list("").await;
    answer.expect_problem(401, "unauthenticated");
    assert_eq!(events(&installation, "denied").await, [Value::Null; 0]);
    installation.replicas[0].stop().await;
    installation.restart(0).await;
    let denied = has_events(&installation, "denied", 5).await;
    let mut told: Vec<String> = denied
        .iter()
        .map(|event| {
            assert_eq!(event["outcome"], "denied");
            assert_eq!(event["source"], "127.0.0.1");
            assert_eq!(event["cluster"], Value::Null);
            let detail = &event["detail"];
            assert_eq!(detail["combined"], false);
            let requests = match detail["reason"].as_str() {
                Some("revoked_key") => "some".into(),
                _ => detail["requests"].to_string(),
            };
            format!("{} {} {requests}", event["actor"], detail["reason"]).replace('"', "")
        })
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "anonymous no_key 3",
            "anonymous unknown_key 1",
            "former revoked_key some",
            "reader cluster 1",
            "reader scope 1",
        ]
    );
    // No event has a key.
    let all = installation.client().audit("limit=1000").await.text;
    for secret in [&key, &revoked, &"x".repeat(64)] {
        assert!(!all.contains(secret.as_str()));
    }
    let revoked = &events(&installation, "key_revoked").await[0];
    assert_eq!(revoked["actor"], "operator");
    assert_eq!(revoked["detail"]["name"], "former");
}

#[tokio::test]
async fn reads_of_the_log_are_one_event_an_hour_and_wake_no_watch() {
    within_one_hour().await;
    let installation = Installation::build().rarely_checked().start().await;
    let create = ["keys", "create", "auditor", "--scopes", "audit"];
    let auditor = with_key(&installation, &run(&installation, &create));
    for _ in 0..4 {
        auditor.audit("limit=1").await.expect(200);
    }
    let reads = has_events(&installation, "log_read", 2).await;
    let actors: Vec<&Value> = reads.iter().map(|event| &event["actor"]).collect();
    // The test's own read is the second one.
    assert_eq!(actors, ["auditor", "init"]);
    assert_eq!(reads[0]["source"], "127.0.0.1");
    installation.events_are_numbered().await;
    let page = installation.client().audit("limit=1000").await;
    let after = page.expect(200)["next_after"].clone();
    // A watch is a read itself. Two of them would wake each other.
    let second = run(
        &installation,
        &["keys", "create", "second", "--scopes", "audit"],
    );
    installation.events_are_numbered().await;
    let after = after.as_i64().expect("a number") + 1;
    let waiting = with_key(&installation, &second).with("prefer", "wait=3");
    let started = Instant::now();
    let page = waiting.audit(&format!("after={after}")).await;
    assert!(started.elapsed() >= Duration::from_secs(3));
    // What was read meanwhile is in the answer, so that no number is missing.
    let items = page.expect(200)["items"].as_array().cloned();
    let items = items.unwrap_or_default();
    assert_eq!(items.len(), 1, "{items:?}");
    assert_eq!(items[0]["action"], "log_read");
    let waiting = waiting.with("prefer", "wait=60");
    let query = format!("after={after}");
    let client = installation.client();
    let (page, created) = tokio::join!(waiting.audit(&query), client.provision("one"));
    created.expect(201);
    let items = page.expect(200)["items"].as_array().cloned();
    let actions: Vec<Value> = items
        .unwrap_or_default()
        .iter()
        .map(|event| event["action"].clone())
        .collect();
    assert_eq!(actions[..2], ["log_read", "provision_requested"]);
}

#[tokio::test]
async fn a_verdict_about_a_pass_through_role_is_an_event_when_it_changes() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", "prepared")
        .env("ENGINE_ROLES_RECONCILE_INTERVAL", "1s")
        .start()
        .await;
    let first = has_events(&installation, "role_attested", 1).await;
    assert_eq!(first[0]["outcome"], "observed");
    assert_eq!(first[0]["detail"]["role"], "prepared");
    assert_eq!(first[0]["detail"]["verdict"], "unfit");
    installation
        .administrator
        .call(
            "CreateRole",
            &[
                ("RoleName", "prepared"),
                (
                    "AssumeRolePolicyDocument",
                    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#,
                ),
            ],
        )
        .await;
    installation
        .administrator
        .call(
            "PutRolePolicy",
            &[
                ("RoleName", "prepared"),
                ("PolicyName", "secrets"),
                (
                    "PolicyDocument",
                    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","secretsmanager:DescribeSecret"],"Resource":"arn:aws:secretsmanager:*:*:secret:compute-engine/*"}]}"#,
                ),
            ],
        )
        .await;
    let verdict = eventually("another verdict is in the log", async || {
        let all = events(&installation, "role_attested").await;
        let last = all.last()?["detail"]["verdict"].clone();
        (last != "unfit").then_some(last)
    })
    .await;
    // Each later attestation has the same verdict, and no event.
    let count = events(&installation, "role_attested").await.len();
    let mark = installation.mark();
    installation.reached("GetRole", mark).await;
    installation.reached("GetRole", installation.mark()).await;
    installation.events_are_numbered().await;
    let after = events(&installation, "role_attested").await;
    assert_eq!(
        (after.len(), &after[count - 1]["detail"]["verdict"]),
        (count, &verdict)
    );
}
