//! Capability detection: what the service's identity may do, found without changing anything, and
//! which statements are missing.

use std::collections::BTreeSet;
use std::process::Output;

use engine_roles_e2e::Installation;
use engine_roles_e2e::policy_documents::policy_document;
use engine_roles_e2e::service::command;
use serde_json::{Value, json};

const WORKSPACES: &str = "ai-unlimited-workspaces";
const RESTRICTED: &str = "ai-unlimited-without-iam-role-permissions";
/// The name of the service's own role, which exists only in tests that create it.
const OWN_ROLE: &str = "engine-roles-service";

async fn capabilities(installation: &Installation) -> Value {
    let answer = installation.client().fetch("/v1/capabilities").await;
    answer.expect(200).clone()
}

fn feature<'a>(found: &'a Value, name: &str) -> &'a Value {
    let features = found["features"].as_array().into_iter().flatten();
    let mut of_name = features.filter(|feature| feature["feature"] == name);
    of_name
        .next()
        .unwrap_or_else(|| panic!("no {name}: {found:#}"))
}

fn status<'a>(found: &'a Value, name: &str) -> &'a str {
    feature(found, name)["status"].as_str().unwrap_or_default()
}

/// Returns the status of each feature, as `feature status`.
fn statuses(found: &Value) -> Vec<String> {
    let features = found["features"].as_array().into_iter().flatten();
    let all = features.map(|one| {
        let word = |field: &str| one[field].as_str().unwrap_or_default();
        format!("{} {}", word("feature"), word("status"))
    });
    all.collect()
}

/// Creates the service's own role with this inline policy.
async fn own_role(installation: &Installation, policy: &Value) {
    installation.administrator.create_role(OWN_ROLE).await;
    let administrator = &installation.administrator;
    administrator.write_policy(OWN_ROLE, "own", policy).await;
}

/// Checks that all calls since the start were reads.
fn assert_nothing_changed(installation: &Installation) {
    for call in installation.calls(0) {
        let reads = ["Get", "List", "Simulate"];
        assert!(
            reads.iter().any(|verb| call.action.starts_with(verb)),
            "{call:?}"
        );
    }
}

#[tokio::test]
async fn with_least_privilege_every_configured_feature_works() {
    let installation = Installation::build()
        .rarely_checked()
        .prepared("prepared")
        .start()
        .await;
    let found = capabilities(&installation).await;
    assert_eq!(
        statuses(&found),
        [
            "create works",
            "teardown works",
            "pass_through works",
            "drop_tags works",
            "detach_policies works",
            "attestation works",
            "orphans works",
            "bulk_sweep works",
            "quota works",
        ]
    );
    assert_eq!(found["found_by"], json!(["simulated"]));
    let session = "arn:aws:sts::123456789012:assumed-role/engine-roles-service/session";
    assert_eq!(found["identity"], session);
    assert_eq!(found["recommendation"]["mode"], "create");
    for one in found["features"].as_array().into_iter().flatten() {
        for list in ["missing_permissions", "unknown_permissions", "statements"] {
            assert_eq!(one[list], json!([]), "{one:#}");
        }
    }
    assert_nothing_changed(&installation);
}

#[tokio::test]
async fn features_that_are_not_configured_are_reported_as_unused() {
    let installation = Installation::build().rarely_checked().start().await;
    let found = capabilities(&installation).await;
    assert_eq!(status(&found, "pass_through"), "unused");
    assert_eq!(status(&found, "attestation"), "unused");
    assert_eq!(status(&found, "create"), "works");
}

#[tokio::test]
async fn a_second_request_for_capabilities_makes_no_call() {
    let installation = Installation::build().rarely_checked().start().await;
    let first = capabilities(&installation).await;
    let since = installation.mark();
    let second = capabilities(&installation).await;
    assert_eq!(first, second);
    assert_eq!(installation.calls(since).len(), 0);
}

#[tokio::test]
async fn removing_one_statement_makes_one_feature_missing_and_reports_the_statement() {
    let installation = Installation::build().rarely_checked().start().await;
    for (sid, name, permissions) in [
        (
            "MakeBoundedEngineRoles",
            "create",
            json!(["iam:CreateRole"]),
        ),
        (
            "WritePoliciesOfBoundedEngineRoles",
            "create",
            json!(["iam:PutRolePolicy"]),
        ),
        ("HandEngineRolesToEc2", "create", json!(["iam:PassRole"])),
        (
            "UntagButKeepTheOwner",
            "drop_tags",
            json!(["iam:UntagRole", "iam:UntagInstanceProfile"]),
        ),
        (
            "FindOrphansAndCountQuota",
            "orphans",
            json!(["iam:ListRoles", "iam:ListInstanceProfiles"]),
        ),
    ] {
        let mut policy = installation.least_privilege();
        let statements = policy["Statement"].as_array_mut().expect("a list");
        let before = statements.len();
        statements.retain(|statement| statement["Sid"] != sid);
        assert_eq!(statements.len(), before - 1, "{sid}");
        installation
            .administrator
            .control_sandbox("identity-policy", policy)
            .await;
        let (found, _) = check_json(&installation).await;
        let found = feature(&found, name);
        assert_eq!(found["status"], "missing", "{sid}: {found:#}");
        assert_eq!(found["missing_permissions"], permissions, "{sid}");
        let words = |list: &Value| -> BTreeSet<String> {
            let list = list.as_array().into_iter().flatten();
            list.map(|word| word.as_str().unwrap_or_default().to_owned())
                .collect()
        };
        let statements = found["statements"].as_array().into_iter().flatten();
        let reported = statements.flat_map(|statement| words(&statement["Action"]));
        assert_eq!(
            reported.collect::<BTreeSet<_>>(),
            words(&permissions),
            "{sid}"
        );
    }
}

#[tokio::test]
async fn adding_the_reported_statements_makes_all_features_work() {
    let mut installation = Installation::build()
        .rarely_checked()
        .prepared("prepared")
        .start()
        .await;
    let simulates = json!({
        "Effect": "Allow",
        "Action": "iam:SimulatePrincipalPolicy",
        "Resource": format!("arn:aws:iam::123456789012:role/{OWN_ROLE}"),
    });
    let mut policy = json!({"Version": "2012-10-17", "Statement": [simulates]});
    installation
        .administrator
        .control_sandbox("identity-policy", policy.clone())
        .await;
    installation.restart(0).await;
    let found = capabilities(&installation).await;
    let words = statuses(&found);
    assert!(
        words.iter().all(|word| word.ends_with(" missing")),
        "{words:?}"
    );
    let features = found["features"].as_array().into_iter().flatten();
    let statements = features.filter_map(|one| one["statements"].as_array().cloned());
    let statements: Vec<Value> = statements.flatten().collect();
    let list = policy["Statement"].as_array_mut().expect("a list");
    list.extend(statements);
    installation
        .administrator
        .control_sandbox("identity-policy", policy)
        .await;
    installation.restart(0).await;
    let found = capabilities(&installation).await;
    let words = statuses(&found);
    assert!(
        words.iter().all(|word| word.ends_with(" works")),
        "{found:#}"
    );
    assert_nothing_changed(&installation);
    // With the statements added, every feature works.
    let since = installation.mark();
    let client = installation.client().waiting_longest();
    let body = json!({"secrets": ["a"], "tags": {"team": "x", "old": "1"}});
    client.put("made", body).await.expect(201);
    let change = json!({"secrets": "all", "session_manager": true, "tags": {"team": "y"}});
    client.put("made", change).await.expect(200);
    let passed = json!({"mode": "pass_through", "iam_role": "prepared"});
    client.put("passed", passed).await.expect(201);
    installation.is_verified_in_time("made").await;
    installation.assert_sound().await;
    client.delete("made").await.expect(200);
    client.delete("passed").await.expect(200);
    assert!(installation.holds_nothing_of_ours());
    let denied = installation.iam_calls(since).into_iter();
    let denied: Vec<_> = denied.filter(|call| call.status == Some(403)).collect();
    assert!(denied.is_empty(), "{denied:#?}");
}

#[tokio::test]
async fn without_the_simulator_the_policies_of_the_services_role_are_evaluated() {
    let mut installation = Installation::build()
        .rarely_checked()
        .identity(WORKSPACES)
        .start()
        .await;
    own_role(&installation, &policy_document(WORKSPACES)).await;
    installation.restart(0).await;
    let found = capabilities(&installation).await;
    assert_eq!(found["found_by"], json!(["evaluated"]), "{found:#}");
    assert_eq!(
        statuses(&found),
        [
            "create works",
            "teardown works",
            "pass_through unused",
            "drop_tags missing",
            "detach_policies missing",
            "attestation unused",
            "orphans missing",
            "bulk_sweep missing",
            "quota missing",
        ]
    );
    assert_eq!(
        feature(&found, "drop_tags")["missing_permissions"],
        json!(["iam:UntagRole", "iam:UntagInstanceProfile"])
    );
    assert_eq!(
        feature(&found, "orphans")["statements"],
        json!([{
            "Effect": "Allow",
            "Action": ["iam:ListRoles", "iam:ListInstanceProfiles"],
            "Resource": ["*"],
        }])
    );
    assert_eq!(found["recommendation"]["mode"], "create");
    assert_nothing_changed(&installation);
}

#[tokio::test]
async fn an_attached_policy_of_the_services_role_counts_if_it_can_be_read() {
    let installation = Installation::build()
        .rarely_checked()
        .identity(WORKSPACES)
        .start()
        .await;
    installation.administrator.create_role(OWN_ROLE).await;
    let policy = policy_document(WORKSPACES);
    installation
        .administrator
        .create_policy("own", &policy)
        .await;
    let arn = "arn:aws:iam::123456789012:policy/own";
    let attached = [("RoleName", OWN_ROLE), ("PolicyArn", arn)];
    installation
        .administrator
        .call("AttachRolePolicy", &attached)
        .await;
    let (found, _) = check_json(&installation).await;
    assert_eq!(status(&found, "teardown"), "unknown", "{found:#}");
    let reasons = feature(&found, "teardown")["reasons"].to_string();
    assert!(reasons.contains(arn), "{reasons}");
    assert!(reasons.contains("iam:GetPolicy"), "{reasons}");
    let mut readable = policy;
    let reads = json!({
        "Effect": "Allow", "Action": ["iam:GetPolicy", "iam:GetPolicyVersion"], "Resource": arn,
    });
    let statements = readable["Statement"].as_array_mut().expect("a list");
    statements.push(reads);
    installation
        .administrator
        .control_sandbox("identity-policy", readable)
        .await;
    let (found, _) = check_json(&installation).await;
    assert_eq!(status(&found, "create"), "works", "{found:#}");
    assert_eq!(status(&found, "teardown"), "works");
    assert_eq!(status(&found, "drop_tags"), "missing");
    assert_eq!(found["found_by"], json!(["evaluated"]));
}

#[tokio::test]
async fn without_the_permission_to_create_roles_both_ways_forward_are_explained() {
    let mut installation = Installation::build()
        .rarely_checked()
        .identity(RESTRICTED)
        .start()
        .await;
    own_role(&installation, &policy_document(RESTRICTED)).await;
    installation.restart(0).await;
    let found = capabilities(&installation).await;
    let create = feature(&found, "create");
    assert_eq!(create["status"], "missing");
    assert_eq!(create["missing_permissions"], json!(["iam:CreateRole"]));
    let statement = &create["statements"][0];
    assert_eq!(statement["Action"], json!(["iam:CreateRole"]));
    assert_eq!(
        statement["Resource"],
        json!(["arn:aws:iam::123456789012:role/ai-unlimited/engine/default/*"])
    );
    let teardown = &feature(&found, "teardown")["missing_permissions"];
    assert_eq!(*teardown, json!(["iam:DeleteRolePolicy", "iam:DeleteRole"]));
    assert_eq!(found["recommendation"]["mode"], Value::Null);
    let advice = found["recommendation"]["advice"].as_str();
    let advice = advice.unwrap_or_default();
    for named in [
        "engine-role-service.json",
        "ai-unlimited-workspaces.json",
        "ai-unlimited-engine.json",
        "ENGINE_ROLES_PASS_THROUGH_ROLES",
    ] {
        assert!(advice.contains(named), "{named}: {advice}");
    }
}

#[tokio::test]
async fn without_the_permission_to_create_roles_passing_a_prepared_role_is_recommended() {
    let mut installation = Installation::build()
        .rarely_checked()
        .prepared("prepared")
        .identity(RESTRICTED)
        .start()
        .await;
    own_role(&installation, &policy_document(RESTRICTED)).await;
    installation.restart(0).await;
    let found = capabilities(&installation).await;
    assert_eq!(status(&found, "create"), "missing");
    assert_eq!(status(&found, "pass_through"), "works", "{found:#}");
    assert_eq!(found["recommendation"]["mode"], "pass_through");
}

#[tokio::test]
async fn without_simulator_and_readable_role_the_reads_are_tried() {
    let installation = Installation::build()
        .rarely_checked()
        .identity(WORKSPACES)
        .start()
        .await;
    let found = capabilities(&installation).await;
    assert_eq!(found["found_by"], json!(["probed"]));
    for feature in ["orphans", "bulk_sweep", "quota"] {
        assert_eq!(status(&found, feature), "missing", "{found:#}");
    }
    let create = feature(&found, "create");
    assert_eq!(create["status"], "unknown");
    let unknown = create["unknown_permissions"].to_string();
    // Reads can be tried, so their permissions are known; those of writes are not.
    assert!(!unknown.contains("iam:GetRole"), "{unknown}");
    assert!(!unknown.contains("iam:GetInstanceProfile"), "{unknown}");
    assert!(unknown.contains("iam:CreateRole"), "{unknown}");
    let reasons = create["reasons"].to_string();
    assert!(
        reasons.contains("AWS denies iam:SimulatePrincipalPolicy"),
        "{reasons}"
    );
    assert_eq!(found["recommendation"]["mode"], Value::Null);
    assert_nothing_changed(&installation);
}

#[tokio::test]
async fn a_call_that_aws_denies_makes_the_feature_missing_until_aws_allows_it() {
    let installation = Installation::build()
        .rarely_checked()
        .identity(WORKSPACES)
        .start()
        .await;
    let client = installation.client().waiting_longest();
    assert_eq!(
        status(&capabilities(&installation).await, "create"),
        "unknown"
    );
    installation.set_identity_policy(RESTRICTED).await;
    let answer = client.provision("one").await;
    answer.expect_problem(424, "missing_permission");
    let since = installation.mark();
    let found = capabilities(&installation).await;
    assert_eq!(installation.calls(since).len(), 0);
    assert_eq!(found["found_by"], json!(["probed", "remembered"]));
    let create = feature(&found, "create");
    assert_eq!(create["status"], "missing");
    assert_eq!(create["missing_permissions"], json!(["iam:CreateRole"]));
    installation.set_identity_policy(WORKSPACES).await;
    client.provision("one").await.expect(201);
    let found = capabilities(&installation).await;
    let missing = &feature(&found, "create")["missing_permissions"];
    assert_eq!(*missing, json!([]), "{found:#}");
    let unknown = feature(&found, "create")["unknown_permissions"].to_string();
    assert!(!unknown.contains("iam:CreateRole"), "{unknown}");
}

/// Runs `engine-roles check` with the service's environment.
async fn check(installation: &Installation, arguments: &[&str]) -> Output {
    let mut all = vec!["check"];
    all.extend(arguments);
    let mut command = command(&all, installation.environment());
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.expect("the task does not panic");
    output.expect("the binary can be run")
}

/// Runs `engine-roles check --format json`. Returns its output, and whether the exit code was 0.
async fn check_json(installation: &Installation) -> (Value, bool) {
    let output = check(installation, &["--format", "json"]).await;
    let found = serde_json::from_slice(&output.stdout);
    let found = found.unwrap_or_else(|error| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        panic!("{error}: {stderr}")
    });
    (found, output.status.success())
}

#[tokio::test]
async fn check_prints_the_same_as_text_and_as_json_and_exits_with_0() {
    let installation = Installation::build().rarely_checked().start().await;
    let output = check(&installation, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("the output is text");
    let session = "arn:aws:sts::123456789012:assumed-role/engine-roles-service/session";
    assert!(text.contains("found by: simulated\n"), "{text}");
    for line in [
        "ok       database                     Postgres ".to_owned(),
        format!("ok       aws identity                 {session}, partition aws"),
        "ok       permissions: create          works".to_owned(),
        "skipped  permissions: pass_through    unused".to_owned(),
    ] {
        assert!(text.contains(&line), "{line}: {text}");
    }
    let (found, succeeded) = check_json(&installation).await;
    assert!(succeeded);
    let reported = capabilities(&installation).await;
    for field in ["identity", "found_by", "features", "recommendation"] {
        assert_eq!(found[field], reported[field], "{field}");
    }
    assert_nothing_changed(&installation);
}

#[tokio::test]
async fn check_exits_with_1_when_neither_mode_works_and_prints_what_to_add() {
    let installation = Installation::build()
        .rarely_checked()
        .identity(RESTRICTED)
        .start()
        .await;
    own_role(&installation, &policy_document(RESTRICTED)).await;
    let output = check(&installation, &[]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("the output is text");
    assert!(
        text.contains("failed   permissions: create          missing\n"),
        "{text}"
    );
    assert!(text.contains("    missing: iam:CreateRole\n"), "{text}");
    assert!(text.contains("    add: {\""), "{text}");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("permissions: create: missing"), "{stderr}");
    let (found, succeeded) = check_json(&installation).await;
    assert!(!succeeded);
    assert_eq!(status(&found, "create"), "missing");
    assert_nothing_changed(&installation);
}

#[tokio::test]
async fn check_exits_with_0_when_a_prepared_role_can_be_passed() {
    let installation = Installation::build()
        .rarely_checked()
        .prepared("prepared")
        .identity(RESTRICTED)
        .start()
        .await;
    own_role(&installation, &policy_document(RESTRICTED)).await;
    let (found, succeeded) = check_json(&installation).await;
    assert_eq!(status(&found, "create"), "missing");
    assert_eq!(status(&found, "pass_through"), "works");
    assert!(succeeded, "{found:#}");
}
