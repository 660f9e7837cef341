//! Calls decided by an identity policy.

use engine_roles_iam_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::wire::{Caller, EC2_TRUST, READ_SECRETS, sandbox};

const ROLE: &str = "arn:aws:iam::123456789012:role/team/r";

/// A sandbox with the role `/team/r` (tag `team=blue`) and the profile `/team/p`, whose policy
/// has these statements from then on.
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

/// The outcome: the error's code, or nothing.
async fn outcome(iam: &Caller, action: &str, params: &[(&str, &str)]) -> String {
    iam.call(action, params).await.code()
}

const NEW: [(&str, &str); 3] = [
    ("RoleName", "new"),
    ("Path", "/team/"),
    ("AssumeRolePolicyDocument", EC2_TRUST),
];

#[tokio::test]
async fn what_no_statement_allows_is_refused_in_awss_words() {
    let (_sandbox, iam) = under(json!([allow("iam:GetRole", "*")])).await;
    let refused = iam.call("DeleteRole", &[("RoleName", "r")]).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (403, "AccessDenied")
    );
    assert_eq!(
        refused.message(),
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
async fn an_explicit_deny_is_refused_in_its_own_words() {
    let deny = json!({"Effect": "Deny", "Action": "iam:DeleteRole", "Resource": ROLE});
    let (_sandbox, iam) = under(json!([allow("*", "*"), deny])).await;
    let refused = iam.call("DeleteRole", &[("RoleName", "r")]).await;
    let words = "with an explicit deny in an identity-based policy";
    assert!(refused.message().ends_with(words), "{}", refused.message());
}

#[tokio::test]
async fn a_create_is_decided_by_the_path_and_name_that_it_asks_for() {
    let (_sandbox, iam) = under(json!([allow(
        "iam:Create*",
        "arn:aws:iam::123456789012:*/team/*"
    )]))
    .await;
    assert_eq!(outcome(&iam, "CreateRole", &NEW).await, "");
    let elsewhere = [("RoleName", "x"), ("AssumeRolePolicyDocument", EC2_TRUST)];
    assert_eq!(
        outcome(&iam, "CreateRole", &elsewhere).await,
        "AccessDenied"
    );
    let profile = [("InstanceProfileName", "x"), ("Path", "/team/")];
    assert_eq!(outcome(&iam, "CreateInstanceProfile", &profile).await, "");
    let elsewhere = [("InstanceProfileName", "y"), ("Path", "/teams/")];
    assert_eq!(
        outcome(&iam, "CreateInstanceProfile", &elsewhere).await,
        "AccessDenied"
    );
}

#[tokio::test]
async fn tags_at_creation_need_the_permission_to_tag() {
    let create = json!([
        allow("iam:CreateRole", "*"),
        allow("iam:CreateInstanceProfile", "*")
    ]);
    let (_sandbox, iam) = under(create).await;
    let tag = [("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")];
    let role = [&NEW[..], &tag].concat();
    let refused = iam.call("CreateRole", &role).await;
    assert!(
        refused.message().contains("perform: iam:TagRole on"),
        "{}",
        refused.message()
    );
    let profile = [&[("InstanceProfileName", "x")][..], &tag].concat();
    let refused = iam.call("CreateInstanceProfile", &profile).await;
    let words = "perform: iam:TagInstanceProfile on";
    assert!(refused.message().contains(words), "{}", refused.message());
    assert_eq!(outcome(&iam, "CreateRole", &NEW).await, "");
}

#[tokio::test]
async fn a_boundary_can_be_demanded() {
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
async fn tags_of_the_request_and_of_the_resource_decide() {
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
        "absent, so untagged"
    );
}

#[tokio::test]
async fn what_is_absent_is_decided_by_an_arn_without_its_path() {
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
async fn what_is_absent_can_be_taken_to_be_under_a_path() {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [allow("iam:Get*", "arn:aws:iam::123456789012:*/team/*")],
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
async fn a_role_goes_into_a_profile_only_by_who_may_pass_it_to_ec2() {
    let add = allow("iam:AddRoleToInstanceProfile", "*");
    let pair = [("InstanceProfileName", "p"), ("RoleName", "r")];
    let (_sandbox, iam) = under(json!([add])).await;
    let refused = iam.call("AddRoleToInstanceProfile", &pair).await;
    let words = format!("perform: iam:PassRole on resource: {ROLE}");
    assert!(refused.message().contains(&words), "{}", refused.message());

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
async fn roles_cannot_be_passed_by_their_tags() {
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
async fn attaching_is_decided_by_the_policy_that_is_attached() {
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
async fn a_bad_request_is_bad_whoever_sends_it_and_permission_comes_before_existence() {
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
async fn a_session_that_was_assumed_here_is_known_by_its_role() {
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

/// What the simulator says to two actions of the service.
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
async fn a_simulation_is_decided_by_whose_policies_it_shows() {
    let (_sandbox, iam) = under(json!([allow("iam:SimulatePrincipalPolicy", ROLE)])).await;
    let simulate = |arn| {
        [
            ("PolicySourceArn", arn),
            ("ActionNames.member.1", "iam:GetRole"),
        ]
    };
    let action = "SimulatePrincipalPolicy";
    assert_eq!(outcome(&iam, action, &simulate(ROLE)).await, "");
    let refused = iam.call(action, &simulate(SERVICE.1)).await;
    let words = format!(
        "perform: iam:SimulatePrincipalPolicy on resource: {}",
        SERVICE.1
    );
    assert!(refused.message().contains(&words), "{}", refused.message());
    let absent = "arn:aws:iam::123456789012:role/team/absent";
    assert_eq!(
        outcome(&iam, action, &simulate(absent)).await,
        "AccessDenied",
        "permission comes before existence"
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
async fn the_services_own_identity_is_simulated_by_the_policy_that_decides_its_calls() {
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
        "it is no role of the account"
    );
    assert_eq!(iam.post("identity-policy", Value::Null).await, 204);
    assert_eq!(simulated(&iam).await, ["allowed", "allowed"]);
    iam.make_role("engine-roles-service").await;
    assert_eq!(
        simulated(&iam).await,
        ["implicitDeny", "implicitDeny"],
        "a role of that name has policies of its own: none"
    );
}
