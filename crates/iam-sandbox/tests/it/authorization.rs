//! Authorization of calls by an identity policy.

use engine_roles_iam_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::wire::{Caller, EC2_TRUST, READ_SECRETS, sandbox};

const ROLE: &str = "arn:aws:iam::123456789012:role/team/r";

/// Starts a sandbox, creates the role `/team/r` (tag `team=blue`) and the profile `/team/p`, and
/// then sets an identity policy with these statements.
async fn under(statements: Value) -> (Sandbox, Caller) {
    let (sandbox, iam) = sandbox(SandboxConfig::default()).await;
    let role = [
        ("RoleName", "r"),
        ("Path", "/team/"),
        ("AssumeRolePolicyDocument", EC2_TRUST),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "blue"),
    ];
    iam.call("CreateRole", &role).await.ok();
    let profile = [("InstanceProfileName", "p"), ("Path", "/team/")];
    iam.call("CreateInstanceProfile", &profile).await.ok();
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    assert_eq!(iam.post("identity-policy", policy).await, 204);
    (sandbox, iam)
}

fn allow(action: &str, resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

fn allow_if(action: &str, condition: Value) -> Value {
    let mut statement = allow(action, "*");
    statement["Condition"] = condition;
    statement
}

/// Returns the code of the error; empty for a success.
async fn outcome(iam: &Caller, action: &str, params: &[(&str, &str)]) -> String {
    iam.call(action, params).await.code()
}

const NEW: [(&str, &str); 3] = [
    ("RoleName", "new"),
    ("Path", "/team/"),
    ("AssumeRolePolicyDocument", EC2_TRUST),
];

#[tokio::test]
async fn a_call_that_no_statement_allows_is_denied_with_awss_message() {
    let (_sandbox, iam) = under(json!([allow("iam:GetRole", "*")])).await;
    let denied = iam.call("DeleteRole", &[("RoleName", "r")]).await;
    assert_eq!(
        (denied.status, denied.code().as_str()),
        (403, "AccessDenied")
    );
    assert_eq!(
        denied.message(),
        format!(
            "User: arn:aws:sts::123456789012:assumed-role/engine-roles-service/session is not \
             authorized to perform: iam:DeleteRole on resource: {ROLE} because no identity-based \
             policy allows the iam:DeleteRole action"
        )
    );
    iam.call("GetRole", &[("RoleName", "r")]).await.ok();
    iam.call("GetCallerIdentity", &[]).await.ok();
}

#[tokio::test]
async fn an_explicit_deny_has_its_own_message() {
    let deny = json!({"Effect": "Deny", "Action": "iam:DeleteRole", "Resource": ROLE});
    let (_sandbox, iam) = under(json!([allow("*", "*"), deny])).await;
    let denied = iam.call("DeleteRole", &[("RoleName", "r")]).await;
    let words = "with an explicit deny in an identity-based policy";
    assert!(denied.message().ends_with(words), "{}", denied.message());
}

#[tokio::test]
async fn a_create_is_authorized_by_the_path_and_name_in_the_request() {
    let (_sandbox, iam) = under(json!([
        allow("iam:Create*", "arn:aws:iam::123456789012:role/team/*"),
        allow(
            "iam:Create*",
            "arn:aws:iam::123456789012:instance-profile/team/*"
        ),
    ]))
    .await;
    assert_eq!(outcome(&iam, "CreateRole", &NEW).await, "");
    let other_path = [("RoleName", "x"), ("AssumeRolePolicyDocument", EC2_TRUST)];
    assert_eq!(
        outcome(&iam, "CreateRole", &other_path).await,
        "AccessDenied"
    );
    let profile = [("InstanceProfileName", "x"), ("Path", "/team/")];
    assert_eq!(outcome(&iam, "CreateInstanceProfile", &profile).await, "");
    let other_path = [("InstanceProfileName", "y"), ("Path", "/teams/")];
    assert_eq!(
        outcome(&iam, "CreateInstanceProfile", &other_path).await,
        "AccessDenied"
    );
}

#[tokio::test]
async fn tags_in_a_create_request_need_the_permission_to_tag() {
    let create = json!([
        allow("iam:CreateRole", "*"),
        allow("iam:CreateInstanceProfile", "*")
    ]);
    let (_sandbox, iam) = under(create).await;
    let tag = [("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")];
    let role = [&NEW[..], &tag].concat();
    let denied = iam.call("CreateRole", &role).await;
    assert!(
        denied.message().contains("perform: iam:TagRole on"),
        "{}",
        denied.message()
    );
    let profile = [&[("InstanceProfileName", "x")][..], &tag].concat();
    let denied = iam.call("CreateInstanceProfile", &profile).await;
    let words = "perform: iam:TagInstanceProfile on";
    assert!(denied.message().contains(words), "{}", denied.message());
    assert_eq!(outcome(&iam, "CreateRole", &NEW).await, "");
}

#[tokio::test]
async fn a_policy_can_require_a_boundary() {
    let boundary = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let condition = json!({"StringEquals": {"iam:PermissionsBoundary": boundary}});
    let statements = json!([
        allow_if("iam:CreateRole", condition.clone()),
        allow_if("iam:PutRolePolicy", condition.clone()),
        allow_if("iam:PutRolePermissionsBoundary", condition),
    ]);
    let (_sandbox, iam) = under(statements).await;
    assert_eq!(outcome(&iam, "CreateRole", &NEW).await, "AccessDenied");
    let with = |name, boundary| {
        [
            ("RoleName", name),
            NEW[2],
            ("PermissionsBoundary", boundary),
        ]
    };
    let other = "arn:aws:iam::aws:policy/AdministratorAccess";
    assert_eq!(
        outcome(&iam, "CreateRole", &with("a", other)).await,
        "AccessDenied"
    );
    assert_eq!(outcome(&iam, "CreateRole", &with("a", boundary)).await, "");
    let policy = |name| {
        [
            ("RoleName", name),
            ("PolicyName", "p"),
            ("PolicyDocument", READ_SECRETS),
        ]
    };
    assert_eq!(outcome(&iam, "PutRolePolicy", &policy("a")).await, "");
    assert_eq!(
        outcome(&iam, "PutRolePolicy", &policy("r")).await,
        "AccessDenied"
    );
    let put = |boundary| [("RoleName", "r"), ("PermissionsBoundary", boundary)];
    let action = "PutRolePermissionsBoundary";
    assert_eq!(outcome(&iam, action, &put(other)).await, "AccessDenied");
    assert_eq!(outcome(&iam, action, &put(boundary)).await, "");
}

#[tokio::test]
async fn conditions_on_tags_of_the_request_and_of_the_resource_are_evaluated() {
    let statements = json!([
        allow_if(
            "iam:TagRole",
            json!({
                "StringEquals": {"aws:RequestTag/team": "blue"},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["team", "cost"]},
            })
        ),
        allow_if(
            "iam:UpdateAssumeRolePolicy",
            json!({"StringEquals": {"aws:ResourceTag/team": "blue"}})
        ),
        allow_if(
            "iam:DeleteRole",
            json!({"StringEquals": {"iam:ResourceTag/team": "red"}})
        ),
        allow_if(
            "iam:GetRole",
            json!({"StringEquals": {"aws:ResourceTag/team": "blue"}})
        ),
    ]);
    let (_sandbox, iam) = under(statements).await;
    let tag =
        |pairs: &'static [(&'static str, &'static str)]| [&[("RoleName", "r")][..], pairs].concat();
    let team = ("Tags.member.1.Key", "team");
    let blue = ("Tags.member.1.Value", "blue");
    assert_eq!(
        outcome(&iam, "TagRole", &[("RoleName", "r"), team, blue]).await,
        ""
    );
    let red = tag(&[
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "red"),
    ]);
    assert_eq!(outcome(&iam, "TagRole", &red).await, "AccessDenied");
    let more = tag(&[
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "blue"),
        ("Tags.member.2.Key", "other"),
        ("Tags.member.2.Value", "x"),
    ]);
    assert_eq!(outcome(&iam, "TagRole", &more).await, "AccessDenied");
    let trust = [("RoleName", "r"), ("PolicyDocument", EC2_TRUST)];
    assert_eq!(outcome(&iam, "UpdateAssumeRolePolicy", &trust).await, "");
    assert_eq!(
        outcome(&iam, "DeleteRole", &[("RoleName", "r")]).await,
        "AccessDenied"
    );
    assert_eq!(outcome(&iam, "GetRole", &[("RoleName", "r")]).await, "");
    let absent = [("RoleName", "absent")];
    assert_eq!(
        outcome(&iam, "GetRole", &absent).await,
        "AccessDenied",
        "the role does not exist and so has no tags"
    );
}

#[tokio::test]
async fn a_resource_that_does_not_exist_is_authorized_by_an_arn_without_its_path() {
    let (_sandbox, iam) = under(json!([allow(
        "iam:Get*",
        "arn:aws:iam::123456789012:role/team/*"
    )]))
    .await;
    assert_eq!(outcome(&iam, "GetRole", &[("RoleName", "r")]).await, "");
    assert_eq!(
        outcome(&iam, "GetRole", &[("RoleName", "absent")]).await,
        "AccessDenied"
    );
    let everywhere = json!({"Version": "2012-10-17", "Statement": [allow("iam:Get*", "*")]});
    iam.post("identity-policy", everywhere).await;
    assert_eq!(
        outcome(&iam, "GetRole", &[("RoleName", "absent")]).await,
        "NoSuchEntity"
    );
}

#[tokio::test]
async fn a_resource_that_does_not_exist_can_be_assumed_under_a_configured_path() {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            allow("iam:Get*", "arn:aws:iam::123456789012:role/team/*"),
            allow("iam:Get*", "arn:aws:iam::123456789012:instance-profile/team/*"),
        ],
    });
    let (_sandbox, iam) = sandbox(SandboxConfig {
        identity_policy: Some(policy),
        unknown_path: "/team/".to_owned(),
        ..SandboxConfig::default()
    })
    .await;
    assert_eq!(
        outcome(&iam, "GetRole", &[("RoleName", "absent")]).await,
        "NoSuchEntity"
    );
    let profile = [("InstanceProfileName", "absent")];
    assert_eq!(
        outcome(&iam, "GetInstanceProfile", &profile).await,
        "NoSuchEntity"
    );
}

#[tokio::test]
async fn adding_a_role_to_a_profile_needs_permission_to_pass_the_role_to_ec2() {
    let add = allow("iam:AddRoleToInstanceProfile", "*");
    let pair = [("InstanceProfileName", "p"), ("RoleName", "r")];
    let (_sandbox, iam) = under(json!([add])).await;
    let denied = iam.call("AddRoleToInstanceProfile", &pair).await;
    let words = format!("perform: iam:PassRole on resource: {ROLE}");
    assert!(denied.message().contains(&words), "{}", denied.message());

    for (service, code) in [
        ("lambda.amazonaws.com", "AccessDenied"),
        ("ec2.amazonaws.com", ""),
    ] {
        let passes = json!({"StringEquals": {"iam:PassedToService": service}});
        let statements = json!([add, allow_if("iam:PassRole", passes)]);
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        iam.post("identity-policy", policy).await;
        assert_eq!(outcome(&iam, "AddRoleToInstanceProfile", &pair).await, code);
    }
    let policy = json!({"Version": "2012-10-17", "Statement": [allow("iam:Remove*", "*")]});
    iam.post("identity-policy", policy).await;
    assert_eq!(
        outcome(&iam, "RemoveRoleFromInstanceProfile", &pair).await,
        ""
    );
}

#[tokio::test]
async fn pass_role_does_not_see_the_tags_of_the_role() {
    let tagged = json!({"StringEquals": {"aws:ResourceTag/team": "blue"}});
    let statements = json!([allow("iam:AddRole*", "*"), allow_if("iam:PassRole", tagged)]);
    let (_sandbox, iam) = under(statements).await;
    let pair = [("InstanceProfileName", "p"), ("RoleName", "r")];
    assert_eq!(
        outcome(&iam, "AddRoleToInstanceProfile", &pair).await,
        "AccessDenied"
    );
}

#[tokio::test]
async fn attaching_is_authorized_by_the_arn_of_the_attached_policy() {
    let managed = |name: &str| format!("arn:aws:iam::aws:policy/{name}");
    let only = json!({"ArnEquals": {"iam:PolicyARN": managed("ReadOnlyAccess")}});
    let (_sandbox, iam) = under(json!([allow_if("iam:*RolePolicy", only)])).await;
    for (name, code) in [
        ("AdministratorAccess", "AccessDenied"),
        ("ReadOnlyAccess", ""),
    ] {
        let arn = managed(name);
        let params = [("RoleName", "r"), ("PolicyArn", arn.as_str())];
        assert_eq!(outcome(&iam, "AttachRolePolicy", &params).await, code);
        assert_eq!(outcome(&iam, "DetachRolePolicy", &params).await, code);
    }
}

#[tokio::test]
async fn validation_comes_before_authorization_and_authorization_before_existence() {
    let (_sandbox, iam) = under(json!([allow("iam:ListRoles", "*")])).await;
    assert_eq!(
        outcome(&iam, "GetRole", &[("RoleName", "a b")]).await,
        "ValidationError"
    );
    assert_eq!(
        outcome(&iam, "GetRole", &[("RoleName", "absent")]).await,
        "AccessDenied"
    );
    let taken = [("RoleName", "r"), ("AssumeRolePolicyDocument", EC2_TRUST)];
    assert_eq!(outcome(&iam, "CreateRole", &taken).await, "AccessDenied");
}

#[tokio::test]
async fn a_session_that_the_sandbox_created_has_the_arn_of_its_role() {
    let (_sandbox, iam) = sandbox(SandboxConfig::default()).await;
    let trust = EC2_TRUST.replace(
        r#""Service":"ec2.amazonaws.com""#,
        r#""AWS":"123456789012""#,
    );
    let role = [
        ("RoleName", "r"),
        ("AssumeRolePolicyDocument", trust.as_str()),
    ];
    iam.call("CreateRole", &role).await.ok();
    let arn = "arn:aws:iam::123456789012:role/r";
    let session = [("RoleArn", arn), ("RoleSessionName", "me")];
    let assumed = iam.call("AssumeRole", &session).await.ok();
    let user = assumed.text("AssumeRoleResult/AssumedRoleUser/Arn");
    assert_eq!(
        user.as_deref(),
        Some("arn:aws:sts::123456789012:assumed-role/r/me")
    );
    for (resource, code) in [
        ("arn:aws:iam::123456789012:role/x", "AccessDenied"),
        (arn, ""),
    ] {
        let policy = json!({"Version": "2012-10-17", "Statement": [allow("sts:*", resource)]});
        iam.post("identity-policy", policy).await;
        assert_eq!(outcome(&iam, "AssumeRole", &session).await, code);
    }
}

const SERVICE: (&str, &str) = (
    "PolicySourceArn",
    "arn:aws:iam::123456789012:role/engine-roles-service",
);

/// Returns the simulator's decisions about two actions of the service.
async fn simulated(iam: &Caller) -> Vec<String> {
    let params = [
        SERVICE,
        ("ActionNames.member.1", "iam:SimulatePrincipalPolicy"),
        ("ActionNames.member.2", "iam:DeleteRole"),
    ];
    let answer = iam.call("SimulatePrincipalPolicy", &params).await.ok();
    answer.texts("SimulatePrincipalPolicyResult/EvaluationResults/member/EvalDecision")
}

#[tokio::test]
async fn a_simulation_is_authorized_by_the_arn_of_the_simulated_principal() {
    let (_sandbox, iam) = under(json!([allow("iam:SimulatePrincipalPolicy", ROLE)])).await;
    let simulate = |arn| {
        [
            ("PolicySourceArn", arn),
            ("ActionNames.member.1", "iam:GetRole"),
        ]
    };
    let action = "SimulatePrincipalPolicy";
    assert_eq!(outcome(&iam, action, &simulate(ROLE)).await, "");
    let denied = iam.call(action, &simulate(SERVICE.1)).await;
    let words = format!(
        "perform: iam:SimulatePrincipalPolicy on resource: {}",
        SERVICE.1
    );
    assert!(denied.message().contains(&words), "{}", denied.message());
    let absent = "arn:aws:iam::123456789012:role/team/absent";
    assert_eq!(
        outcome(&iam, action, &simulate(absent)).await,
        "AccessDenied",
        "authorization comes before existence"
    );
    let tagged = json!({"StringEquals": {"aws:ResourceTag/team": "blue"}});
    let policy = json!({"Version": "2012-10-17", "Statement": [allow_if("iam:Simulate*", tagged)]});
    iam.post("identity-policy", policy).await;
    assert_eq!(outcome(&iam, action, &simulate(ROLE)).await, "");
    assert_eq!(
        outcome(&iam, action, &simulate(SERVICE.1)).await,
        "AccessDenied"
    );
}

#[tokio::test]
async fn the_services_own_identity_is_simulated_with_the_identity_policy() {
    let (_sandbox, iam) = under(json!([
        allow("iam:Simulate*", "*"),
        allow("iam:GetRole", "*")
    ]))
    .await;
    assert_eq!(simulated(&iam).await, ["allowed", "implicitDeny"]);
    let named = [("RoleName", "engine-roles-service")];
    assert_eq!(
        outcome(&iam, "GetRole", &named).await,
        "NoSuchEntity",
        "the service's identity is not a role of the account"
    );
    assert_eq!(iam.post("identity-policy", Value::Null).await, 204);
    assert_eq!(simulated(&iam).await, ["allowed", "allowed"]);
    iam.create_role("engine-roles-service").await;
    assert_eq!(
        simulated(&iam).await,
        ["implicitDeny", "implicitDeny"],
        "the role with this name has no policies"
    );
}
