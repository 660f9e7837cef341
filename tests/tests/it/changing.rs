//! PUT for a cluster that already has a role.

use engine_roles_e2e::{Installation, eventually, stages_of};
use serde_json::{Value, json};

#[tokio::test]
async fn a_repeated_put_changes_nothing_and_makes_no_call() {
    let installation = Installation::start().await;
    let client = installation.client();
    let body = json!({"secrets": ["b", "a"], "tags": {"team": "x"}});
    let first = client.put("one", body.clone()).await;
    first.expect(201);
    let since = installation.mark();
    for body in [body, json!({}), json!({"secrets": ["a", "b", "a"]})] {
        let again = client.put("one", body).await;
        assert_eq!(again.expect(200), &first.body);
    }
    assert_eq!(installation.iam_calls(since).len(), 0);
    assert_eq!(installation.database.events().await.len(), 2);
    installation.assert_sound().await;
}

#[tokio::test]
async fn secrets_session_manager_and_tags_can_be_changed() {
    let installation = Installation::build().latency(100).start().await;
    let client = installation.client();
    let first = json!({"secrets": ["a"], "tags": {"team": "x", "old": "1"}});
    let created = client.put("one", first).await.expect(201).clone();
    let since = installation.mark();
    let answer = client.put("one", json!({"secrets": ["b"]})).await;
    let changed = answer.expect(200);
    let etag = answer.header("etag").unwrap_or_default();
    assert!(etag.starts_with("\"2-"), "{etag}");
    assert_eq!(changed["applied_generation"], 2);
    assert_eq!(changed["role"], created["role"]);
    assert_eq!(changed["spec"]["tags"], json!({"team": "x", "old": "1"}));
    let calls = installation.mutations(since);
    assert_eq!(stages_of(&calls), [["PutRolePolicy"]]);
    installation.assert_sound().await;

    client
        .put("one", json!({"session_manager": true}))
        .await
        .expect(200);
    installation.assert_sound().await;

    let since = installation.mark();
    let tags = json!({"tags": {"team": "y", "new": "2"}});
    let answer = client.put("one", tags).await;
    assert_eq!(answer.expect(200)["generation"], 4);
    let actions: Vec<String> = installation
        .mutations(since)
        .into_iter()
        .map(|call| call.action)
        .collect();
    for action in [
        "TagRole",
        "UntagRole",
        "TagInstanceProfile",
        "UntagInstanceProfile",
    ] {
        assert!(actions.iter().any(|called| called == action), "{actions:?}");
    }
    installation.assert_sound().await;

    client
        .put("one", json!({"secrets": "all", "session_manager": false}))
        .await
        .expect(200);
    installation.assert_sound().await;
}

/// Lets this many calls of the action end with the error, before they have an effect.
fn failing(action: &str, error: &str, times: u32) -> Value {
    json!([{"action": action, "when": "before", "do": {"error": error}, "times": times}])
}

#[tokio::test]
async fn the_tags_of_a_rejected_change_are_restored_although_reads_may_still_be_stale() {
    let installation = Installation::start().await;
    let client = installation.client();
    let first = json!({"tags": {"team": "x", "old": "1"}});
    client.put("one", first.clone()).await.expect(201);
    for (action, tags) in [
        ("PutRolePolicy", json!({"team": "y", "new": "2"})),
        ("PutRolePolicy", json!({})),
        ("TagInstanceProfile", json!({"team": "y"})),
    ] {
        installation.set_faults(failing(action, "AccessDenied", 1));
        let change = json!({"secrets": ["a"], "tags": tags});
        let answer = client.put("one", change).await;
        answer.expect_problem(424, "missing_permission");
        let shown = client.get("one").await;
        assert_eq!(shown.expect(200)["spec"]["tags"], first["tags"]);
        installation.assert_sound().await;
    }
}

#[tokio::test]
async fn a_change_replaces_the_tags_of_a_change_that_was_not_completed() {
    let installation = Installation::start().await;
    let client = installation.client();
    let first = json!({"team": "x"});
    for (cluster, error) in [("one", "Throttling"), ("two", "ServiceFailure")] {
        let created = client.put(cluster, json!({"tags": first})).await;
        created.expect(201);
        installation.set_faults(failing("PutRolePolicy", error, 1_000));
        let change = json!({"secrets": ["a"], "tags": {"team": "y", "new": "2"}});
        let begun = client.without_waiting().put(cluster, change).await;
        begun.expect(202);
        eventually("an attempt failed", async || {
            let binding = installation.database.binding(cluster).await?;
            (binding.attempts > 0).then_some(())
        })
        .await;
        installation.set_faults(json!([]));
        let back = json!({"secrets": "all", "tags": first});
        client.put(cluster, back).await.expect(200);
        installation.assert_sound().await;
    }
}

#[tokio::test]
async fn a_change_of_an_immutable_field_is_rejected_and_names_the_field() {
    let boundary = "arn:aws:iam::123456789012:policy/engine-boundary";
    let installation = Installation::build()
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", "prepared,other")
        .env("ENGINE_ROLES_ALLOWED_BOUNDARIES", boundary)
        .start()
        .await;
    installation.administrator.prepare_role("prepared").await;
    let client = installation.client();
    client.provision("made").await.expect(201);
    let passed = json!({"mode": "pass_through", "iam_role": "prepared"});
    client.put("passed", passed).await.expect(201);
    let since = installation.mark();
    let cases = [
        ("made", "mode", json!("pass_through")),
        ("made", "region", json!("us-east-1")),
        ("made", "role_prefix", json!("other-")),
        ("made", "permissions_boundary", json!(boundary)),
        ("made", "iam_role", json!("prepared")),
        ("passed", "mode", json!("create")),
        ("passed", "iam_role", json!("other")),
        ("passed", "region", json!("us-east-1")),
        ("passed", "role_prefix", json!("other-")),
        ("passed", "permissions_boundary", json!(boundary)),
    ];
    for (cluster, field, value) in cases {
        // The rejection is the same when the request also has a change that is allowed.
        let mut body = json!({"tags": {"sneaked": "in"}});
        body[field] = value;
        let answer = client.put(cluster, body).await;
        let problem = answer.expect_problem(409, "immutable_field");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    assert_eq!(installation.mutations(since).len(), 0);
    for cluster in ["made", "passed"] {
        assert_eq!(client.get(cluster).await.body["generation"], 1);
    }
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_put_that_names_the_current_values_is_no_change() {
    let installation = Installation::start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    let same = json!({
        "mode": "create",
        "region": "us-west-2",
        "role_prefix": "ai-unlimited-",
        "secrets": "all",
        "session_manager": false,
        "tags": {},
    });
    assert_eq!(client.put("one", same).await.expect(200)["generation"], 1);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_plan_lists_what_would_be_done_and_changes_nothing() {
    let installation = Installation::start().await;
    let client = installation.client();
    let since = installation.mark();
    let answer = client.plan("one", json!({"secrets": ["x"]})).await;
    let plan = answer.expect(200);
    assert_eq!(plan["intent"], "new");
    assert_eq!(plan["basis"], "nothing");
    assert_eq!(plan["call_count"], 4);
    assert_eq!(plan["stage_count"], 2);
    assert_eq!(plan["warnings"], json!([]));
    let policy = plan["policy"].to_string();
    assert!(policy.contains("compute-engine/one/x-??????"), "{policy}");
    let name = plan["name"].as_str().expect("the role has a name");
    assert!(name.starts_with("ai-unlimited-one-"), "{name}");
    assert_eq!(installation.iam_calls(since).len(), 0);
    for table in ["bindings", "clusters", "audit_pending", "audit_events"] {
        let rows: Vec<Value> = installation
            .database
            .rows(&format!("SELECT * FROM {table}"))
            .await;
        assert_eq!(rows.len(), 0, "{table}");
    }

    client
        .put("one", json!({"secrets": ["x"]}))
        .await
        .expect(201);
    let since = installation.mark();
    let answer = client.plan("one", json!({"secrets": ["y"]})).await;
    let plan = answer.expect(200);
    assert_eq!(plan["intent"], "change");
    assert_eq!(plan["basis"], "observed");
    assert_eq!(plan["call_count"], 1);
    assert_eq!(plan["steps"][0]["action"], "PutRolePolicy");
    let answer = client.plan("one", json!({})).await;
    assert_eq!(answer.expect(200)["intent"], "unchanged");
    assert_eq!(answer.body["call_count"], 0);
    assert_eq!(installation.mutations(since).len(), 0);
    assert_eq!(installation.database.events().await.len(), 2);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_plan_is_rejected_when_the_put_would_be() {
    let installation = Installation::start().await;
    let client = installation.client();
    let answer = client.plan("one", json!({"region": "*"})).await;
    answer.expect_problem(422, "invalid_region");
    let answer = client.plan("one", json!({"iam_role": "anybody"})).await;
    answer.expect_problem(422, "pass_through_role_not_allowed");
    client.provision("one").await.expect(201);
    let answer = client.plan("one", json!({"role_prefix": "x-"})).await;
    answer.expect_problem(409, "immutable_field");
    installation.assert_sound().await;
}
