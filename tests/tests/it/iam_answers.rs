//! Errors, lost answers and outages of IAM.

use engine_roles_e2e::Installation;
use engine_roles_e2e::aws_proxy::{Change, Reply, Rule};
use engine_roles_e2e::installation::fault;
use serde_json::json;

#[tokio::test]
async fn a_full_account_is_reported_and_nothing_is_left() {
    for (roles, profiles) in [(1, 1_000), (1_000, 1)] {
        let installation = Installation::build()
            .sandbox(|sandbox| {
                sandbox.quotas.roles = roles;
                sandbox.quotas.instance_profiles = profiles;
            })
            .start()
            .await;
        let client = installation.client();
        client.provision("one").await.expect(201);
        let answer = client.waiting_longest().provision("two").await;
        let problem = answer.expect_problem(503, "quota_exceeded");
        // Waiting does not help: a person is needed.
        assert!(problem["retry_after"].is_null());
        assert_eq!(answer.header("retry-after"), None);
        let state = installation.sandbox.state();
        assert_eq!(state["roles"].as_array().map(Vec::len), Some(1));
        assert_eq!(state["instance_profiles"].as_array().map(Vec::len), Some(1));
        installation.assert_sound().await;
        // After a role was removed, the same request succeeds.
        client.delete("one").await.expect(200);
        client.provision("two").await.expect(201);
        installation.assert_sound().await;
    }
}

#[tokio::test]
async fn an_account_known_to_be_full_is_reported_before_any_call() {
    let installation = Installation::build()
        .prepared("prepared")
        .sandbox(|sandbox| sandbox.quotas.roles = 1)
        .start()
        .await;
    let client = installation.client();
    let answer = client.waiting_longest().provision("one").await;
    let problem = answer.expect_problem(503, "quota_exceeded");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("1 of 1 roles"), "{detail}");
    assert_eq!(installation.mutations(0).len(), 0);
    client.get("one").await.expect(404);
    // A request that creates no role is still accepted.
    let passed = json!({"mode": "pass_through", "iam_role": "prepared"});
    client.put("two", passed).await.expect(201);
    installation.sandbox.set_faults(Vec::new());
    installation
        .administrator
        .control_sandbox("behaviour", json!({"quota": "roles=10"}))
        .await;
    client.provision("one").await.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_boundary_that_does_not_exist_is_reported_and_nothing_is_left() {
    let boundary = "arn:aws:iam::123456789012:policy/absent";
    let installation = Installation::build()
        .env("ENGINE_ROLES_PERMISSIONS_BOUNDARY", boundary)
        .start()
        .await;
    let answer = installation
        .client()
        .waiting_longest()
        .provision("one")
        .await;
    answer.expect_problem(422, "boundary_not_allowed");
    assert!(installation.holds_nothing_of_ours());
    installation.assert_sound().await;
    installation.administrator.prepare_policy("absent").await;
    installation.client().provision("one").await.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_create_call_with_a_lost_answer_is_found_and_adopted() {
    for action in ["CreateRole", "CreateInstanceProfile"] {
        let installation = Installation::start().await;
        installation.set_faults(fault(action, "after", json!("reset")));
        let answer = installation
            .client()
            .waiting_longest()
            .provision("one")
            .await;
        assert_eq!(answer.expect(201)["state"], "active");
        let creations = installation.mutations(0);
        let creations = creations.iter().filter(|call| call.action == action);
        assert_eq!(
            creations.count(),
            1,
            "the call is not repeated without an observation"
        );
        let state = installation.sandbox.state();
        assert_eq!(state["roles"].as_array().map(Vec::len), Some(1));
        assert_eq!(state["instance_profiles"].as_array().map(Vec::len), Some(1));
        installation.assert_sound().await;
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_policy_or_profile_call_ends_in_the_same_role() {
    for action in ["PutRolePolicy", "AddRoleToInstanceProfile"] {
        let installation = Installation::start().await;
        installation.set_faults(fault(action, "after", json!("reset")));
        installation
            .client()
            .waiting_longest()
            .provision("one")
            .await
            .expect(201);
        installation.assert_sound().await;
    }
}

#[tokio::test]
async fn a_removal_with_a_lost_answer_ends_in_a_complete_teardown() {
    for action in [
        "DeleteRolePolicy",
        "RemoveRoleFromInstanceProfile",
        "DeleteRole",
        "DeleteInstanceProfile",
    ] {
        let installation = Installation::start().await;
        let client = installation.client();
        client.provision("one").await.expect(201);
        installation.set_faults(fault(action, "after", json!("reset")));
        let answer = client.without_waiting().delete("one").await;
        assert_eq!(answer.expect(202)["state"], "deleting", "{action}");
        engine_roles_e2e::eventually("the resources are removed from IAM", async || {
            installation.holds_nothing_of_ours().then_some(())
        })
        .await;
        installation.reaches_in_time("one", "deleted").await;
        installation.assert_sound().await;
    }
}

#[tokio::test]
async fn a_wrong_entity_already_exists_answer_does_not_cause_a_loop() {
    let installation = Installation::start().await;
    let error = json!({"error": "EntityAlreadyExists"});
    installation.set_faults(fault("CreateRole", "before", error));
    let client = installation.client();
    let answer = client.with("prefer", "wait=1").provision("one").await;
    assert!([201, 202].contains(&answer.status), "{}", answer.text);
    let calls = installation.mutations(0).len();
    assert!(calls <= 16, "{calls} calls");
    installation.reaches_in_time("one", "active").await;
    let calls = installation.mutations(0).len();
    assert!(calls <= 24, "{calls} calls");
    installation.assert_sound().await;
}

#[tokio::test]
async fn throttling_delays_a_request_and_does_not_fail_it() {
    let installation = Installation::build()
        .faults(json!([{
            "action": "*",
            "when": "before",
            "do": {"error": "Throttling"},
            "times": 6,
            "skip": 1,
        }]))
        .start()
        .await;
    let client = installation.client();
    let answer = client.without_waiting().provision("one").await;
    answer.expect(202);
    installation.reaches_in_time("one", "active").await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn an_answer_that_did_not_come_from_aws_delays_a_request_and_does_not_fail_it() {
    let installation = Installation::build()
        .aws_proxied()
        .env("AWS_REGION", "us-east-1")
        .env("ENGINE_ROLES_DEFAULT_REGION", "us-west-2")
        .start()
        .await;
    let client = installation.client();
    let rules = [
        Rule::instead(Reply::html(200)),
        Rule::after(Reply::html(502)),
        Rule::instead(Reply::proxy_authentication_required()),
        Rule::after(Reply::Truncated),
        Rule::instead(Reply::Reset),
    ];
    let number = rules.len();
    for (number, rule) in rules.into_iter().enumerate() {
        let rule = rule.only(&["CreateRole"]).times(1);
        installation.aws_proxy().add(rule);
        let cluster = format!("c{number}");
        let answer = client.with("prefer", "wait=1").provision(&cluster).await;
        assert!([201, 202].contains(&answer.status), "{}", answer.text);
        installation.reaches_in_time(&cluster, "active").await;
    }
    let creates = vec!["CreateRole".to_owned(); number];
    assert_eq!(installation.aws_proxy().handled(), creates);
    let state = installation.sandbox.state();
    assert_eq!(state["roles"].as_array().map(Vec::len), Some(number));
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_request_during_an_iam_outage_is_completed_afterwards() {
    let installation = Installation::start().await;
    let client = installation.client();
    installation.set_faults(json!([{
        "action": "*", "when": "before", "do": {"error": "ServiceFailure"}, "times": 1_000_000,
    }]));
    let answer = client.with("prefer", "wait=1").provision("one").await;
    let pending = answer.expect(202);
    assert_eq!(pending["state"], "provisioning");
    engine_roles_e2e::eventually("the delay is reported", async || {
        let binding = client.get("one").await.body;
        (binding["last_error"]["code"] == "iam_unavailable"
            && binding["last_error"]["next_attempt_at"].is_string())
        .then_some(())
    })
    .await;
    installation.set_faults(json!([]));
    let binding = installation.reaches_in_time("one", "active").await;
    assert_eq!(binding["last_error"], serde_json::Value::Null);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_denied_change_leaves_the_previous_state() {
    let installation = Installation::start().await;
    let client = installation.client();
    let created = client
        .put("one", json!({"secrets": ["a"]}))
        .await
        .expect(201)
        .clone();
    let denied = json!({"error": "AccessDenied"});
    installation.set_faults(fault("PutRolePolicy", "before", denied));
    let answer = client
        .waiting_longest()
        .put("one", json!({"secrets": "all"}))
        .await;
    answer.expect_problem(424, "missing_permission");
    let binding = client.get("one").await.body;
    assert_eq!(binding["state"], "active");
    assert_eq!(binding["spec"], created["spec"]);
    assert_eq!(binding["policy"], created["policy"]);
    assert_eq!(binding["role"], created["role"]);
    installation.assert_sound().await;
}

#[tokio::test]
async fn stale_reads_lose_nothing_and_cause_no_second_role() {
    let installation = Installation::build()
        .sandbox(|sandbox| sandbox.stale_reads = std::time::Duration::from_secs(30))
        .start()
        .await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    client
        .put("one", json!({"session_manager": true}))
        .await
        .expect(200);
    client.delete("one").await.expect(200);
    client.provision("one").await.expect(201);
    assert_eq!(
        installation.sandbox.state()["roles"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    installation.assert_sound().await;
    installation.is_verified_in_time("one").await;
    installation.assert_sound().await;
}

/// Answers with status 200 that AWS did not give, or not in full. Some have a request id.
fn answers_that_are_no_success() -> [(&'static str, Reply); 4] {
    let with_id = |kind: &str, body: &str| Reply::Foreign {
        status: 200,
        headers: vec![
            ("content-type".to_owned(), kind.to_owned()),
            ("x-amzn-requestid".to_owned(), "1-2-3".to_owned()),
        ],
        body: body.to_owned(),
    };
    [
        ("a page", Reply::html(200)),
        (
            "a page with a request id",
            with_id("text/html", "<html></html>"),
        ),
        ("nothing, with a request id", with_id("text/xml", "")),
        ("half an answer", Reply::Truncated),
    ]
}

#[tokio::test]
async fn a_200_that_is_not_awss_whole_answer_is_no_answer_to_a_removal() {
    let installation = Installation::build().aws_proxied().start().await;
    let client = installation.client();
    let removals = [
        "DeleteRolePolicy",
        "RemoveRoleFromInstanceProfile",
        "DeleteRole",
        "DeleteInstanceProfile",
    ];
    for (number, action) in removals.into_iter().enumerate() {
        for (name, reply) in answers_that_are_no_success() {
            // A page without a request id is tried on each call, the others on one each.
            let is_tried = name == "a page" || number == name.len() % removals.len();
            if !is_tried {
                continue;
            }
            client.provision("one").await.expect(201);
            let portal = Rule::instead(reply).only(&[action]);
            installation.aws_proxy().add(portal);
            let answer = client.with("prefer", "wait=1").delete("one").await;
            assert_eq!(answer.expect(202)["state"], "deleting", "{action}: {name}");
            assert!(!installation.holds_nothing_of_ours(), "{action}: {name}");
            installation.aws_proxy().clear();
            installation.reaches_in_time("one", "deleted").await;
            assert!(installation.holds_nothing_of_ours(), "{action}: {name}");
        }
    }
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_denial_without_a_request_id_is_not_awss() {
    let installation = Installation::build().aws_proxied().start().await;
    let client = installation.client();
    installation.deny(&["iam:CreateRole"]).await;
    let by_something_else = Rule::changing(Change::WithoutRequestId).only(&["CreateRole"]);
    installation.aws_proxy().add(by_something_else);
    client.without_waiting().provision("one").await.expect(202);
    engine_roles_e2e::eventually("the delay is reported", async || {
        let last_error = &client.get("one").await.body["last_error"];
        let detail = last_error["detail"].as_str().unwrap_or_default();
        detail.contains("not from AWS").then_some(())
    })
    .await;
    installation.aws_proxy().clear();
    installation.deny_nothing().await;
    installation.reaches_in_time("one", "active").await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn an_error_of_aws_that_this_program_does_not_know_is_an_answer() {
    let installation = Installation::build()
        .aws_proxied()
        .rarely_checked()
        .start()
        .await;
    let client = installation.client();
    for (status, state) in [(400, "ok"), (500, "unreachable")] {
        let unknown = Reply::error(status, "OptInRequired", "The account is not subscribed.");
        installation.aws_proxy().add(Rule::instead(unknown));
        let cluster = format!("c{status}");
        client
            .with("prefer", "wait=1")
            .provision(&cluster)
            .await
            .expect(202);
        engine_roles_e2e::eventually("the state is reported", async || {
            (client.fetch("/readyz").await.body["aws"] == state).then_some(())
        })
        .await;
        installation.aws_proxy().clear();
        installation.reaches_in_time(&cluster, "active").await;
    }
    installation.assert_sound().await;
}
