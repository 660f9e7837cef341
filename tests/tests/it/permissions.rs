//! The service with the permissions of AI Unlimited's manager role.

use std::collections::BTreeSet;

use engine_roles_e2e::policy_documents::MANAGER_IAM_ACTIONS;
use engine_roles_e2e::{Installation, eventually};
use serde_json::json;

const WORKSPACES: &str = "ai-unlimited-workspaces";
const RESTRICTED: &str = "ai-unlimited-without-iam-role-permissions";

fn is_managers_action(action: &str) -> bool {
    // GetCallerIdentity needs no permission.
    action == "GetCallerIdentity" || MANAGER_IAM_ACTIONS.contains(&action)
}

fn called(installation: &Installation) -> BTreeSet<String> {
    let calls = installation.iam_calls(0).into_iter();
    calls.map(|call| call.action).collect()
}

#[tokio::test]
async fn roles_can_be_managed_with_only_the_managers_seventeen_actions() {
    let installation = Installation::build().prepared("prepared").start().await;
    installation.set_identity_policy(WORKSPACES).await;
    let client = installation.client();
    let body = json!({"secrets": ["a"], "tags": {"team": "x"}});
    client.put("made", body).await.expect(201);
    let change = json!({"secrets": "all", "session_manager": true, "tags": {"team": "y"}});
    client.put("made", change).await.expect(200);
    let passed = json!({"mode": "pass_through", "iam_role": "prepared"});
    client.put("passed", passed).await.expect(201);
    installation.is_verified_in_time("made").await;
    installation.is_verified_in_time("passed").await;
    installation.assert_sound().await;
    client.delete("made").await.expect(200);
    client.delete("passed").await.expect(200);
    assert!(installation.holds_nothing_of_ours());
    for action in called(&installation) {
        assert!(is_managers_action(&action), "{action} is not the manager's");
    }
    let denied = installation.iam_calls(0).into_iter();
    let denied: Vec<_> = denied.filter(|call| call.status == Some(403)).collect();
    assert!(denied.is_empty(), "{denied:#?}");
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_tag_that_may_not_be_removed_stays_and_the_missing_permission_is_reported() {
    let installation = Installation::build().identity(WORKSPACES).start().await;
    let client = installation.client();
    client
        .put("one", json!({"tags": {"team": "x", "old": "1"}}))
        .await
        .expect(201);
    let answer = client.put("one", json!({"tags": {"team": "x"}})).await;
    let problem = answer.expect_problem(424, "missing_permission");
    let missing = problem["missing_permissions"].to_string();
    assert!(missing.contains("iam:Untag"), "{missing}");
    // An error is final: the previous state is restored.
    let binding = installation.reaches("one", "active").await;
    assert_eq!(binding["spec"]["tags"], json!({"team": "x", "old": "1"}));
    installation.assert_sound().await;
    client.delete("one").await.expect(200);
    installation.assert_sound().await;
}

#[tokio::test]
async fn without_the_permission_to_create_roles_the_request_fails_and_leaves_nothing() {
    let installation = Installation::build().identity(RESTRICTED).start().await;
    let client = installation.client();
    let answer = client.waiting_longest().provision("one").await;
    let problem = answer.expect_problem(424, "missing_permission");
    assert_eq!(problem["missing_permissions"], json!(["iam:CreateRole"]));
    assert_eq!(problem["statement"]["Effect"], "Allow");
    assert_eq!(problem["statement"]["Action"], json!(["iam:CreateRole"]));
    let alternative = problem["alternative"].as_str().unwrap_or_default();
    assert!(alternative.contains("pass_through"), "{alternative}");
    assert!(
        alternative.contains("ai-unlimited-engine.json"),
        "{alternative}"
    );
    assert!(installation.holds_nothing_of_ours());
    let binding = client.get("one").await;
    assert_eq!(binding.expect(200)["state"], "failed");
    assert_eq!(binding.body["last_error"]["code"], "missing_permission");
    installation.assert_sound().await;
}

#[tokio::test]
async fn while_the_denial_is_recent_no_instance_profile_is_created() {
    let installation = Installation::build().identity(RESTRICTED).start().await;
    let client = installation.client();
    client
        .waiting_longest()
        .provision("one")
        .await
        .expect_problem(424, "missing_permission");
    let since = installation.mark();
    client
        .waiting_longest()
        .provision("two")
        .await
        .expect_problem(424, "missing_permission");
    client
        .waiting_longest()
        .provision("one")
        .await
        .expect_problem(424, "missing_permission");
    let calls: Vec<String> = installation
        .mutations(since)
        .into_iter()
        .map(|call| call.action)
        .collect();
    assert_eq!(calls, ["CreateRole", "CreateRole"]);
    // Once the permission is granted, the next request succeeds.
    installation.set_identity_policy(WORKSPACES).await;
    client.provision("one").await.expect(201);
    client.provision("two").await.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn without_the_permission_to_create_roles_a_prepared_role_can_be_passed_and_torn_down() {
    let installation = Installation::build().prepared("prepared").start().await;
    installation.set_identity_policy(RESTRICTED).await;
    let client = installation.client();
    let passed = json!({"mode": "pass_through", "iam_role": "prepared"});
    client.put("one", passed).await.expect(201);
    installation.assert_sound().await;
    client.delete("one").await.expect(200);
    assert!(installation.holds_nothing_of_ours());
    for action in called(&installation) {
        assert!(is_managers_action(&action), "{action} is not the manager's");
    }
    installation.assert_sound().await;
}

#[tokio::test]
async fn when_passing_the_role_is_denied_the_missing_permission_is_reported() {
    let installation = Installation::build().prepared("prepared").start().await;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "iam:PassRole", "Resource": "*"},
        ],
    });
    installation
        .administrator
        .control_sandbox("identity-policy", policy)
        .await;
    let passed = json!({"mode": "pass_through", "iam_role": "prepared"});
    let answer = installation
        .client()
        .waiting_longest()
        .put("one", passed)
        .await;
    let problem = answer.expect_problem(424, "missing_permission");
    assert_eq!(problem["missing_permissions"], json!(["iam:PassRole"]));
    assert!(installation.holds_nothing_of_ours());
    installation.assert_sound().await;
}

#[tokio::test]
async fn without_the_permission_to_create_instance_profiles_the_role_is_removed_again() {
    let installation = Installation::start().await;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "iam:CreateInstanceProfile", "Resource": "*"},
        ],
    });
    installation
        .administrator
        .control_sandbox("identity-policy", policy)
        .await;
    let answer = installation
        .client()
        .waiting_longest()
        .provision("one")
        .await;
    let problem = answer.expect_problem(424, "missing_permission");
    assert_eq!(
        problem["missing_permissions"],
        json!(["iam:CreateInstanceProfile"])
    );
    assert!(installation.holds_nothing_of_ours());
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_resource_that_may_not_be_removed_blocks_the_teardown_and_is_named() {
    let installation = Installation::start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    installation.set_identity_policy(RESTRICTED).await;
    let answer = client.waiting_longest().delete("one").await;
    assert_eq!(answer.expect(424)["code"], "missing_permission");
    let missing = answer.body["missing_permissions"].to_string();
    assert!(missing.contains("iam:DeleteRolePolicy"), "{missing}");
    assert_eq!(client.get("one").await.body["state"], "blocked");
    installation.set_identity_policy(WORKSPACES).await;
    client.waiting_longest().delete("one").await.expect(200);
    assert!(installation.holds_nothing_of_ours());
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_denied_clean_up_is_reported_and_retried_slowly() {
    let installation = Installation::build().rarely_checked().start().await;
    let allow = json!({"Effect": "Allow", "Action": "iam:*", "Resource": "*"});
    let deny = |actions: serde_json::Value| {
        let deny = json!({"Effect": "Deny", "Action": actions, "Resource": "*"});
        json!({"Version": "2012-10-17", "Statement": [allow, deny]})
    };
    let nothing = json!(["iam:PutRolePolicy", "iam:DeleteRole"]);
    installation
        .administrator
        .control_sandbox("identity-policy", deny(nothing))
        .await;
    let client = installation.client();
    let answer = client.provision("one").await;
    let problem = answer.expect_problem(424, "missing_permission");
    let missing = problem["missing_permissions"].to_string();
    for permission in ["iam:PutRolePolicy", "iam:DeleteRole"] {
        assert!(missing.contains(permission), "{missing}");
    }
    let blockers = problem["blockers"].to_string();
    assert!(blockers.contains("AWS denies iam:DeleteRole"), "{blockers}");
    let binding = installation.reaches("one", "blocked").await;
    assert_eq!(binding["last_error"]["code"], "missing_permission");
    let again = client.provision("one").await;
    let again = again.expect_problem(409, "teardown_blocked");
    assert!(again["blockers"].to_string().contains("iam:DeleteRole"));
    eventually("the metrics count it", async || {
        let metrics = client.fetch("/metrics").await.text;
        let gauge = "engine_roles_bindings{state=\"blocked\"} 1";
        metrics.contains(gauge).then_some(())
    })
    .await;
    let events = installation.database.events().await;
    let blocked = events.iter().filter(|event| event.action == "blocked");
    assert_eq!(blocked.count(), 1);
    let since = installation.mark();
    installation
        .advance(std::time::Duration::from_mins(10))
        .await;
    assert_eq!(
        installation.mutations(since).len(),
        0,
        "the clean-up is retried slowly"
    );
    installation
        .advance(std::time::Duration::from_mins(6))
        .await;
    installation.reached("DeleteRole", since).await;
    let events = installation.database.events().await;
    let blocked = events.iter().filter(|event| event.action == "blocked");
    assert_eq!(blocked.count(), 1, "the event is recorded once");
    let only = deny(json!(["iam:PutRolePolicy"]));
    installation
        .administrator
        .control_sandbox("identity-policy", only)
        .await;
    // A DELETE tries the clean-up again at once.
    client.delete("one").await.expect(200);
    assert!(installation.holds_nothing_of_ours());
    let answer = client.waiting_longest().provision("one").await;
    answer.expect_problem(424, "missing_permission");
    assert_eq!(client.get("one").await.body["receipt"], json!(null));
    installation.becomes_idle().await;
    installation.assert_sound().await;
}
