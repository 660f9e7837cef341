//! Teardowns and their receipts.

use engine_roles_e2e::{Installation, stages_of};
use serde_json::{Value, json};

#[tokio::test]
async fn tearing_down_takes_six_calls_in_three_stages() {
    let installation = Installation::build().latency(200).start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    let since = installation.mark();
    client.delete("one").await.expect(200);
    assert_eq!(
        stages_of(&installation.iam_calls(since)),
        [
            ["GetInstanceProfile", "GetRole"],
            ["DeleteRolePolicy", "RemoveRoleFromInstanceProfile"],
            ["DeleteInstanceProfile", "DeleteRole"],
        ]
    );
    assert!(installation.holds_nothing_of_ours());
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_receipt_lists_what_was_removed_and_when_access_ended() {
    let installation = Installation::start().await;
    let client = installation.client();
    let created = client.provision("one").await;
    let name = created.expect(201)["role"]["name"]
        .as_str()
        .map(str::to_owned);
    let name = name.expect("the role has a name");
    let answer = client.delete("one").await;
    let receipt = &answer.expect(200)["receipt"];
    let time = |field: &str| {
        let text = receipt[field].as_str().expect("the field is a time");
        text.parse::<chrono::DateTime<chrono::Utc>>()
            .expect("the field is a time")
    };
    assert!(time("grant_ended_at") <= time("access_ended_at"));
    let removed = receipt["removed"].to_string();
    for what in [format!("role {name}"), format!("instance profile {name}")] {
        assert!(removed.contains(&what), "{what} is not in {removed}");
    }
    assert_eq!(receipt["left"], json!([]));
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_repeated_delete_returns_the_same_receipt_and_makes_no_call() {
    let installation = Installation::start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    let first = client.delete("one").await;
    first.expect(200);
    let since = installation.mark();
    let second = client.delete("one").await;
    assert_eq!(second.expect(200), &first.body);
    assert_eq!(second.header("etag"), first.header("etag"));
    assert_eq!(installation.iam_calls(since).len(), 0);
    let read = client.get("one").await;
    assert_eq!(read.expect(200), &first.body);
    assert_eq!(read.body["state"], "deleted");
    installation.assert_sound().await;
}

#[tokio::test]
async fn deleting_an_unknown_cluster_is_404_and_records_nothing() {
    let installation = Installation::start().await;
    let answer = installation.client().delete("never").await;
    answer.expect_problem(404, "not_found");
    assert!(installation.database.bindings().await.is_empty());
    assert!(installation.database.events().await.is_empty());
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_cluster_that_is_deployed_again_gets_a_new_incarnation() {
    let installation = Installation::start().await;
    let client = installation.client();
    let first = client.provision("one").await.expect(201).clone();
    let gone = client.delete("one").await.expect(200).clone();
    assert_eq!(gone["generation"], 2);
    let again = client.provision("one").await;
    let second = again.expect(201);
    assert_eq!(second["generation"], 3);
    let etag = again.header("etag").unwrap_or_default();
    assert!(etag.starts_with("\"3-"), "{etag}");
    assert_ne!(second["binding_id"], first["binding_id"]);
    assert_ne!(second["role"]["name"], first["role"]["name"]);
    assert_ne!(second["role"]["id"], first["role"]["id"]);
    assert_eq!(second["receipt"], Value::Null);
    // The second incarnation may differ from the first in every field.
    client.delete("one").await.expect(200);
    let other = json!({"region": "eu-west-1", "role_prefix": "x-"});
    assert_eq!(client.put("one", other).await.expect(201)["generation"], 5);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_put_that_does_not_wait_is_rejected_during_a_teardown() {
    let installation = Installation::build().start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    let held =
        engine_roles_e2e::installation::fault("DeleteRole", "before", json!({"hang_ms": 600_000}));
    installation.set_faults(held);
    client.without_waiting().delete("one").await.expect(202);
    let answer = client.without_waiting().provision("one").await;
    answer.expect_problem(409, "teardown_in_progress");
    assert!(answer.header("retry-after").is_some());
    let pending = client.without_waiting().delete("one").await;
    assert_eq!(pending.expect(202)["state"], "deleting");
    assert_eq!(pending.header("location"), Some("/v1/clusters/one/role"));
    assert!(pending.header("retry-after").is_some());
    installation.reached("DeleteRole", 0).await;
    installation
        .sandbox
        .advance(std::time::Duration::from_mins(10));
    installation.reaches("one", "deleted").await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn policies_that_others_attached_are_removed_with_the_role_where_permitted() {
    let installation = Installation::start().await;
    let client = installation.client();
    let created = client.provision("one").await.expect(201).clone();
    let name = created["role"]["name"]
        .as_str()
        .expect("the role has a name");
    let arn = installation.administrator.prepare_policy("extra").await;
    let attach = [("RoleName", name), ("PolicyArn", &arn)];
    installation
        .administrator
        .call("AttachRolePolicy", &attach)
        .await;
    let document =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
    let put = [
        ("RoleName", name),
        ("PolicyName", "cut-off"),
        ("PolicyDocument", document),
    ];
    installation.administrator.call("PutRolePolicy", &put).await;
    let answer = client.waiting_longest().delete("one").await;
    assert_eq!(answer.expect(200)["state"], "deleted");
    assert!(installation.holds_nothing_of_ours());
    let removed = answer.body["receipt"]["removed"].to_string();
    assert!(removed.contains("cut-off"), "{removed}");
    assert!(removed.contains(&arn), "{removed}");
    installation.assert_sound().await;
}

#[tokio::test]
async fn our_role_in_a_foreign_profile_blocks_the_teardown_until_it_is_removed_from_there() {
    let installation = Installation::start().await;
    let client = installation.client();
    let created = client.provision("one").await.expect(201).clone();
    let name = created["role"]["name"]
        .as_str()
        .expect("the role has a name");
    let profile = [("InstanceProfileName", "theirs")];
    installation
        .administrator
        .call("CreateInstanceProfile", &profile)
        .await;
    let member = [("InstanceProfileName", "theirs"), ("RoleName", name)];
    installation
        .administrator
        .call("AddRoleToInstanceProfile", &member)
        .await;
    let answer = client.waiting_longest().delete("one").await;
    let problem = answer.expect_problem(409, "teardown_blocked");
    let blockers = problem["blockers"].to_string();
    assert!(blockers.contains("theirs"), "{blockers}");
    let theirs = installation
        .instance_profile("theirs")
        .expect("the role exists");
    assert_eq!(theirs["roles"], json!([name]));
    assert_eq!(client.get("one").await.body["state"], "blocked");
    installation
        .administrator
        .call("RemoveRoleFromInstanceProfile", &member)
        .await;
    let answer = client.waiting_longest().delete("one").await;
    assert_eq!(answer.expect(200)["state"], "deleted");
    assert!(installation.holds_nothing_of_ours());
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_role_that_was_deleted_by_hand_can_still_be_torn_down() {
    let installation = Installation::start().await;
    let client = installation.client();
    let created = client.provision("one").await.expect(201).clone();
    let name = created["role"]["name"]
        .as_str()
        .expect("the role has a name");
    let member = [("InstanceProfileName", name), ("RoleName", name)];
    let role = [("RoleName", name)];
    let policy = [("RoleName", name), ("PolicyName", "engine-access")];
    for (action, parameters) in [
        ("RemoveRoleFromInstanceProfile", member.as_slice()),
        ("DeleteRolePolicy", policy.as_slice()),
        ("DeleteRole", role.as_slice()),
    ] {
        installation.administrator.call(action, parameters).await;
    }
    client.without_waiting().delete("one").await;
    // An absence within the consistency window may be a stale read. After the window it is believed.
    installation.reaches_in_time("one", "deleted").await;
    assert!(installation.holds_nothing_of_ours());
    installation.assert_sound().await;
}
