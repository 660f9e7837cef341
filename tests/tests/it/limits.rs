//! What administrators decide: tags that are on everything, limits on what requests may ask for, and
//! whether the service probes its own permissions.

use std::collections::BTreeSet;

use engine_roles_e2e::service::command;
use engine_roles_e2e::{Installation, InstallationBuilder};
use serde_json::{Map, Value, json};

/// The settings of the narrow limits.
const LIMITS: [(&str, &str); 4] = [
    ("ENGINE_ROLES_ALLOWED_MODES", "create"),
    ("ENGINE_ROLES_ALLOWED_REGIONS", "us-west-2, us-east-1"),
    ("ENGINE_ROLES_ALLOW_SESSION_MANAGER", "false"),
    ("ENGINE_ROLES_ALLOWED_TAG_KEYS", "team,cost-center"),
];

fn with_limits(builder: InstallationBuilder) -> InstallationBuilder {
    let limits = LIMITS.into_iter();
    limits.fold(builder, |builder, (name, value)| builder.env(name, value))
}

/// Returns the tags of a binding's role and instance profile at AWS that no installation needs for
/// its own purposes.
fn tags_at_aws(installation: &Installation, binding: &Value) -> [Value; 2] {
    let name = |member: &str| {
        binding[member]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let role = installation.role(&name("role"));
    let profile = installation.instance_profile(&name("instance_profile"));
    [role, profile].map(|found| {
        let tags = found.map(|found| found["tags"].clone()).unwrap_or_default();
        let tags = tags.as_object().into_iter().flatten();
        let tags = tags.filter(|(key, _)| !key.starts_with("ai-unlimited:"));
        Value::Object(
            tags.map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        )
    })
}

/// Returns the fields that a rejected request's answer names.
fn fields(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().into_iter().flatten();
    errors.filter_map(|error| error["field"].as_str()).collect()
}

/// Checks that PUT and plan reject the body with this code, and that both answers name these fields.
async fn assert_rejected(
    installation: &Installation,
    cluster: &str,
    body: &Value,
    code: &str,
    named: &[&str],
) {
    let client = installation.client();
    for answer in [
        client.put(cluster, body.clone()).await,
        client.plan(cluster, body.clone()).await,
    ] {
        let problem = answer.expect_problem(422, code);
        assert_eq!(fields(problem), named, "{body}: {problem:#}");
        for error in problem["errors"].as_array().into_iter().flatten() {
            let reason = error["reason"].as_str().unwrap_or_default();
            assert!(reason.len() > 10, "{problem:#}");
        }
    }
}

#[tokio::test]
async fn the_administrators_tags_are_on_everything_created_whatever_a_request_asks_for() {
    let mut installation = Installation::build()
        .prepared("engine")
        .env("ENGINE_ROLES_RESOURCE_TAGS", "team=x,Owner=data")
        .start()
        .await;
    let client = installation.client();
    let administrators = json!({"team": "x", "Owner": "data"});
    let created = client.put("one", json!({"tags": {}})).await;
    let created = created.expect(201).clone();
    assert_eq!(created["spec"]["tags"], json!({}));
    assert_eq!(
        tags_at_aws(&installation, &created),
        [administrators.clone(), administrators.clone()]
    );

    let with_own = client.put("one", json!({"tags": {"cost": "1"}})).await;
    let with_own = with_own.expect(200).clone();
    assert_eq!(with_own["spec"]["tags"], json!({"cost": "1"}));
    let all = json!({"team": "x", "Owner": "data", "cost": "1"});
    assert_eq!(tags_at_aws(&installation, &with_own), [all.clone(), all]);

    let passed = json!({"mode": "pass_through", "iam_role": "engine", "tags": {"a": "1"}});
    let passed = client.put("two", passed).await.expect(201).clone();
    let [_, profile] = tags_at_aws(&installation, &passed);
    assert_eq!(profile, json!({"team": "x", "Owner": "data", "a": "1"}));

    // A live binding keeps the tags that it was made with.
    installation.set_env("ENGINE_ROLES_RESOURCE_TAGS", "team=y,new=1");
    installation.restart(0).await;
    installation.ready().await;
    let client = installation.client();
    let since = installation.mark();
    for (cluster, binding) in [("one", &with_own), ("two", &passed)] {
        let shown = client.get(cluster).await.expect(200).clone();
        assert_eq!(shown["spec"], binding["spec"]);
        let same = client.put(cluster, shown["spec"].clone()).await;
        assert_eq!(same.expect(200)["generation"], binding["generation"]);
    }
    assert_eq!(installation.mutations(since).len(), 0);
    let without = client.put("one", json!({"tags": {}})).await;
    let without = without.expect(200).clone();
    assert_eq!(
        tags_at_aws(&installation, &without),
        [administrators.clone(), administrators]
    );
    // The tags of the binding and of the settings are both the administrator's.
    for (tags, named) in [
        (json!({"TEAM": "z"}), "tags.TEAM"),
        (json!({"owner": "z"}), "tags.owner"),
        (json!({"new": "z"}), "tags.new"),
    ] {
        assert_rejected(
            &installation,
            "one",
            &json!({"tags": tags}),
            "invalid_tag",
            &[named],
        )
        .await;
    }
    let newer = client.put("three", json!({"tags": {}})).await;
    let newer = newer.expect(201).clone();
    let administrators = json!({"team": "y", "new": "1"});
    assert_eq!(
        tags_at_aws(&installation, &newer),
        [administrators.clone(), administrators]
    );
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_request_cannot_use_the_keys_of_the_administrators_tags() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_RESOURCE_TAGS", "team=x,Owner=data")
        .start()
        .await;
    for (tags, named) in [
        (json!({"team": "x"}), vec!["tags.team"]),
        (json!({"TEAM": "y", "a": "1"}), vec!["tags.TEAM"]),
        (
            json!({"Team": "y", "owner": ""}),
            vec!["tags.Team", "tags.owner"],
        ),
    ] {
        let body = json!({"tags": tags});
        assert_rejected(&installation, "one", &body, "invalid_tag", &named).await;
    }
    let many = |count: usize| -> Map<String, Value> {
        (0..count)
            .map(|number| (format!("key{number}"), json!("x")))
            .collect()
    };
    let body = json!({"tags": many(45)});
    assert_rejected(&installation, "one", &body, "invalid_tag", &["tags"]).await;
    installation
        .client()
        .get("one")
        .await
        .expect_problem(404, "not_found");
    assert!(installation.holds_nothing_of_ours());
    let most = installation
        .client()
        .put("one", json!({"tags": many(44)}))
        .await;
    let [role, _] = tags_at_aws(&installation, most.expect(201));
    assert_eq!(role.as_object().map(Map::len), Some(46));
    installation.assert_sound().await;
}

#[tokio::test]
async fn what_the_administrator_does_not_permit_is_rejected_and_named() {
    let builder = Installation::build().prepared("engine");
    let installation = with_limits(builder).start().await;
    let pass = json!({"mode": "pass_through", "iam_role": "engine"});
    for (body, named) in [
        (pass, vec!["mode"]),
        (json!({"iam_role": "engine"}), vec!["iam_role"]),
        (json!({"region": "eu-west-1"}), vec!["region"]),
        (json!({"session_manager": true}), vec!["session_manager"]),
        (
            json!({"tags": {"team": "x", "Other": "y"}}),
            vec!["tags.Other"],
        ),
        (
            json!({"region": "eu-west-1", "session_manager": true, "tags": {"a": "1", "b": "2"}}),
            vec!["region", "session_manager", "tags.a", "tags.b"],
        ),
    ] {
        assert_rejected(&installation, "one", &body, "not_permitted_here", &named).await;
    }
    // What is no region at all has its own code.
    let no_region = json!({"region": "xx-yy-zz"});
    assert_rejected(
        &installation,
        "one",
        &no_region,
        "invalid_region",
        &["region"],
    )
    .await;
    installation
        .client()
        .get("one")
        .await
        .expect_problem(404, "not_found");
    assert!(installation.holds_nothing_of_ours());
    let permitted = json!({
        "mode": "create",
        "region": "us-east-1",
        "session_manager": false,
        "tags": {"TEAM": "x", "cost-center": "7"},
    });
    let client = installation.client();
    let created = client.put("one", permitted).await;
    assert_eq!(created.expect(201)["spec"]["region"], "us-east-1");
    let live = json!({"session_manager": true});
    assert_rejected(
        &installation,
        "one",
        &live,
        "not_permitted_here",
        &["session_manager"],
    )
    .await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn limits_leave_live_bindings_as_they_are() {
    let mut installation = Installation::build().prepared("engine").start().await;
    let client = installation.client();
    let wide = json!({
        "region": "eu-west-1", "session_manager": true, "tags": {"old": "1", "other": "2"},
    });
    let created = client.put("one", wide).await.expect(201).clone();
    let pass = json!({"mode": "pass_through", "iam_role": "engine"});
    let passed = client.put("two", pass).await.expect(201).clone();
    for (name, value) in LIMITS {
        installation.set_env(name, value);
    }
    installation.restart(0).await;
    installation.ready().await;
    let client = installation.client();
    let since = installation.mark();
    for (cluster, binding) in [("one", &created), ("two", &passed)] {
        for body in [json!({}), binding["spec"].clone()] {
            let same = client.put(cluster, body).await;
            assert_eq!(same.expect(200)["generation"], 1);
        }
    }
    assert_eq!(installation.mutations(since).len(), 0);
    let other_value = json!({"tags": {"old": "2", "other": "2"}});
    assert_rejected(
        &installation,
        "one",
        &other_value,
        "not_permitted_here",
        &["tags.old"],
    )
    .await;
    let fewer = client
        .put("one", json!({"tags": {"other": "2", "team": "x"}}))
        .await;
    let fewer = fewer.expect(200).clone();
    assert_eq!(fewer["spec"]["session_manager"], true);
    client
        .put("one", json!({"session_manager": false}))
        .await
        .expect(200);
    let again = json!({"session_manager": true});
    assert_rejected(
        &installation,
        "one",
        &again,
        "not_permitted_here",
        &["session_manager"],
    )
    .await;
    installation.assert_sound().await;
    // A new incarnation is a new intent.
    client.delete("two").await.expect(200);
    let passed = json!({"mode": "pass_through", "iam_role": "engine"});
    assert_rejected(
        &installation,
        "two",
        &passed,
        "not_permitted_here",
        &["mode"],
    )
    .await;
}

#[tokio::test]
async fn where_only_pass_through_is_permitted_it_is_the_default() {
    let installation = Installation::build()
        .prepared("engine")
        .env("ENGINE_ROLES_ALLOWED_MODES", "pass_through")
        .start()
        .await;
    let create = json!({"mode": "create"});
    assert_rejected(
        &installation,
        "one",
        &create,
        "not_permitted_here",
        &["mode"],
    )
    .await;
    let client = installation.client();
    let without_role = client.put("one", json!({})).await;
    let problem = without_role.expect_problem(400, "invalid_request");
    assert_eq!(fields(problem), ["iam_role"]);
    let passed = client.put("one", json!({"iam_role": "engine"})).await;
    assert_eq!(passed.expect(201)["mode"], "pass_through");
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_region_is_one_by_the_patterns_of_aws_and_needs_no_list() {
    let installation = Installation::start().await;
    for region in [
        "xx-yy-zz",
        "us-west-two",
        "us-west-2a",
        "cn-north-1",
        "us-gov-west-1",
    ] {
        let body = json!({"region": region});
        assert_rejected(&installation, "one", &body, "invalid_region", &["region"]).await;
    }
    let client = installation.client();
    for region in ["us-east-1", "ap-southeast-42", "mx-north-9"] {
        let planned = client.plan("one", json!({"region": region})).await;
        assert_eq!(planned.expect(200)["spec"]["region"], region);
    }
}

/// Returns the calls that only the detection of capabilities makes: to the simulator, and about the
/// service's own role or the role of the probes.
fn probes(installation: &Installation) -> BTreeSet<String> {
    let calls = installation.calls(0).into_iter();
    let probes = calls.filter(|call| {
        let parameters = format!("{:?}", call.params);
        let about_own = ["engine-roles-service", "engine-roles-probe-"];
        call.action.starts_with("Simulate")
            || about_own.iter().any(|name| parameters.contains(name))
    });
    probes.map(|call| call.action).collect()
}

async fn capabilities(installation: &Installation) -> Value {
    let answer = installation.client().fetch("/v1/capabilities").await;
    answer.expect(200).clone()
}

fn create_feature(found: &Value) -> &Value {
    let mut features = found["features"].as_array().into_iter().flatten();
    let create = features.find(|feature| feature["feature"] == "create");
    create.expect("the feature is reported")
}

/// An installation whose identity may do nothing but create roles.
fn may_create_only() -> InstallationBuilder {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": [
                "iam:CreateRole", "iam:TagRole", "iam:PutRolePolicy", "iam:PassRole",
                "iam:CreateInstanceProfile", "iam:TagInstanceProfile", "iam:AddRoleToInstanceProfile",
            ],
            "Resource": "*",
        }],
    });
    Installation::build()
        .rarely_checked()
        .sandbox(|sandbox| sandbox.identity_policy = Some(policy))
}

#[tokio::test]
async fn without_probes_only_real_work_shows_what_the_identity_may_do() {
    // With probes, the calls are made that this test looks for.
    let probing = may_create_only().start().await;
    capabilities(&probing).await;
    let made = probes(&probing);
    assert!(made.contains("SimulatePrincipalPolicy"), "{made:?}");
    assert!(made.contains("GetRole"), "{made:?}");

    let installation = may_create_only()
        .env("ENGINE_ROLES_PROBES", "off")
        .start()
        .await;
    let found = capabilities(&installation).await;
    assert_eq!(found["found_by"], json!([]));
    assert!(found["identity"].is_string(), "{found:#}");
    for feature in found["features"].as_array().into_iter().flatten() {
        let status = feature["status"].as_str().unwrap_or_default();
        assert!(["unknown", "unused"].contains(&status), "{feature:#}");
    }
    let create = create_feature(&found);
    assert_eq!(create["status"], "unknown");
    let reason = create["reasons"][0].as_str().unwrap_or_default();
    assert!(reason.contains("ENGINE_ROLES_PROBES"), "{create:#}");

    installation.client().provision("one").await.expect(201);
    let found = capabilities(&installation).await;
    assert_eq!(found["found_by"], json!(["remembered"]));
    let unknown = &create_feature(&found)["unknown_permissions"];
    let unknown = unknown.as_array().expect("a list");
    assert!(!unknown.contains(&json!("iam:CreateRole")), "{found:#}");
    let mut check = command(&["check"], installation.environment());
    let checked = tokio::task::spawn_blocking(move || check.output()).await;
    let checked = checked.expect("no panic").expect("the binary can be run");
    let printed = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{checked:?}");
    assert!(printed.contains("ENGINE_ROLES_PROBES"), "{printed}");
    assert_eq!(probes(&installation), BTreeSet::new());
}
