//! Calls that AWS denies: what remains, which layer denied them, and what would help.

use engine_roles_e2e::Installation;
use engine_roles_e2e::aws_proxy::{Denial, Reply, Rule};
use engine_roles_e2e::service::command;
use engine_roles_iam_sandbox::PolicyLayer;
use serde_json::json;

#[tokio::test]
async fn a_creation_that_was_denied_whole_leaves_nothing_and_can_be_repeated_at_once() {
    let installation = Installation::start().await;
    let client = installation.client();
    installation.deny(&["iam:*"]).await;
    for _ in 0..2 {
        let since = installation.mark();
        let answer = client.provision("one").await;
        answer.expect_problem(424, "missing_permission");
        let row = installation.recorded("one").await;
        assert_eq!((row.state.as_str(), row.live), ("failed", false));
        let writes = installation.iam_calls(since);
        assert!(writes.len() <= 2, "{writes:?}");
    }
    installation.deny_nothing().await;
    client.provision("one").await.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn what_was_created_before_a_denial_is_removed() {
    let installation = Installation::start().await;
    let client = installation.client();
    installation.deny(&["iam:CreateRole"]).await;
    client
        .provision("one")
        .await
        .expect_problem(424, "missing_permission");
    // The instance profile was allowed at the same time.
    let body = client.fetch("/readyz").await.body;
    assert_eq!(body["aws"], "denied", "{body}");
    installation.reaches_in_time("one", "failed").await;
    installation.becomes_idle().await;
    assert!(installation.holds_nothing_of_ours());
    installation.deny_nothing().await;
    client.provision("one").await.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_denial_names_the_layer_and_offers_a_statement_only_where_it_helps() {
    let installation = Installation::build().aws_proxied().start().await;
    let client = installation.client();
    let policy = "arn:aws:organizations::111111111111:policy/o-a/service_control_policy/p-b";
    let layers = [
        (PolicyLayer::Identity, "identity_policy"),
        (PolicyLayer::ServiceControl, "service_control_policy"),
        (PolicyLayer::Boundary, "permissions_boundary"),
        (PolicyLayer::Session, "session_policy"),
        (PolicyLayer::Endpoint, "endpoint_policy"),
    ];
    for (layer, word) in layers {
        for (denial, explicit) in [
            (Denial::Implicit, false),
            (Denial::Explicit, true),
            (Denial::ExplicitBy(policy.to_owned()), true),
        ] {
            let named = matches!(denial, Denial::ExplicitBy(_));
            let denied = Rule::instead(Reply::Denied(layer, denial));
            let creates = ["CreateRole", "CreateInstanceProfile"];
            installation.aws_proxy().add(denied.only(&creates));
            let answer = client.provision("one").await;
            installation.aws_proxy().clear();
            let body = answer.expect_problem(424, "missing_permission");
            let by = &body["denied_by"];
            assert_eq!(by["layer"], word, "{body}");
            assert_eq!(by["explicit"], explicit, "{body}");
            let expected = named.then_some(policy);
            assert_eq!(by["policy"], json!(expected), "{body}");
            let helps = layer == PolicyLayer::Identity && !explicit;
            assert_eq!(body["statement"].is_object(), helps, "{body}");
        }
    }
    client.provision("one").await.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_statement_of_a_denial_is_the_one_of_the_capabilities() {
    let installation = Installation::build().rarely_checked().start().await;
    let client = installation.client();
    installation.allow_no_longer(&["iam:CreateRole"]).await;
    let answer = client.provision("one").await;
    let body = answer.expect_problem(424, "missing_permission");
    let statement = &body["statement"];
    assert_eq!(statement["Action"], json!(["iam:CreateRole"]), "{body}");
    let resources = statement["Resource"].to_string();
    assert!(!resources.contains("instance-profile"), "{resources}");
    assert!(statement["Condition"].is_object(), "{body}");
    let found = client.fetch("/v1/capabilities").await;
    let features = found.expect(200)["features"].as_array().cloned();
    let features = features.expect("features");
    let create = features.iter().find(|report| report["feature"] == "create");
    assert_eq!(&create.expect("create")["statements"], &json!([statement]));
    installation.becomes_idle().await;
}

#[tokio::test]
async fn a_simulator_that_ignores_the_conditions_of_an_organizations_policy_shows_nothing() {
    let installation = Installation::build().rarely_checked().start().await;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {
                "Effect": "Deny", "Action": "*", "Resource": "*",
                "Condition": {"StringNotEquals": {"aws:PrincipalAccount": "123456789012"}},
            },
        ],
    });
    let set = installation
        .sandbox
        .set_policy(PolicyLayer::ServiceControl, Some(&policy));
    set.expect("the policy is valid");
    let mut check = command(&["check", "--format", "json"], installation.environment());
    // The sandbox answers on this thread.
    let output = tokio::task::spawn_blocking(move || check.output()).await;
    let output = output
        .expect("the task does not panic")
        .expect("check runs");
    assert!(output.status.success(), "{output:?}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let features = found["features"].as_array().expect("features");
    let create = features.iter().find(|report| report["feature"] == "create");
    assert_eq!(create.expect("create")["status"], "unknown", "{found}");
    assert!(
        found.to_string().contains("service control policies"),
        "{found}"
    );
    installation.client().provision("one").await.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_role_whose_other_tags_leave_no_room_is_a_conflict() {
    let installation = Installation::build().rarely_checked().start().await;
    let client = installation.client();
    let role = client.provision("one").await.expect(201)["role"]["name"].clone();
    let role = role.as_str().expect("a name").to_owned();
    let held = installation.role(&role).expect("the role");
    let ours = held["tags"].as_object().expect("tags").len();
    let mut parameters = vec![("RoleName".to_owned(), role)];
    for number in 1..=(50 - ours) {
        parameters.push((
            format!("Tags.member.{number}.Key"),
            format!("other-{number}"),
        ));
        parameters.push((format!("Tags.member.{number}.Value"), "x".to_owned()));
    }
    let parameters: Vec<(&str, &str)> = parameters
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    installation
        .administrator
        .call("TagRole", &parameters)
        .await;
    let answer = client.put("one", json!({"tags": {"team": "blue"}})).await;
    answer.expect_problem(409, "tag_limit_exceeded");
    let body = installation.reaches_in_time("one", "active").await;
    assert_eq!(body["last_error"]["code"], "tag_limit_exceeded");
    client.waiting_longest().delete("one").await.expect(200);
}
