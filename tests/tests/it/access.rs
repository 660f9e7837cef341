//! The access report: what a cluster's role can reach, evaluated from its policies in IAM.

use engine_roles_e2e::Installation;
use engine_roles_e2e::identity::BOUNDARY;
use serde_json::{Value, json};

const OWN_ALL: &str = "arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/one/*";
const OTHERS: &str = "arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/two/*";
const BY_OURS: &str = "statement ReadOwnSecrets of inline policy engine-access";

/// Starts an installation with a cluster `one` of this spec. Returns the name of its role.
async fn with_one_role(spec: Value) -> (Installation, String) {
    let installation = Installation::build().rarely_checked().start().await;
    let created = installation
        .client()
        .put("one", spec)
        .await
        .expect(201)
        .clone();
    let name = created["role"]["name"].as_str().map(str::to_owned);
    (installation, name.expect("the role has a name"))
}

/// Requests the access report of cluster `one`, and checks that the request changes nothing.
async fn access(installation: &Installation) -> Value {
    let since = installation.mark();
    let answer = installation.client().access("one").await;
    let report = answer.expect(200).clone();
    assert!(
        !installation.iam_calls(since).is_empty(),
        "IAM was not read"
    );
    assert_eq!(installation.mutations(since).len(), 0);
    report
}

fn document(statement: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

fn read_secrets(sid: &str, resource: &str) -> Value {
    json!({
        "Sid": sid,
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": resource,
    })
}

/// Gives a role a permissions boundary with this statement. Returns the boundary's ARN.
async fn set_boundary(
    installation: &Installation,
    role: &str,
    name: &str,
    statement: &Value,
) -> String {
    let administrator = &installation.administrator;
    administrator
        .create_policy(name, &document(statement))
        .await;
    let arn = format!("arn:aws:iam::123456789012:policy/{name}");
    let parameters = [("RoleName", role), ("PermissionsBoundary", &arn)];
    administrator
        .call("PutRolePermissionsBoundary", &parameters)
        .await;
    arn
}

async fn remove_boundary(installation: &Installation, role: &str) {
    let parameters = [("RoleName", role)];
    let administrator = &installation.administrator;
    administrator
        .call("DeleteRolePermissionsBoundary", &parameters)
        .await;
}

#[tokio::test]
async fn a_created_role_reaches_its_own_secrets_and_nothing_else() {
    let (installation, name) = with_one_role(json!({})).await;
    let report = access(&installation).await;
    assert_eq!(report["cluster"], "one");
    assert_eq!(report["mode"], "create");
    assert_eq!(report["role"]["name"], name);
    assert!(report["evaluated_at"].is_string());
    let boundary = format!("arn:aws:iam::123456789012:policy/{BOUNDARY}");
    assert_eq!(
        report["documents"],
        json!([
            {"kind": "inline", "name": "engine-access", "unread": null},
            {"kind": "boundary", "name": boundary, "unread": null},
        ])
    );
    assert_eq!(
        report["own_secrets"],
        json!([{"resource": OWN_ALL, "decision": "allowed", "by": BY_OURS}])
    );
    let nothing = json!({"decision": "denied", "by": null, "grants": []});
    assert_eq!(report["other_secrets"], nothing);
    assert_eq!(report["anything_else"], nothing);
    installation.assert_sound().await;
}

#[tokio::test]
async fn named_secrets_are_each_listed() {
    let (installation, name) = with_one_role(json!({"secrets": ["a", "b/c"]})).await;
    let report = access(&installation).await;
    let arn = |secret: &str| OWN_ALL.replace('*', &format!("{secret}-??????"));
    let allowed = |secret| json!({"resource": arn(secret), "decision": "allowed", "by": BY_OURS});
    assert_eq!(report["own_secrets"], json!([allowed("a"), allowed("b/c")]));
    assert_eq!(report["other_secrets"]["decision"], "denied");
    // Another policy denies one of the two; the report has a decision for each.
    let deny = json!({
        "Sid": "NotThisOne",
        "Effect": "Deny",
        "Action": "secretsmanager:*",
        "Resource": arn("b/c").replace("??????", "*"),
    });
    let deny = document(&deny);
    installation
        .administrator
        .write_policy(&name, "less", &deny)
        .await;
    let report = access(&installation).await;
    let denied = json!({
        "resource": arn("b/c"),
        "decision": "denied",
        "by": "statement NotThisOne of inline policy less",
    });
    assert_eq!(report["own_secrets"], json!([allowed("a"), denied]));
}

#[tokio::test]
async fn session_managers_permissions_count_as_excess_only_if_they_were_not_requested() {
    let (installation, _) = with_one_role(json!({"session_manager": true})).await;
    let report = access(&installation).await;
    assert_eq!(report["own_secrets"][0]["decision"], "allowed");
    assert_eq!(report["other_secrets"]["decision"], "denied");
    assert_eq!(report["anything_else"]["decision"], "denied");
    assert_eq!(report["anything_else"]["grants"], json!([]));
    // The same statements on a role whose spec does not include Session Manager.
    let (installation, name) = with_one_role(json!({})).await;
    let document = engine_roles_e2e::policy_documents::policy_document("session-manager");
    let administrator = &installation.administrator;
    administrator
        .write_policy(&name, "sessions", &document)
        .await;
    let beyond = &access(&installation).await["anything_else"];
    assert_eq!(beyond["decision"], "allowed");
    let by = beyond["by"].as_str().unwrap_or_default();
    assert!(by.ends_with("of inline policy sessions"), "{by}");
    let grants = beyond["grants"].to_string();
    assert!(grants.contains("ssmmessages:OpenDataChannel"), "{grants}");
}

#[tokio::test]
async fn a_wide_policy_that_others_added_reaches_what_the_boundary_allows() {
    let (installation, name) = with_one_role(json!({})).await;
    let wide = json!({
        "Sid": "Wide", "Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*",
    });
    let wide = document(&wide);
    installation
        .administrator
        .write_policy(&name, "wide", &wide)
        .await;
    let report = access(&installation).await;
    assert_eq!(report["own_secrets"][0]["decision"], "allowed");
    let grant = |certainty| {
        json!([{
            "by": "statement Wide of inline policy wide",
            "action": "secretsmanager:*",
            "resource": "*",
            "certainty": certainty,
        }])
    };
    for area in ["other_secrets", "anything_else"] {
        assert_eq!(report[area]["decision"], "indeterminate", "{report:#}");
        assert_eq!(report[area]["grants"], grant("perhaps"));
        let because = report[area]["because"].to_string();
        assert!(because.contains("statement Wide"), "{because}");
    }
    remove_boundary(&installation, &name).await;
    let report = access(&installation).await;
    for area in ["other_secrets", "anything_else"] {
        assert_eq!(report[area]["decision"], "allowed", "{report:#}");
        assert_eq!(report[area]["by"], "statement Wide of inline policy wide");
        assert_eq!(report[area]["grants"], grant("surely"));
    }
}

#[tokio::test]
async fn a_managed_policy_for_one_other_cluster_reaches_only_that_clusters_secrets() {
    let (installation, name) = with_one_role(json!({})).await;
    let policy = document(&read_secrets("ReadTwo", OTHERS));
    installation
        .administrator
        .create_policy("two", &policy)
        .await;
    let arn = "arn:aws:iam::123456789012:policy/two";
    let parameters = [("RoleName", name.as_str()), ("PolicyArn", arn)];
    let administrator = &installation.administrator;
    administrator.call("AttachRolePolicy", &parameters).await;
    let report = access(&installation).await;
    let documents = report["documents"].as_array().cloned().unwrap_or_default();
    assert!(
        documents.contains(&json!({"kind": "managed", "name": arn, "unread": null})),
        "{documents:#?}"
    );
    let by = format!("statement ReadTwo of managed policy {arn}");
    assert_eq!(report["other_secrets"]["decision"], "allowed");
    assert_eq!(report["other_secrets"]["by"], by);
    assert_eq!(report["other_secrets"]["grants"][0]["resource"], OTHERS);
    assert_eq!(report["anything_else"]["decision"], "denied");
    assert_eq!(report["own_secrets"][0]["by"], BY_OURS);
    administrator.call("DetachRolePolicy", &parameters).await;
    let report = access(&installation).await;
    assert_eq!(report["other_secrets"]["decision"], "denied");
}

#[tokio::test]
async fn access_that_depends_on_a_condition_is_reported_as_indeterminate() {
    let (installation, name) = with_one_role(json!({})).await;
    let condition = json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}});
    let mut reads = read_secrets("FromHome", OTHERS);
    reads["Condition"] = condition.clone();
    let administrator = &installation.administrator;
    administrator
        .write_policy(&name, "home", &document(&reads))
        .await;
    let report = access(&installation).await;
    assert_eq!(report["other_secrets"]["decision"], "indeterminate");
    assert_eq!(report["other_secrets"]["grants"][0]["certainty"], "perhaps");
    assert_eq!(report["anything_else"]["decision"], "denied");
    assert_eq!(report["own_secrets"][0]["decision"], "allowed");
    let deny = json!({
        "Sid": "NotFromHome",
        "Effect": "Deny",
        "Action": "secretsmanager:*",
        "Resource": "*",
        "Condition": condition,
    });
    let deny = document(&deny);
    administrator.write_policy(&name, "home", &deny).await;
    let own = &access(&installation).await["own_secrets"][0];
    assert_eq!(own["decision"], "indeterminate");
    let because = own["because"].to_string();
    assert!(
        because.to_lowercase().contains("aws:sourceip"),
        "the key is named: {because}"
    );
}

#[tokio::test]
async fn a_deny_statement_for_everything_is_named_in_the_report() {
    let (installation, name) = with_one_role(json!({})).await;
    let cut = json!({"Sid": "CutOff", "Effect": "Deny", "Action": "*", "Resource": "*"});
    let cut = document(&cut);
    let administrator = &installation.administrator;
    administrator.write_policy(&name, "cut-off", &cut).await;
    let wide = document(&json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    administrator.write_policy(&name, "wide", &wide).await;
    let report = access(&installation).await;
    assert_eq!(
        report["own_secrets"],
        json!([{
            "resource": OWN_ALL,
            "decision": "denied",
            "by": "statement CutOff of inline policy cut-off",
        }])
    );
    assert_eq!(report["other_secrets"]["decision"], "denied");
    assert_eq!(report["anything_else"]["decision"], "denied");
}

#[tokio::test]
async fn a_boundary_without_secrets_denies_the_clusters_own_secrets_too() {
    let (installation, name) = with_one_role(json!({})).await;
    let sessions = json!({"Effect": "Allow", "Action": "ssm:*", "Resource": "*"});
    let arn = set_boundary(&installation, &name, "sessions-alone", &sessions).await;
    let report = access(&installation).await;
    assert_eq!(report["documents"][1]["name"], arn);
    assert_eq!(report["own_secrets"][0]["decision"], "denied");
    assert_eq!(report["own_secrets"][0]["by"], Value::Null);
    let denies = json!({
        "Sid": "NoSecrets", "Effect": "Deny", "Action": "secretsmanager:*", "Resource": "*",
    });
    let arn = set_boundary(&installation, &name, "no-secrets", &denies).await;
    let report = access(&installation).await;
    assert_eq!(report["own_secrets"][0]["decision"], "denied");
    assert_eq!(
        report["own_secrets"][0]["by"],
        format!("statement NoSecrets of the boundary, managed policy {arn}")
    );
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_is_named_with_the_missing_permission() {
    let (installation, name) = with_one_role(json!({})).await;
    remove_boundary(&installation, &name).await;
    let policy = document(&read_secrets("ReadTwo", OTHERS));
    installation
        .administrator
        .create_policy("two", &policy)
        .await;
    let arn = "arn:aws:iam::123456789012:policy/two";
    let parameters = [("RoleName", name.as_str()), ("PolicyArn", arn)];
    let administrator = &installation.administrator;
    administrator.call("AttachRolePolicy", &parameters).await;
    installation.deny(&["iam:GetPolicy"]).await;
    let report = access(&installation).await;
    let documents = report["documents"].as_array().into_iter().flatten();
    let unread: Vec<&Value> = documents.filter(|one| !one["unread"].is_null()).collect();
    assert_eq!(unread.len(), 1, "{report:#}");
    assert_eq!(unread[0]["name"], arn);
    for area in ["other_secrets", "anything_else"] {
        assert_eq!(report[area]["decision"], "indeterminate");
    }
    // The unread policy may contain a Deny.
    assert_eq!(report["own_secrets"][0]["decision"], "indeterminate");
    for area in [
        &report["own_secrets"][0],
        &report["other_secrets"],
        &report["anything_else"],
    ] {
        let because = area["because"].to_string();
        assert!(because.contains(arn), "{because}");
        assert!(because.contains("iam:GetPolicy is denied"), "{because}");
    }
}

#[tokio::test]
async fn an_unreadable_boundary_makes_granted_access_indeterminate_and_leaves_the_rest_denied() {
    let (installation, _) = with_one_role(json!({"secrets": ["a"]})).await;
    installation.deny(&["iam:GetPolicy"]).await;
    let report = access(&installation).await;
    assert_eq!(report["own_secrets"][0]["decision"], "indeterminate");
    let because = report["own_secrets"][0]["because"].to_string();
    assert!(because.contains("permissions boundary"), "{because}");
    assert!(because.contains("iam:GetPolicy"), "{because}");
    // A boundary grants nothing, so access that no policy allows stays denied.
    assert_eq!(report["other_secrets"]["decision"], "denied", "{report:#}");
    assert_eq!(report["anything_else"]["decision"], "denied", "{report:#}");
}

#[tokio::test]
async fn without_the_list_of_policies_all_access_is_indeterminate_and_the_permission_is_named() {
    let (installation, _) = with_one_role(json!({})).await;
    installation.deny(&["iam:ListAttachedRolePolicies"]).await;
    let report = access(&installation).await;
    for area in [
        &report["own_secrets"][0],
        &report["other_secrets"],
        &report["anything_else"],
    ] {
        assert_eq!(area["decision"], "indeterminate", "{report:#}");
        let because = area["because"].to_string();
        assert!(
            because.contains("iam:ListAttachedRolePolicies"),
            "{because}"
        );
    }
}

#[tokio::test]
async fn the_report_shows_all_access_of_a_pass_through_role() {
    let installation = Installation::build().prepared("prepared").start().await;
    let passed = json!({"mode": "pass_through", "iam_role": "prepared"});
    installation.client().put("one", passed).await.expect(201);
    let report = access(&installation).await;
    assert_eq!(report["mode"], "pass_through");
    assert_eq!(report["role"]["name"], "prepared");
    assert_eq!(report["own_secrets"][0]["decision"], "allowed");
    assert_eq!(report["other_secrets"]["decision"], "allowed");
    assert_eq!(
        report["other_secrets"]["grants"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(report["anything_else"]["decision"], "denied", "{report:#}");
}

#[tokio::test]
async fn another_clusters_secrets_are_reported_in_every_region() {
    let (installation, name) = with_one_role(json!({})).await;
    remove_boundary(&installation, &name).await;
    let abroad = OTHERS.replace("us-west-2", "eu-west-1");
    let policy = document(&read_secrets("ReadAbroad", &abroad));
    let administrator = &installation.administrator;
    administrator.write_policy(&name, "abroad", &policy).await;
    let report = access(&installation).await;
    assert_eq!(report["other_secrets"]["decision"], "allowed", "{report:#}");
    assert_eq!(report["other_secrets"]["grants"][0]["resource"], abroad);
    assert_eq!(report["anything_else"]["decision"], "denied", "{report:#}");
}

#[tokio::test]
async fn the_access_report_of_a_cluster_without_a_role_is_404() {
    let installation = Installation::start().await;
    let client = installation.client();
    let answer = client.access("never").await;
    answer.expect_problem(404, "not_found");
    client.provision("one").await.expect(201);
    client.access("one").await.expect(200);
    client.waiting_longest().delete("one").await.expect(200);
    let after = installation.mark();
    let answer = client.access("one").await;
    let problem = answer.expect_problem(404, "not_found");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("deleted"), "{detail}");
    assert_eq!(installation.iam_calls(after).len(), 0);
}

#[tokio::test]
async fn when_the_role_cannot_be_read_the_answer_has_the_statement_to_add() {
    let (installation, _) = with_one_role(json!({})).await;
    installation.allow_no_longer(&["iam:GetRole"]).await;
    let answer = installation.client().access("one").await;
    let problem = answer.expect_problem(424, "missing_permission");
    assert_eq!(problem["missing_permissions"], json!(["iam:GetRole"]));
    assert_eq!(
        problem["statement"],
        json!({
            "Effect": "Allow",
            "Action": ["iam:GetRole"],
            "Resource": ["arn:aws:iam::123456789012:role/ai-unlimited/engine/default/*"],
        })
    );
    // A pass-through role belongs to others, so the statement names it.
    let installation = Installation::build().prepared("prepared").start().await;
    let passed = json!({"mode": "pass_through", "iam_role": "prepared"});
    installation.client().put("one", passed).await.expect(201);
    let mut policy = installation.least_privilege();
    let statements = policy["Statement"].as_array_mut().expect("a list");
    statements.retain(|statement| statement["Sid"] != "AttestPreparedRoles");
    installation
        .administrator
        .control_sandbox("identity-policy", policy)
        .await;
    let answer = installation.client().access("one").await;
    let problem = answer.expect_problem(424, "missing_permission");
    let statement = &problem["statement"];
    assert_eq!(
        statement["Resource"],
        json!(["arn:aws:iam::123456789012:role/prepared"])
    );
    // Added as it is, it does.
    let mut policy = installation.least_privilege();
    let statements = policy["Statement"].as_array_mut().expect("a list");
    statements.retain(|statement| statement["Sid"] != "AttestPreparedRoles");
    statements.push(statement.clone());
    installation
        .administrator
        .control_sandbox("identity-policy", policy)
        .await;
    let report = access(&installation).await;
    assert_eq!(report["own_secrets"][0]["decision"], "indeterminate");
}

#[tokio::test]
async fn while_iam_is_unavailable_the_answer_is_503_with_retry_after() {
    let (installation, _) = with_one_role(json!({})).await;
    let down = json!({"error": "ServiceUnavailable"});
    let faults = json!([{"action": "*", "when": "before", "do": down, "times": 1_000}]);
    installation.set_faults(faults);
    let answer = installation.client().access("one").await;
    let problem = answer.expect_problem(503, "iam_unavailable");
    assert!(problem["retry_after"].is_u64());
    installation.set_faults(json!([]));
    access(&installation).await;
}
