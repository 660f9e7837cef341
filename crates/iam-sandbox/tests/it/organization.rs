//! What the simulator of policies answers about the service control policy of an organization and
//! about the boundary of the service's identity.

use engine_roles_iam_sandbox::{ADMINISTRATOR_ACCESS_KEY, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::wire::{Answer, Caller, READ_SECRETS, sandbox};

const SERVICE: &str = "arn:aws:iam::123456789012:role/engine-roles-service";
const RESULT: &str = "SimulatePrincipalPolicyResult/EvaluationResults/member";
const ORGANIZATION: &str = "OrganizationsDecisionDetail/AllowedByOrganizations";
const BOUNDARY: &str = "PermissionsBoundaryDecisionDetail/AllowedByPermissionsBoundary";

async fn under(config: SandboxConfig) -> (Sandbox, Caller) {
    let identity_policy = Some(policy(&[allow("iam:*")]));
    sandbox(SandboxConfig {
        identity_policy,
        ..config
    })
    .await
}

fn policy(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn allow(action: &str) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": "*"})
}

fn deny(action: &str) -> Value {
    json!({"Effect": "Deny", "Action": action, "Resource": "*"})
}

/// Simulates `iam:GetRole` and `iam:DeleteRole` for a principal.
async fn simulate(iam: &Caller, principal: &str) -> Answer {
    let params = [
        ("PolicySourceArn", principal),
        ("ActionNames.member.1", "iam:GetRole"),
        ("ActionNames.member.2", "iam:DeleteRole"),
    ];
    iam.call("SimulatePrincipalPolicy", &params).await.ok()
}

fn texts(answer: &Answer, path: &str) -> Vec<String> {
    answer.texts(&format!("{RESULT}/{path}"))
}

#[tokio::test]
async fn without_a_service_control_policy_and_a_boundary_the_simulator_mentions_neither() {
    let (_sandbox, iam) = under(SandboxConfig::default()).await;
    let answer = simulate(&iam, SERVICE).await;
    assert_eq!(texts(&answer, "EvalDecision"), ["allowed", "allowed"]);
    assert_eq!(texts(&answer, ORGANIZATION), [""; 0]);
    assert_eq!(texts(&answer, BOUNDARY), [""; 0]);
}

#[tokio::test]
async fn a_service_control_policy_without_conditions_is_simulated() {
    let (_sandbox, iam) = under(SandboxConfig {
        scp: Some(policy(&[allow("*"), deny("iam:DeleteRole")])),
        ..SandboxConfig::default()
    })
    .await;
    let answer = simulate(&iam, SERVICE).await;
    assert_eq!(texts(&answer, "EvalDecision"), ["allowed", "explicitDeny"]);
    assert_eq!(texts(&answer, ORGANIZATION), ["true", "false"]);
    let matched = texts(&answer, "MatchedStatements/member/SourcePolicyType");
    assert_eq!(
        matched,
        ["IAM Policy"],
        "the account does not see statements of the organization"
    );

    let limited = policy(&[allow("iam:Get*"), allow("iam:Simulate*")]);
    assert_eq!(iam.post("scp", limited).await, 204);
    let answer = simulate(&iam, SERVICE).await;
    assert_eq!(texts(&answer, "EvalDecision"), ["allowed", "implicitDeny"]);
    assert_eq!(texts(&answer, ORGANIZATION), ["true", "false"]);
}

#[tokio::test]
async fn with_a_conditional_service_control_policy_the_simulator_denies_what_the_real_call_may() {
    // The condition never holds, so the policy denies no real call.
    let mut never = deny("s3:*");
    never["Condition"] = json!({"StringEquals": {"aws:RequestedRegion": "eu-central-1"}});
    let (_sandbox, iam) = under(SandboxConfig {
        scp: Some(policy(&[allow("*"), never])),
        ..SandboxConfig::default()
    })
    .await;
    let answer = simulate(&iam, SERVICE).await;
    let decisions = ["implicitDeny", "implicitDeny"];
    assert_eq!(texts(&answer, "EvalDecision"), decisions);
    assert_eq!(texts(&answer, ORGANIZATION), ["false", "false"]);
    let matched = texts(&answer, "MatchedStatements/member/SourcePolicyId");
    assert_eq!(matched, [""; 0]);
    let missing = texts(&answer, "MissingContextValues/member");
    assert_eq!(missing, [""; 0]);
    iam.create_role("r").await;
    iam.call("DeleteRole", &[("RoleName", "r")]).await.ok();
}

#[tokio::test]
async fn the_service_control_policy_applies_to_every_role_of_the_account() {
    let (_sandbox, iam) = under(SandboxConfig {
        scp: Some(policy(&[allow("iam:*")])),
        ..SandboxConfig::default()
    })
    .await;
    iam.create_role("r").await;
    let inline = [
        ("RoleName", "r"),
        ("PolicyName", "i"),
        ("PolicyDocument", READ_SECRETS),
    ];
    iam.call("PutRolePolicy", &inline).await.ok();
    let params = [
        ("PolicySourceArn", "arn:aws:iam::123456789012:role/r"),
        ("ActionNames.member.1", "secretsmanager:GetSecretValue"),
        ("ResourceArns.member.1", "arn:aws:secretsmanager:a:1:b"),
        ("ResourceArns.member.2", "arn:aws:secretsmanager:a:1:c"),
    ];
    for caller in [&iam, &iam.with_key(ADMINISTRATOR_ACCESS_KEY)] {
        let answer = caller.call("SimulatePrincipalPolicy", &params).await.ok();
        assert_eq!(texts(&answer, "EvalDecision"), ["implicitDeny"]);
        assert_eq!(texts(&answer, ORGANIZATION), ["false"]);
        let each = format!("ResourceSpecificResults/member/{ORGANIZATION}");
        assert_eq!(
            texts(&answer, &each),
            [""; 0],
            "AWS's model has it only for all resources together"
        );
    }
}

#[tokio::test]
async fn the_boundary_of_the_services_identity_is_simulated() {
    let (_sandbox, iam) = under(SandboxConfig {
        identity_boundary: Some(policy(&[allow("iam:Get*"), allow("iam:Simulate*")])),
        ..SandboxConfig::default()
    })
    .await;
    for caller in [&iam, &iam.with_key(ADMINISTRATOR_ACCESS_KEY)] {
        let answer = simulate(caller, SERVICE).await;
        assert_eq!(texts(&answer, "EvalDecision"), ["allowed", "implicitDeny"]);
        assert_eq!(texts(&answer, BOUNDARY), ["true", "false"]);
        assert_eq!(texts(&answer, ORGANIZATION), [""; 0]);
    }
}

#[tokio::test]
async fn the_simulator_knows_neither_session_policy_nor_endpoint_policy() {
    let mut endpoint = policy(&[allow("iam:Simulate*")]);
    let session = endpoint.clone();
    endpoint["Statement"][0]["Principal"] = json!("*");
    let (_sandbox, iam) = under(SandboxConfig {
        session_policy: Some(session),
        endpoint_policy: Some(endpoint),
        ..SandboxConfig::default()
    })
    .await;
    let answer = simulate(&iam, SERVICE).await;
    assert_eq!(texts(&answer, "EvalDecision"), ["allowed", "allowed"]);
    assert_eq!(iam.role_code("r").await, "AccessDenied");
}
