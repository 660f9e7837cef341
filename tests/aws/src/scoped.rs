//! Roles that the suite makes for itself and assumes, so that AWS denies its calls.

use aws_credential_types::Credentials;
use serde_json::{Value, json};

use crate::params::{EC2_TRUST, Params};
use crate::probe::Probe;
use crate::trouble::Trouble;

/// Returns a policy with these statements.
pub(crate) fn policy(statements: &[Value]) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// Returns a statement that allows actions on a resource.
pub(crate) fn allow(actions: &[&str], resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

/// Returns a statement that denies actions on every resource.
pub(crate) fn deny(actions: &[&str]) -> Value {
    json!({"Effect": "Deny", "Action": actions, "Resource": "*"})
}

/// A role that the account may assume.
pub(crate) struct Scoped<'a> {
    pub(crate) short: &'a str,
    pub(crate) policy: String,
    pub(crate) boundary: Option<&'a str>,
    pub(crate) tags: &'a [(&'a str, &'a str)],
}

impl<'a> Scoped<'a> {
    pub(crate) fn new(short: &'a str, statements: &[Value]) -> Self {
        Self {
            short,
            policy: policy(statements),
            boundary: None,
            tags: &[],
        }
    }
}

/// Returns the trust policy of such a role.
pub(crate) fn trusting_the_account(probe: &Probe) -> String {
    let root = json!({ "AWS": probe.arn("root") }).to_string();
    EC2_TRUST.replace(r#"{"Service":"ec2.amazonaws.com"}"#, &root)
}

/// Creates a role that the account may assume. Returns its ARN.
///
/// # Errors
/// As [`Probe::must`].
pub(crate) async fn create(probe: &Probe, scoped: &Scoped<'_>) -> Result<String, Trouble> {
    let name = probe.run.name(scoped.short);
    let mut role = Params::role(&probe.run, &name)
        .with("AssumeRolePolicyDocument", &trusting_the_account(probe));
    if let Some(boundary) = scoped.boundary {
        role = role.with("PermissionsBoundary", boundary);
    }
    for (key, value) in scoped.tags {
        role = role.tag(key, value);
    }
    probe.must("CreateRole", &role).await?;
    let policy = [
        ("RoleName", name.as_str()),
        ("PolicyName", "scoped"),
        ("PolicyDocument", scoped.policy.as_str()),
    ];
    probe.must("PutRolePolicy", &policy).await?;
    Ok(probe.own_arn("role", &name))
}

/// Assumes a role, with a session policy or without.
///
/// # Errors
/// As [`Probe::must`]; [`Trouble::Unexpected`] for an answer without credentials.
pub(crate) async fn assume(
    probe: &Probe,
    role_arn: &str,
    session_policy: Option<&str>,
) -> Result<Credentials, Trouble> {
    let mut params = Params::from(&[
        ("RoleArn", role_arn),
        ("RoleSessionName", "aws-test"),
        ("DurationSeconds", "900"),
    ]);
    if let Some(policy) = session_policy {
        params = params.with("Policy", policy);
    }
    let answer = probe.must("AssumeRole", &params).await?;
    let text = |element| {
        let missing = || Trouble::Unexpected(format!("AssumeRole's answer has no {element}"));
        answer.text(element).ok_or_else(missing)
    };
    let (key, secret) = (text("AccessKeyId")?, text("SecretAccessKey")?);
    let token = Some(text("SessionToken")?);
    Ok(Credentials::new(key, secret, token, None, "assumed role"))
}
