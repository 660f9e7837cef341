//! Pass-through roles, which the administrator prepared.

use engine_roles_e2e::installation::fault;
use engine_roles_e2e::{Installation, stages_of};
use serde_json::{Value, json};

const PREPARED: &str = "arn:aws:iam::123456789012:role/prepared";

#[tokio::test]
async fn passing_a_role_in_a_created_profile_takes_two_calls_in_two_stages() {
    let installation = Installation::build()
        .prepared("prepared")
        .latency(200)
        .start()
        .await;
    let since = installation.mark();
    let body = json!({"mode": "pass_through", "iam_role": "prepared"});
    let answer = installation.client().put("one", body).await;
    let binding = answer.expect(201);
    assert_eq!(
        stages_of(&installation.iam_calls(since)),
        [["CreateInstanceProfile"], ["AddRoleToInstanceProfile"]]
    );
    assert_eq!(binding["mode"], "pass_through");
    assert_eq!(binding["role"]["name"], "prepared");
    assert_eq!(binding["policy"], Value::Null);
    assert_eq!(binding["instance_profile"]["managed"], true);
    installation.assert_sound().await;
    let before = installation.role("prepared");
    let answer = installation.client().delete("one").await;
    let receipt = &answer.expect(200)["receipt"];
    assert!(receipt["grant_ended_at"].is_string());
    assert_eq!(receipt["access_ended_at"], Value::Null);
    assert!(installation.holds_nothing_of_ours());
    assert_eq!(installation.role("prepared"), before);
    installation.assert_sound().await;
}

#[tokio::test]
async fn passing_a_role_with_a_prepared_profile_takes_no_call() {
    let list = format!("{PREPARED}=prepared-profile");
    let installation = Installation::build()
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", list)
        .start()
        .await;
    let body = json!({"mode": "pass_through", "iam_role": PREPARED});
    let client = installation.client();
    let answer = client.put("one", body.clone()).await;
    let binding = answer.expect(201);
    assert_eq!(binding["state"], "active");
    assert_eq!(binding["role"]["arn"], PREPARED);
    assert_eq!(binding["role"]["id"], Value::Null);
    assert_eq!(binding["instance_profile"]["name"], "prepared-profile");
    assert_eq!(binding["instance_profile"]["id"], Value::Null);
    assert_eq!(binding["instance_profile"]["managed"], false);
    client.put("one", body).await.expect(200);
    client.delete("one").await.expect(200);
    assert_eq!(installation.iam_calls(0).len(), 0);
    installation.assert_sound().await;
}

#[tokio::test]
async fn passing_a_role_with_a_prepared_profile_works_while_aws_is_unavailable() {
    let list = format!("{PREPARED}=prepared-profile");
    let installation = Installation::build()
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", list)
        .env("ENGINE_ROLES_CALL_TIMEOUT", "500ms")
        // Nothing listens on this port.
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .not_yet_ready()
        .start()
        .await;
    let client = installation.client();
    engine_roles_e2e::eventually("the schema is there", async || {
        let answer = client.fetch("/readyz").await;
        (answer.body["database"] == "ok").then_some(())
    })
    .await;
    let body = json!({"mode": "pass_through", "iam_role": PREPARED});
    let answer = client.put("one", body).await;
    assert_eq!(answer.expect(201)["account_id"], "123456789012");
    let answer = client.delete("one").await;
    assert_eq!(answer.expect(200)["state"], "deleted");
    assert_eq!(installation.calls(0).len(), 0);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_request_without_a_role_passes_the_configured_default_role() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_DEFAULT_IAM_ROLE", "prepared")
        .prepared("prepared")
        .start()
        .await;
    let answer = installation.client().provision("one").await;
    assert_eq!(answer.expect(201)["mode"], "pass_through");
    assert_eq!(answer.body["spec"]["iam_role"], "prepared");
    let answer = installation
        .client()
        .put("two", json!({"mode": "create"}))
        .await;
    assert_eq!(answer.expect(201)["mode"], "create");
    installation.assert_sound().await;
}

#[tokio::test]
async fn two_clusters_share_a_pass_through_role_but_not_a_profile() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_DEFAULT_IAM_ROLE", PREPARED)
        .start()
        .await;
    installation.administrator.prepare_role("prepared").await;
    let client = installation.client();
    let one = client.provision("one").await.expect(201).clone();
    let two = client.provision("two").await.expect(201).clone();
    assert_eq!(one["role"]["arn"], two["role"]["arn"]);
    assert_ne!(
        one["instance_profile"]["name"],
        two["instance_profile"]["name"]
    );
    client.delete("one").await.expect(200);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_pass_through_role_is_never_changed() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_DEFAULT_IAM_ROLE", "prepared")
        .prepared("prepared")
        .start()
        .await;
    let before = installation.role("prepared");
    let client = installation.client();
    client.provision("one").await.expect(201);
    let changed = json!({
        "secrets": ["x"],
        "session_manager": true,
        "tags": {"team": "x"},
    });
    client.put("one", changed).await.expect(200);
    installation.assert_sound().await;
    client.delete("one").await.expect(200);
    assert_eq!(installation.role("prepared"), before);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_listed_role_that_does_not_exist_is_unfit() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_DEFAULT_IAM_ROLE", "absent")
        .start()
        .await;
    let answer = installation
        .client()
        .waiting_longest()
        .provision("one")
        .await;
    answer.expect_problem(424, "pass_through_role_unfit");
    assert!(installation.holds_nothing_of_ours());
    installation.assert_sound().await;
}

#[tokio::test]
async fn requests_do_not_wait_for_one_another_while_iam_hangs() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", "prepared")
        .env("ENGINE_ROLES_CALL_TIMEOUT", "1s")
        .rarely_checked()
        .start()
        .await;
    let mut hanging = fault("GetRole", "before", json!({"hang_ms": 60_000}));
    hanging[0]["times"] = json!(1_000);
    installation.set_faults(hanging);
    let asked = (0..8).map(|number| {
        let client = installation.client().without_waiting();
        async move {
            let started = std::time::Instant::now();
            let body = json!({"mode": "pass_through", "iam_role": "prepared"});
            client.put(&format!("c{number}"), body).await;
            started.elapsed()
        }
    });
    let took = futures::future::join_all(asked).await;
    // One after the other, the last one took eight times as long as the first one.
    let (fastest, slowest) = (took.iter().min(), took.iter().max());
    let (fastest, slowest) = (fastest.expect("eight"), slowest.expect("eight"));
    assert!(*slowest < *fastest * 4, "{took:?}");
}
