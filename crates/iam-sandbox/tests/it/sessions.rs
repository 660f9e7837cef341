//! Sessions of a role that are decided by the policies of the role, and managed policies that are
//! deleted and listed.

use engine_roles_iam_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::wire::{Caller, sandbox};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;
const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/boundary";

fn allow(action: &str, resource: &str) -> String {
    let statement = json!({"Effect": "Allow", "Action": action, "Resource": resource});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

/// Starts a sandbox in which the role `scoped` has an inline policy.
async fn with_role(policy: &str) -> (Sandbox, Caller) {
    let config = SandboxConfig {
        role_policies: true,
        ..SandboxConfig::default()
    };
    let (sandbox, iam) = sandbox(config).await;
    let role = [
        ("RoleName", "scoped"),
        ("AssumeRolePolicyDocument", TRUST),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "blue"),
    ];
    iam.call("CreateRole", &role).await.ok();
    let policy = [
        ("RoleName", "scoped"),
        ("PolicyName", "p"),
        ("PolicyDocument", policy),
    ];
    iam.call("PutRolePolicy", &policy).await.ok();
    (sandbox, iam)
}

/// Assumes the role, with a session policy or without.
async fn session(iam: &Caller, policy: Option<&str>) -> Caller {
    let mut params = vec![
        ("RoleArn", "arn:aws:iam::123456789012:role/scoped"),
        ("RoleSessionName", "test"),
    ];
    params.extend(policy.map(|policy| ("Policy", policy)));
    let answer = iam.call("AssumeRole", &params).await.ok();
    let key = answer.text("AssumeRoleResult/Credentials/AccessKeyId");
    iam.with_key(&key.expect("an access key"))
}

/// Returns the end of the message of `GetRole`, which names the layer; empty if the call is allowed.
async fn layer(session: &Caller) -> String {
    let answer = session.call("GetRole", &[("RoleName", "scoped")]).await;
    let message = answer.message();
    message
        .rsplit("because ")
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_session_is_decided_by_its_roles_policies_boundary_and_session_policy() {
    let (_sandbox, iam) = with_role(&allow("iam:List*", "*")).await;
    let plain = session(&iam, None).await;
    let action = "allows the iam:GetRole action";
    assert_eq!(
        layer(&plain).await,
        format!("no identity-based policy {action}")
    );
    let wide = allow("iam:*", "*");
    let wide = [
        ("RoleName", "scoped"),
        ("PolicyName", "p"),
        ("PolicyDocument", &wide),
    ];
    iam.call("PutRolePolicy", &wide).await.ok();
    assert_eq!(layer(&plain).await, "");
    let narrow = allow("iam:List*", "*");
    let limited = session(&iam, Some(&narrow)).await;
    assert_eq!(layer(&limited).await, format!("no session policy {action}"));
    let policy = [("PolicyName", "boundary"), ("PolicyDocument", &narrow)];
    iam.call("CreatePolicy", &policy).await.ok();
    let boundary = [("RoleName", "scoped"), ("PermissionsBoundary", BOUNDARY)];
    iam.call("PutRolePermissionsBoundary", &boundary).await.ok();
    assert_eq!(
        layer(&plain).await,
        format!("no permissions boundary {action}")
    );
    // The policies of the service do not apply to the session, and the reverse.
    let service = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]});
    assert_eq!(iam.post("identity-policy", service).await, 204);
    assert_eq!(
        layer(&plain).await,
        format!("no permissions boundary {action}")
    );
    iam.call("GetRole", &[("RoleName", "scoped")]).await.ok();
}

#[tokio::test]
async fn a_session_has_the_tags_of_its_role() {
    let tagged = "arn:aws:iam::123456789012:role/${aws:PrincipalTag/team}";
    let (_sandbox, iam) = with_role(&allow("iam:GetRole", tagged)).await;
    iam.create_role("blue").await;
    iam.create_role("red").await;
    let session = session(&iam, None).await;
    assert_eq!(session.role_code("blue").await, "");
    assert_eq!(session.role_code("red").await, "AccessDenied");
}

#[tokio::test]
async fn a_session_of_a_deleted_role_is_allowed_nothing() {
    let (_sandbox, iam) = with_role(&allow("iam:*", "*")).await;
    let session = session(&iam, None).await;
    iam.create_role("other").await;
    assert_eq!(session.role_code("other").await, "");
    let policy = [("RoleName", "scoped"), ("PolicyName", "p")];
    iam.call("DeleteRolePolicy", &policy).await.ok();
    iam.call("DeleteRole", &[("RoleName", "scoped")]).await.ok();
    assert_eq!(session.role_code("other").await, "AccessDenied");
}

#[tokio::test]
async fn a_policy_that_is_used_is_not_deleted() {
    let (_sandbox, iam) = with_role(&allow("iam:*", "*")).await;
    let document = allow("iam:*", "*");
    let policy = [("PolicyName", "boundary"), ("PolicyDocument", &document)];
    iam.call("CreatePolicy", &policy).await.ok();
    let boundary = [("RoleName", "scoped"), ("PermissionsBoundary", BOUNDARY)];
    iam.call("PutRolePermissionsBoundary", &boundary).await.ok();
    let local = [("Scope", "Local")];
    let listed = iam.call("ListPolicies", &local).await.ok();
    let names = listed.texts("ListPoliciesResult/Policies/member/Arn");
    assert_eq!(names, [BOUNDARY]);
    let this = [("PolicyArn", BOUNDARY)];
    let kept = iam.call("DeletePolicy", &this).await;
    assert_eq!(
        (kept.code(), kept.message()),
        (
            "DeleteConflict".to_owned(),
            "Cannot delete a policy attached to entities.".to_owned()
        )
    );
    let role = [("RoleName", "scoped")];
    iam.call("DeleteRolePermissionsBoundary", &role).await.ok();
    iam.call("DeletePolicy", &this).await.ok();
    assert_eq!(iam.call("DeletePolicy", &this).await.code(), "NoSuchEntity");
    let state: Value = iam.get("state").await;
    assert_eq!(state["policies"], json!([]));
}
