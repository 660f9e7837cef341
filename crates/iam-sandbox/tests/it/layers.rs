//! Denials by each layer of policies, in AWS's words.

use std::path::Path;

use clap::Parser as _;
use engine_roles_iam_sandbox::{
    ADMINISTRATOR_ACCESS_KEY, Args, PolicyLayer, Sandbox, SandboxConfig,
};
use serde_json::{Value, json};

use crate::wire::{Caller, EC2_TRUST, sandbox};

const USER: &str = "User: arn:aws:sts::123456789012:assumed-role/engine-roles-service/session";
const ROLE: &str = "arn:aws:iam::123456789012:role/r";

/// Each layer, with AWS's reasons for an explicit and an implicit denial of `iam:GetRole`. Source:
/// IAM User Guide, "Troubleshoot access denied error messages".
const REASONS: [(PolicyLayer, &str, &str); 5] = [
    (
        PolicyLayer::ServiceControl,
        "with an explicit deny in a service control policy",
        "because no service control policy allows the iam:GetRole action",
    ),
    (
        PolicyLayer::Endpoint,
        "with an explicit deny in a VPC endpoint policy",
        "because no VPC endpoint policy allows the iam:GetRole action",
    ),
    (
        PolicyLayer::Identity,
        "with an explicit deny in an identity-based policy",
        "because no identity-based policy allows the iam:GetRole action",
    ),
    (
        PolicyLayer::Boundary,
        "with an explicit deny in a permissions boundary",
        "because no permissions boundary allows the iam:GetRole action",
    ),
    (
        PolicyLayer::Session,
        "with an explicit deny in a session policy",
        "because no session policy allows the iam:GetRole action",
    ),
];

fn statement(layer: PolicyLayer, effect: &str, action: &str) -> Value {
    let mut statement = json!({"Effect": effect, "Action": action, "Resource": "*"});
    if layer == PolicyLayer::Endpoint {
        statement["Principal"] = json!("*");
    }
    statement
}

fn allowing(layer: PolicyLayer, action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [statement(layer, "Allow", action)]})
}

/// A policy that allows everything except one action.
fn denying(layer: PolicyLayer, action: &str) -> Value {
    let statements = [
        statement(layer, "Allow", "*"),
        statement(layer, "Deny", action),
    ];
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// Starts a sandbox with the role `r` in which every layer allows everything.
async fn allowed_by_all() -> (Sandbox, Caller) {
    let (sandbox, iam) = sandbox(SandboxConfig::default()).await;
    iam.create_role("r").await;
    for layer in PolicyLayer::ALL {
        set(&iam, layer, allowing(layer, "*")).await;
    }
    (sandbox, iam)
}

async fn set(iam: &Caller, layer: PolicyLayer, policy: Value) {
    assert_eq!(iam.post(layer.option(), policy).await, 204, "{layer}");
}

/// Returns what follows the resource in the message of `GetRole`; empty if the call is allowed.
async fn reason(iam: &Caller) -> String {
    let answer = iam.call("GetRole", &[("RoleName", "r")]).await;
    if answer.status == 200 {
        return String::new();
    }
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (403, "AccessDenied")
    );
    let beginning =
        format!("{USER} is not authorized to perform: iam:GetRole on resource: {ROLE} ");
    let message = answer.message();
    let reason = message.strip_prefix(&beginning);
    reason.unwrap_or_else(|| panic!("{message}")).to_owned()
}

#[tokio::test]
async fn a_call_that_one_layer_denies_has_awss_message_for_the_layer() {
    let (_sandbox, iam) = allowed_by_all().await;
    for (layer, explicit, implicit) in REASONS {
        assert_eq!(reason(&iam).await, "");
        set(&iam, layer, denying(layer, "iam:Get*")).await;
        assert_eq!(reason(&iam).await, explicit);
        set(&iam, layer, allowing(layer, "iam:List*")).await;
        assert_eq!(reason(&iam).await, implicit);
        iam.call("ListRoles", &[]).await.ok();
        set(&iam, layer, Value::Null).await;
    }
    assert_eq!(reason(&iam).await, "");
}

#[tokio::test]
async fn newer_messages_name_the_policy_of_an_explicit_denial() {
    let (_sandbox, iam) = allowed_by_all().await;
    let newer = json!({"policy_arns": true});
    assert_eq!(iam.post("behaviour", newer).await, 204);
    let managed = "arn:aws:iam::123456789012:policy/";
    for (layer, explicit, implicit) in REASONS {
        set(&iam, layer, denying(layer, "iam:Get*")).await;
        let denied = reason(&iam).await;
        let arn = denied.strip_prefix(explicit).expect("the usual reason");
        match layer {
            PolicyLayer::ServiceControl => {
                let policy = arn.strip_prefix(": arn:aws:organizations::210987654321:policy/o-");
                let policy = policy.expect("the ARN of a policy of an organization");
                assert!(policy.contains("/service_control_policy/p-"), "{policy}");
            }
            PolicyLayer::Endpoint => assert_eq!(arn, "", "the policy has no ARN"),
            _ => assert!(arn.starts_with(&format!(": {managed}")), "{arn}"),
        }
        set(&iam, layer, allowing(layer, "iam:List*")).await;
        assert_eq!(reason(&iam).await, implicit);
        set(&iam, layer, Value::Null).await;
    }
}

#[tokio::test]
async fn an_explicit_denial_is_named_before_the_implicit_ones() {
    let (_sandbox, iam) = allowed_by_all().await;
    for (layer, ..) in REASONS {
        set(&iam, layer, allowing(layer, "iam:List*")).await;
    }
    assert_eq!(reason(&iam).await, REASONS[0].2);
    let session = PolicyLayer::Session;
    set(&iam, session, denying(session, "iam:GetRole")).await;
    assert_eq!(reason(&iam).await, REASONS[4].1);
}

#[tokio::test]
async fn a_condition_of_a_service_control_policy_is_evaluated_for_the_real_call() {
    let (_sandbox, iam) = allowed_by_all().await;
    let regions = |regions: Value| {
        let mut policy = denying(PolicyLayer::ServiceControl, "*");
        policy["Statement"][1]["Condition"] =
            json!({"StringNotEquals": {"aws:RequestedRegion": regions}});
        policy
    };
    let scp = PolicyLayer::ServiceControl;
    set(&iam, scp, regions(json!(["eu-central-1"]))).await;
    assert_eq!(reason(&iam).await, REASONS[0].1);
    set(&iam, scp, regions(json!(["eu-central-1", "us-east-1"]))).await;
    assert_eq!(reason(&iam).await, "");
}

#[tokio::test]
async fn the_requested_region_of_a_call_to_sts_is_the_one_for_which_it_is_signed() {
    let (_sandbox, iam) = allowed_by_all().await;
    let mut policy = denying(PolicyLayer::ServiceControl, "*");
    policy["Statement"][1]["Condition"] =
        json!({"StringNotEquals": {"aws:RequestedRegion": "eu-central-1"}});
    set(&iam, PolicyLayer::ServiceControl, policy).await;
    let session = [("RoleArn", ROLE), ("RoleSessionName", "session")];
    for (region, is_denied) in [("us-east-1", true), ("eu-central-1", false)] {
        let sts = iam.in_region(region);
        let message = sts.call("AssumeRole", &session).await.message();
        // Without the denial, the role's trust policy decides, which names EC2 only.
        assert!(message.contains("sts:AssumeRole"), "{message}");
        assert_eq!(message.ends_with(REASONS[0].1), is_denied, "{message}");
    }
}

#[tokio::test]
async fn no_layer_applies_to_the_administrator() {
    let (_sandbox, iam) = allowed_by_all().await;
    let administrator = iam.with_key(ADMINISTRATOR_ACCESS_KEY);
    for (layer, ..) in REASONS {
        set(&iam, layer, denying(layer, "*")).await;
        administrator.call("ListRoles", &[]).await.ok();
    }
}

#[tokio::test]
async fn every_access_of_a_call_must_be_allowed_by_every_layer() {
    let (_sandbox, iam) = allowed_by_all().await;
    let boundary = PolicyLayer::Boundary;
    set(&iam, boundary, denying(boundary, "iam:TagRole")).await;
    let role = [
        ("RoleName", "s"),
        ("AssumeRolePolicyDocument", EC2_TRUST),
        ("Tags.member.1.Key", "k"),
        ("Tags.member.1.Value", "v"),
    ];
    let denied = iam.call("CreateRole", &role).await.message();
    assert!(denied.contains("perform: iam:TagRole on"), "{denied}");
    assert!(denied.ends_with(REASONS[3].1), "{denied}");
    iam.call("CreateRole", &role[..2]).await.ok();
}

#[tokio::test]
async fn policies_of_all_layers_can_be_configured_at_the_start() {
    for (layer, explicit, _) in REASONS {
        let mut config = SandboxConfig::default();
        let policy = match layer {
            PolicyLayer::ServiceControl => &mut config.scp,
            PolicyLayer::Endpoint => &mut config.endpoint_policy,
            PolicyLayer::Identity => &mut config.identity_policy,
            PolicyLayer::Boundary => &mut config.identity_boundary,
            PolicyLayer::Session => &mut config.session_policy,
        };
        *policy = Some(denying(layer, "iam:GetRole"));
        let (_sandbox, iam) = sandbox(config).await;
        iam.create_role("r").await;
        assert_eq!(reason(&iam).await, explicit);
    }
}

#[tokio::test]
async fn a_policy_that_its_layer_does_not_accept_is_rejected_and_the_old_one_is_kept() {
    let (_sandbox, iam) = allowed_by_all().await;
    for (layer, explicit, _) in REASONS {
        set(&iam, layer, denying(layer, "iam:GetRole")).await;
        let other = match layer {
            PolicyLayer::Endpoint => PolicyLayer::Identity,
            _ => PolicyLayer::Endpoint,
        };
        let wrong = allowing(other, "*");
        assert_eq!(iam.post(layer.option(), wrong).await, 422, "{layer}");
        assert_eq!(reason(&iam).await, explicit);
        set(&iam, layer, Value::Null).await;
    }
    let endpoint = PolicyLayer::Endpoint;
    for (principal, status) in [
        (json!({"AWS": "*"}), 204),
        (json!({"AWS": "arn:aws:iam::123456789012:role/r"}), 422),
    ] {
        let mut policy = allowing(endpoint, "*");
        policy["Statement"][0]["Principal"] = principal;
        assert_eq!(iam.post(endpoint.option(), policy).await, status);
    }
}

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

#[test]
fn the_policy_of_each_layer_is_read_from_the_file_of_its_option() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for layer in PolicyLayer::ALL {
        let option = format!("--{}", layer.option());
        let config = |file: &Path| {
            let file = file.display().to_string();
            let command = Command::try_parse_from(["sandbox", &option, &file]);
            command.expect("the option exists").args.into_config()
        };
        let file = directory.join(layer.option());
        let policy = denying(layer, "iam:GetRole");
        std::fs::write(&file, policy.to_string()).expect("the file is written");
        let read = config(&file).expect("the file is valid");
        for other in PolicyLayer::ALL {
            let expected = (other == layer).then_some(&policy);
            assert_eq!(read.policy(other), expected, "{option}");
        }
        std::fs::write(&file, "{").expect("the file is written");
        let error = config(&file).expect_err("the file is not JSON").to_string();
        assert_eq!(error, format!("the {layer} {} is not JSON", file.display()));
        std::fs::remove_file(&file).expect("the file exists");
        let error = config(&file).expect_err("there is no file").to_string();
        let expected = format!("could not read the {layer} {}", file.display());
        assert_eq!(error, expected);
    }
}
