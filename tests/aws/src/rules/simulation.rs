//! The policy simulator.

use crate::answer::Answer;
use crate::params::Params;
use crate::probe::{Ask, Probe};
use crate::rules::roles::READ_SECRETS;
use crate::scoped::{allow, deny, policy};
use crate::trouble::Trouble;

const ACTION: &str = "SimulatePrincipalPolicy";

/// Returns the decisions of an answer, with what they depend on.
fn decisions_of(answer: &Answer) -> String {
    let (all, each) = (
        answer.texts("EvalDecision"),
        answer.texts("EvalResourceDecision"),
    );
    let within = answer.texts("AllowedByPermissionsBoundary");
    let sources = answer.texts("SourcePolicyId");
    let kinds = answer.texts("SourcePolicyType");
    let missing = answer.body.split("<MissingContextValues>").nth(1);
    let missing = missing.and_then(|rest| rest.split("</MissingContextValues>").next());
    let missing = missing.unwrap_or_default().trim();
    format!(
        "{all:?}, each {each:?}, boundary {within:?}, by {sources:?} {kinds:?}, missing {missing:?}"
    )
}

/// Returns the parameters of a simulation of these actions.
fn simulate(role: &str, actions: &[&str]) -> Params {
    let source = Params::from(&[("PolicySourceArn", role)]);
    let actions = (1..).zip(actions);
    actions.fold(source, |params, (number, action)| {
        params.with(&format!("ActionNames.member.{number}"), action)
    })
}

/// Adds a condition key.
fn given(params: Params, key: &str, value: &str) -> Params {
    params
        .with("ContextEntries.member.1.ContextKeyName", key)
        .with("ContextEntries.member.1.ContextKeyType", "string")
        .with("ContextEntries.member.1.ContextKeyValues.member.1", value)
}

pub(super) async fn decisions(probe: &mut Probe) -> Result<(), Trouble> {
    let name = probe.role("simulated").await?;
    let role = probe.own_arn("role", &name);
    let bucket = "arn:aws:s3:::${aws:PrincipalTag/cluster}/*";
    let colon = "arn:aws:s3:::${aws:PrincipalTag/engine-roles:cluster}/*";
    let mut condition = allow(&["iam:PassRole"], "*");
    condition["Condition"] =
        serde_json::json!({"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}});
    let statements = [
        allow(&["secretsmanager:GetSecretValue"], "*"),
        allow(&["s3:GetObject"], bucket),
        allow(&["s3:PutObject"], colon),
        allow(&["s3:DeleteObject"], "*"),
        deny(&["s3:DeleteObject"]),
        condition,
    ];
    let document = policy(&statements);
    let put = [
        ("RoleName", name.as_str()),
        ("PolicyName", "simulated"),
        ("PolicyDocument", document.as_str()),
    ];
    probe.must("PutRolePolicy", &put).await?;
    let mut see = async |what: &str, params: Params| {
        probe
            .ask(Ask::new(what, ACTION, &params).showing(decisions_of))
            .await
    };
    let three = [
        "secretsmanager:GetSecretValue",
        "s3:ListBucket",
        "s3:DeleteObject",
    ];
    see("allowed, not allowed, denied", simulate(&role, &three)).await?;
    let pass = simulate(&role, &["iam:PassRole"]);
    see("a key that is not given", pass.clone()).await?;
    let key = "iam:PassedToService";
    see(
        "a key that fits",
        given(pass.clone(), key, "ec2.amazonaws.com"),
    )
    .await?;
    see(
        "a key that does not fit",
        given(pass, key, "lambda.amazonaws.com"),
    )
    .await?;
    for (what, action, key) in [
        (
            "a tag of the principal",
            "s3:GetObject",
            "aws:PrincipalTag/cluster",
        ),
        (
            "a tag with a colon in its key",
            "s3:PutObject",
            "aws:PrincipalTag/engine-roles:cluster",
        ),
    ] {
        let object = simulate(&role, &[action]).with("ResourceArns.member.1", "arn:aws:s3:::one/a");
        see(what, given(object.clone(), key, "one")).await?;
        see(&format!("{what}, another value"), given(object, key, "two")).await?;
    }
    let two = simulate(&role, &["s3:DeleteObject", "secretsmanager:GetSecretValue"]);
    let within = policy(&[allow(&["secretsmanager:*"], "*")]);
    let bounded = two.with("PermissionsBoundaryPolicyInputList.member.1", &within);
    see("within a boundary", bounded).await?;
    let more = simulate(&role, &["s3:ListBucket"]);
    let more = more.with(
        "PolicyInputList.member.1",
        &policy(&[allow(&["s3:*"], "*")]),
    );
    see("with one more policy", more).await?;
    Ok(())
}

pub(super) async fn invalid(probe: &mut Probe) -> Result<(), Trouble> {
    let name = probe.role("invalid").await?;
    let role = probe.own_arn("role", &name);
    let absent = probe.own_arn("role", &probe.run.name("absent"));
    let session = absent
        .replace(":iam:", ":sts:")
        .replace(":role", ":assumed-role");
    let get = ["secretsmanager:GetSecretValue"];
    let valid = simulate(&role, &get);
    for (what, params) in [
        ("no actions", simulate(&role, &[])),
        ("no principal", valid.clone().without("PolicySourceArn")),
        ("an absent role", simulate(&absent, &get)),
        (
            "the role without its path",
            simulate(&probe.arn(&format!("role/{name}")), &get),
        ),
        ("a session", simulate(&session, &get)),
        (
            "a policy as principal",
            simulate(&probe.own_arn("policy", "p"), &get),
        ),
        (
            "an action without a service",
            simulate(&role, &["GetObject"]),
        ),
        ("an action with a star", simulate(&role, &["s3:Get*"])),
        ("an unknown action", simulate(&role, &["s3:NoSuch"])),
        (
            "a resource that is no ARN",
            valid.clone().with("ResourceArns.member.1", "bucket"),
        ),
        (
            "a policy that is no JSON",
            valid.clone().with("PolicyInputList.member.1", "{"),
        ),
        ("a key that is too short", given(valid.clone(), "a:b", "c")),
        (
            "a resource policy",
            valid.with("ResourcePolicy", READ_SECRETS),
        ),
    ] {
        probe
            .ask(Ask::new(what, ACTION, &params).showing(decisions_of))
            .await?;
    }
    Ok(())
}
