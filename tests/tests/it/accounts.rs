//! The service with credentials of another account than that of its live bindings.

use std::time::Duration;

use engine_roles_e2e::aws_proxy::{Change, Reply, Rule};
use engine_roles_e2e::{Installation, Service, eventually};
use serde_json::json;

const OTHER: &str = "999999999999";
/// How long a replica that knows its account is watched for calls to STS. It asks every minute.
const QUIET: Duration = Duration::from_secs(5);

async fn move_to_account(installation: &Installation, account: &str) {
    let body = json!({ "account_id": account });
    installation
        .administrator
        .control_sandbox("account", body)
        .await;
}

async fn start_in_account(installation: &mut Installation, account: &str) {
    installation.replicas[0].kill().await;
    move_to_account(installation, account).await;
    installation.replicas[0] = Service::start(installation.environment()).await;
}

#[tokio::test]
async fn in_another_account_live_bindings_stay_untouched_and_new_requests_are_rejected() {
    let mut installation = Installation::build()
        .env("ENGINE_ROLES_RECONCILE_INTERVAL", "1s")
        .start()
        .await;
    installation.client().provision("one").await.expect(201);
    installation.client().provision("two").await.expect(201);
    let since = installation.mark();
    start_in_account(&mut installation, OTHER).await;
    let client = installation.client();
    let body = eventually("the service reports the other account", async || {
        let answer = client.fetch("/readyz").await;
        let found = answer.status == 200 && answer.body["aws"] == "other_account";
        found.then(|| answer.body.clone())
    })
    .await;
    assert_eq!(body["status"], "degraded");
    assert_eq!(body["other_account_bindings"], 2);
    eventually("the metrics say so", async || {
        let metrics = client.fetch("/metrics").await.text;
        let gauge = "engine_roles_aws_state{state=\"other_account\"} 1";
        metrics.contains(gauge).then_some(())
    })
    .await;
    for answer in [
        client.provision("new").await,
        client.put("one", json!({"secrets": ["x"]})).await,
        client.provision("one").await,
        client.delete("one").await,
    ] {
        let detail = answer.expect_problem(503, "other_account")["detail"].to_string();
        assert!(detail.contains(OTHER), "{detail}");
    }
    // Checks become due and do not run.
    installation
        .advance(std::time::Duration::from_hours(1))
        .await;
    eventually("they were due", async || {
        let bindings = installation.database.bindings().await;
        let now = installation.database.now().await;
        bindings
            .iter()
            .all(|row| {
                row.due_at
                    .is_none_or(|at| at > now - chrono::TimeDelta::minutes(1))
            })
            .then_some(())
    })
    .await;
    assert_eq!(installation.mutations(since).len(), 0);
    let bindings = installation.database.bindings().await;
    let ours: Vec<String> = bindings
        .iter()
        .filter_map(|row| row.role.as_ref()?["name"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(ours.len(), 2);
    let calls = installation.iam_calls(since).into_iter();
    let mut touched = calls.filter(|call| call.params.values().any(|value| ours.contains(value)));
    assert_eq!(touched.next().map(|call| call.action), None);
    assert!(installation.database.binding("new").await.is_none());
    start_in_account(&mut installation, "123456789012").await;
    installation.ready().await;
    let client = installation.client();
    client.provision("one").await.expect(200);
    client.provision("new").await.expect(201);
    client.waiting_longest().delete("two").await.expect(200);
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_first_request_after_a_start_in_another_account_is_rejected_too() {
    let mut installation = Installation::start().await;
    installation.client().provision("one").await.expect(201);
    for _ in 0..3 {
        start_in_account(&mut installation, OTHER).await;
        let answer = installation.client().provision("new").await;
        answer.expect_problem(503, "other_account");
        assert!(installation.database.binding("new").await.is_none());
    }
    move_to_account(&installation, "123456789012").await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn credentials_of_another_account_than_the_configured_one_touch_nothing() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_ACCOUNT_ID", "111111111111")
        .not_yet_ready()
        .start()
        .await;
    let client = installation.client();
    eventually("the service reports the other account", async || {
        let answer = client.fetch("/readyz").await;
        (answer.body["aws"] == "other_account").then_some(())
    })
    .await;
    let answer = client.provision("one").await;
    let detail = answer.expect_problem(503, "other_account")["detail"].to_string();
    assert!(
        detail.contains("111111111111") && detail.contains("123456789012"),
        "{detail}"
    );
    assert_eq!(installation.mutations(0).len(), 0);
    assert!(installation.database.bindings().await.is_empty());
}

#[tokio::test]
async fn what_was_created_in_another_account_is_removed_again() {
    // Only the ARNs of what was created show the account: STS does not answer.
    let installation = Installation::build()
        .env("ENGINE_ROLES_ACCOUNT_ID", "111111111111")
        .aws_rule(Rule::instead(Reply::unavailable()).only(&["GetCallerIdentity"]))
        .allowed_everything()
        .not_yet_ready()
        .start()
        .await;
    let client = installation.client();
    eventually("the service answers", async || {
        (client.fetch("/readyz").await.status == 200).then_some(())
    })
    .await;
    let answer = client.provision("one").await;
    answer.expect_problem(503, "other_account");
    assert!(installation.holds_nothing_of_ours());
    let row = installation.recorded("one").await;
    assert_eq!((row.state.as_str(), row.live), ("failed", false));
    let body = client.fetch("/readyz").await.body;
    assert_eq!(body["aws"], "other_account");
    client
        .provision("two")
        .await
        .expect_problem(503, "other_account");
    assert!(installation.database.binding("two").await.is_none());
}

#[tokio::test]
async fn what_can_not_be_removed_from_another_account_stays_in_the_record() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_ACCOUNT_ID", "111111111111")
        // A denial of any other call would show the account before the role is created.
        .env("ENGINE_ROLES_PROBES", "off")
        .env("ENGINE_ROLES_ORPHANS", "off")
        .env("ENGINE_ROLES_DRIFT", "off")
        .aws_rule(Rule::instead(Reply::unavailable()).only(&["GetCallerIdentity"]))
        .allowed_everything()
        .not_yet_ready()
        .start()
        .await;
    let client = installation.client();
    eventually("the service answers", async || {
        (client.fetch("/readyz").await.status == 200).then_some(())
    })
    .await;
    installation.deny(&["iam:DeleteRole"]).await;
    let answer = client.provision("one").await;
    answer.expect_problem(503, "other_account");
    let row = installation.recorded("one").await;
    assert_eq!((row.state.as_str(), row.live), ("failed", false));
    let role = installation.sandbox.state()["roles"][0]["name"].clone();
    let role = role.as_str().expect("the role is left");
    let names_role = |receipt: &serde_json::Value| {
        let left = receipt["left"].to_string();
        assert!(
            left.contains(role) && left.contains("123456789012"),
            "{left}"
        );
    };
    names_role(&client.get("one").await.body["receipt"]);
    // The record is closed, and its receipt and its event name what was left.
    installation.deny_nothing().await;
    client.delete("one").await;
    eventually("the record is closed", async || {
        let row = installation.recorded("one").await;
        (row.state == "deleted").then_some(())
    })
    .await;
    names_role(&client.get("one").await.body["receipt"]);
    let events = installation.database.events().await;
    let closed = events.iter().rfind(|event| event.action == "torn_down");
    names_role(&closed.expect("an event").detail["receipt"]);
}

#[tokio::test]
async fn sts_and_iam_of_different_accounts_are_a_contradiction_until_they_agree() {
    // No account is configured, and the first call to IAM shows that it is another account's.
    let installation = Installation::build()
        .aws_rule(
            Rule::changing(Change::OtherAccount(OTHER.to_owned())).only(&["GetCallerIdentity"]),
        )
        .allowed_everything()
        .not_yet_ready()
        .start()
        .await;
    let client = installation.client();
    eventually("the service answers", async || {
        (client.fetch("/readyz").await.status == 200).then_some(())
    })
    .await;
    for cluster in ["one", "two", "three"] {
        let answer = client.provision(cluster).await;
        let detail = answer.expect_problem(503, "other_account")["detail"].to_string();
        assert!(detail.contains("account"), "{detail}");
        assert!(installation.holds_nothing_of_ours());
    }
    let body = client.fetch("/readyz").await.body;
    assert_eq!(body["aws"], "other_account", "{body}");
}

#[tokio::test]
async fn an_absence_is_not_believed_before_the_account_is_confirmed() {
    let mut installation = Installation::build()
        .env("ENGINE_ROLES_ACCOUNT_ID", "123456789012")
        .aws_proxied()
        .allowed_everything()
        .start()
        .await;
    installation.client().provision("one").await.expect(201);
    // The next process has the credentials of a third account, and STS does not answer it.
    let silent = || Rule::instead(Reply::unavailable()).only(&["GetCallerIdentity"]);
    installation.aws_proxy().add(silent());
    start_in_account(&mut installation, OTHER).await;
    let client = installation.client();
    eventually("the service answers", async || {
        (client.fetch("/readyz").await.status == 200).then_some(())
    })
    .await;
    client
        .with("prefer", "wait=3")
        .delete("one")
        .await
        .expect(202);
    let detail = installation.recorded("one").await.last_error;
    let detail = detail.expect("a reason").to_string();
    assert!(detail.contains("account"), "{detail}");
    installation.aws_proxy().clear();
    start_in_account(&mut installation, "123456789012").await;
    installation.reaches_in_time("one", "deleted").await;
    assert!(installation.holds_nothing_of_ours());
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_denial_names_the_account_of_the_credentials() {
    let mut installation = Installation::build()
        .env("ENGINE_ROLES_ACCOUNT_ID", "123456789012")
        .aws_proxied()
        .start()
        .await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    // The teardown is accepted before the account changes.
    installation
        .aws_proxy()
        .add(Rule::instead(Reply::unavailable()));
    client.without_waiting().delete("one").await.expect(202);
    installation.replicas[0].kill().await;
    installation.aws_proxy().clear();
    let silent = Rule::instead(Reply::unavailable()).only(&["GetCallerIdentity"]);
    installation.aws_proxy().add(silent);
    move_to_account(&installation, OTHER).await;
    installation.replicas[0] = Service::start(installation.environment()).await;
    // The least-privilege policy allows nothing in the other account, and AWS's message names the
    // caller.
    let client = installation.client();
    eventually("the service reports the other account", async || {
        let answer = client.fetch("/readyz").await;
        (answer.body["aws"] == "other_account").then_some(())
    })
    .await;
    client
        .delete("one")
        .await
        .expect_problem(503, "other_account");
    assert_eq!(installation.recorded("one").await.state, "deleting");
}

#[tokio::test]
async fn iam_is_always_signed_for_the_partitions_region() {
    let installation = Installation::build()
        .env("AWS_REGION", "us-west-2")
        .start()
        .await;
    installation.client().provision("one").await.expect(201);
    let calls = installation.iam_calls(0);
    assert!(!calls.is_empty());
    for call in calls {
        assert_eq!(call.region.as_deref(), Some("us-east-1"), "{}", call.action);
    }
}

#[tokio::test]
async fn sts_is_asked_when_a_replica_starts_and_not_again_within_seconds() {
    // Tests raise the heartbeat more often than any installation does, and with it these calls.
    let every_second = "ENGINE_ROLES_POLL_INTERVAL";
    let build = Installation::build().rarely_checked().replicas(2);
    let mut installation = build.env(every_second, "").start().await;
    let calls = |installation: &Installation| {
        let calls = installation.calls(0).into_iter();
        let calls = calls.filter(|call| call.action == "GetCallerIdentity");
        calls.count()
    };
    // One for the account, and one for the detection of capabilities.
    let asked = async |installation: &Installation, times: usize| {
        eventually("STS was asked", async || {
            (calls(installation) >= times).then_some(())
        })
        .await;
        tokio::time::sleep(QUIET).await;
        assert_eq!(calls(installation), times);
    };
    asked(&installation, 4).await;
    installation.restart(0).await;
    asked(&installation, 6).await;
}
