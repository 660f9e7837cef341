//! Under the manager's real permissions.

use std::collections::BTreeSet;

use engine_roles_e2e::{World, eventually};
use serde_json::json;

const ALLOWED: [&str; 18] = [
    "GetCallerIdentity",
    "AddRoleToInstanceProfile",
    "CreateInstanceProfile",
    "CreateRole",
    "DeleteInstanceProfile",
    "DeleteRole",
    "DeleteRolePolicy",
    "GetInstanceProfile",
    "GetRole",
    "GetRolePolicy",
    "ListAttachedRolePolicies",
    "ListInstanceProfilesForRole",
    "ListRolePolicies",
    "PassRole",
    "PutRolePolicy",
    "RemoveRoleFromInstanceProfile",
    "TagInstanceProfile",
    "TagRole",
];
const WORKSPACES: &str = "ai-unlimited-workspaces";
const RESTRICTED: &str = "ai-unlimited-without-iam-role-permissions";

fn called(world: &World) -> BTreeSet<String> {
    let calls = world.iam_calls(0).into_iter();
    calls.map(|call| call.action).collect()
}

#[tokio::test]
async fn the_whole_core_works_with_the_managers_own_seventeen_actions() {
    let world = World::build().prepared("prepared").start().await;
    world.become_identity(WORKSPACES).await;
    let client = world.client();
    let body = json!({"secrets": ["a"], "tags": {"team": "x"}});
    client.put("made", body).await.expect(201);
    let change = json!({"secrets": "all", "session_manager": true, "tags": {"team": "y"}});
    client.put("made", change).await.expect(200);
    let passed = json!({"mode": "pass_through", "iam_role": "prepared"});
    client.put("passed", passed).await.expect(201);
    world.is_verified_in_time("made").await;
    world.is_verified_in_time("passed").await;
    world.assert_sound().await;
    client.delete("made").await.expect(200);
    client.delete("passed").await.expect(200);
    assert!(world.holds_nothing_of_ours());
    for action in called(&world) {
        assert!(
            ALLOWED.contains(&action.as_str()),
            "{action} is not the manager's"
        );
    }
    let denied = world.iam_calls(0).into_iter();
    let denied: Vec<_> = denied.filter(|call| call.status == Some(403)).collect();
    assert!(denied.is_empty(), "{denied:#?}");
    world.assert_sound().await;
}

#[tokio::test]
async fn a_dropped_tag_stays_where_it_may_not_be_taken_off_and_the_caller_hears_which_permission() {
    let world = World::build().identity(WORKSPACES).start().await;
    let client = world.client();
    client
        .put("one", json!({"tags": {"team": "x", "old": "1"}}))
        .await
        .expect(201);
    let answer = client.put("one", json!({"tags": {"team": "x"}})).await;
    let problem = answer.expect_problem(424, "missing_permission");
    let missing = problem["missing_permissions"].to_string();
    assert!(missing.contains("iam:Untag"), "{missing}");
    // An error is final: what was before is so again.
    let binding = world.reaches("one", "active").await;
    assert_eq!(binding["spec"]["tags"], json!({"team": "x", "old": "1"}));
    world.assert_sound().await;
    client.delete("one").await.expect(200);
    world.assert_sound().await;
}

#[tokio::test]
async fn without_the_permission_to_create_roles_the_caller_hears_it_and_nothing_stays() {
    let world = World::build().identity(RESTRICTED).start().await;
    let client = world.client();
    let answer = client.patient().provision("one").await;
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
    assert!(world.holds_nothing_of_ours());
    let binding = client.get("one").await;
    assert_eq!(binding.expect(200)["state"], "failed");
    assert_eq!(binding.body["last_error"]["code"], "missing_permission");
    world.assert_sound().await;
}

#[tokio::test]
async fn while_the_refusal_is_fresh_no_instance_profile_is_made_in_vain() {
    let world = World::build().identity(RESTRICTED).start().await;
    let client = world.client();
    client
        .patient()
        .provision("one")
        .await
        .expect_problem(424, "missing_permission");
    let since = world.mark();
    client
        .patient()
        .provision("two")
        .await
        .expect_problem(424, "missing_permission");
    client
        .patient()
        .provision("one")
        .await
        .expect_problem(424, "missing_permission");
    let calls: Vec<String> = world
        .mutations(since)
        .into_iter()
        .map(|call| call.action)
        .collect();
    assert_eq!(calls, ["CreateRole", "CreateRole"]);
    // Once it is granted, the next request succeeds.
    world.become_identity(WORKSPACES).await;
    client.provision("one").await.expect(201);
    client.provision("two").await.expect(201);
    world.assert_sound().await;
}

#[tokio::test]
async fn without_the_permission_to_create_roles_a_prepared_one_is_passed_and_torn_down() {
    let world = World::build().prepared("prepared").start().await;
    world.become_identity(RESTRICTED).await;
    let client = world.client();
    let passed = json!({"mode": "pass_through", "iam_role": "prepared"});
    client.put("one", passed).await.expect(201);
    world.assert_sound().await;
    client.delete("one").await.expect(200);
    assert!(world.holds_nothing_of_ours());
    for action in called(&world) {
        assert!(
            ALLOWED.contains(&action.as_str()),
            "{action} is not the manager's"
        );
    }
    world.assert_sound().await;
}

#[tokio::test]
async fn a_role_that_may_not_be_passed_is_named_with_the_permission() {
    let world = World::build().prepared("prepared").start().await;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "iam:PassRole", "Resource": "*"},
        ],
    });
    world.administrator.steer("identity-policy", policy).await;
    let passed = json!({"mode": "pass_through", "iam_role": "prepared"});
    let answer = world.client().patient().put("one", passed).await;
    let problem = answer.expect_problem(424, "missing_permission");
    assert_eq!(problem["missing_permissions"], json!(["iam:PassRole"]));
    assert!(world.holds_nothing_of_ours());
    world.assert_sound().await;
}

#[tokio::test]
async fn without_the_permission_to_make_instance_profiles_the_role_goes_again() {
    let world = World::start().await;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "iam:CreateInstanceProfile", "Resource": "*"},
        ],
    });
    world.administrator.steer("identity-policy", policy).await;
    let answer = world.client().patient().provision("one").await;
    let problem = answer.expect_problem(424, "missing_permission");
    assert_eq!(
        problem["missing_permissions"],
        json!(["iam:CreateInstanceProfile"])
    );
    assert!(world.holds_nothing_of_ours());
    world.assert_sound().await;
}

#[tokio::test]
async fn what_may_not_be_removed_blocks_and_is_named() {
    let world = World::start().await;
    let client = world.client();
    client.provision("one").await.expect(201);
    world.become_identity(RESTRICTED).await;
    let answer = client.patient().delete("one").await;
    assert_eq!(answer.expect(424)["code"], "missing_permission");
    let missing = answer.body["missing_permissions"].to_string();
    assert!(missing.contains("iam:DeleteRolePolicy"), "{missing}");
    assert_eq!(client.get("one").await.body["state"], "blocked");
    world.become_identity(WORKSPACES).await;
    client.patient().delete("one").await.expect(200);
    assert!(world.holds_nothing_of_ours());
    world.assert_sound().await;
}

#[tokio::test]
async fn a_clean_up_that_is_refused_is_told_and_tried_again_slowly() {
    let world = World::build().rarely_checked().start().await;
    let allow = json!({"Effect": "Allow", "Action": "iam:*", "Resource": "*"});
    let deny = |actions: serde_json::Value| {
        let deny = json!({"Effect": "Deny", "Action": actions, "Resource": "*"});
        json!({"Version": "2012-10-17", "Statement": [allow, deny]})
    };
    let nothing = json!(["iam:PutRolePolicy", "iam:DeleteRole"]);
    world
        .administrator
        .steer("identity-policy", deny(nothing))
        .await;
    let client = world.client();
    // No error: something is still on its way, out.
    client
        .with("prefer", "wait=2")
        .provision("one")
        .await
        .expect(202);
    let binding = world.reaches("one", "failed").await;
    assert_eq!(binding["last_error"]["code"], "missing_permission");
    let left = eventually("it is told what is left", async || {
        let left = client.get("one").await.body["receipt"]["left"].to_string();
        left.contains("iam:DeleteRole").then_some(left)
    })
    .await;
    assert!(left.contains("AccessDenied"), "{left}");
    let events = world.database.events().await;
    let blocked = events.iter().filter(|event| event.action == "blocked");
    assert_eq!(blocked.count(), 1);
    let since = world.mark();
    world.advance(std::time::Duration::from_mins(10)).await;
    assert_eq!(world.mutations(since).len(), 0, "it is tried again slowly");
    world.advance(std::time::Duration::from_mins(6)).await;
    world.reached("DeleteRole", since).await;
    let events = world.database.events().await;
    let blocked = events.iter().filter(|event| event.action == "blocked");
    assert_eq!(blocked.count(), 1, "it is told once");
    let only = deny(json!(["iam:PutRolePolicy"]));
    world.administrator.steer("identity-policy", only).await;
    world.comes_to_rest().await;
    assert!(world.holds_nothing_of_ours());
    let answer = client.patient().provision("one").await;
    answer.expect_problem(424, "missing_permission");
    assert_eq!(client.get("one").await.body["receipt"], json!(null));
    world.comes_to_rest().await;
    world.assert_sound().await;
}
