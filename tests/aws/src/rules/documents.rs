//! Trust policies and permissions policies.

use percent_encoding::percent_decode_str;

use crate::answer::Answer;
use crate::params::{EC2_TRUST, Params};
use crate::probe::{Ask, Probe};
use crate::rules::roles::READ_SECRETS;
use crate::trouble::Trouble;

/// IAM counts at most so many characters of all inline policies of a role, without white space.
const INLINE_SIZE: usize = 10_240;
const TRUST_SIZE: usize = 2_048;

fn trust_of(principal: &str) -> String {
    EC2_TRUST.replace(r#"{"Service":"ec2.amazonaws.com"}"#, principal)
}

/// Returns a document with this many characters, by a long `Sid`.
fn sized(document: &str, size: usize) -> String {
    let sid = "s".repeat(size.saturating_sub(document.len() + r#""Sid":"","#.len()));
    document.replace(r#""Effect""#, &format!(r#""Sid":"{sid}","Effect""#))
}

pub(super) async fn trust(probe: &mut Probe) -> Result<(), Trouble> {
    let absent = probe.own_arn("role", &probe.run.name("absent"));
    let root = probe.arn("root");
    let with_resource = EC2_TRUST.replace(r#""Action""#, r#""Resource":"*","Action""#);
    let without = EC2_TRUST.replace(r#""Principal":{"Service":"ec2.amazonaws.com"},"#, "");
    let other = EC2_TRUST.replace("sts:AssumeRole", "s3:GetObject");
    let session = r#"["sts:AssumeRole","sts:TagSession"]"#;
    let session = EC2_TRUST.replace(r#""sts:AssumeRole""#, session);
    for (number, (what, document)) in [
        ("no JSON", "{".to_owned()),
        ("a permissions policy", READ_SECRETS.to_owned()),
        ("with a resource", with_resource),
        ("without a principal", without),
        ("an empty principal", trust_of("{}")),
        ("a list of no principals", trust_of("[]")),
        ("a principal that is text", trust_of(r#""ec2""#)),
        (
            "an unknown service",
            trust_of(r#"{"Service":"ec2.example.com"}"#),
        ),
        (
            "a service without a domain",
            trust_of(r#"{"Service":"ec2"}"#),
        ),
        ("a principal that is no ARN", trust_of(r#"{"AWS":"me"}"#)),
        (
            "an absent role",
            trust_of(&format!(r#"{{"AWS":"{absent}"}}"#)),
        ),
        (
            "an unknown kind of principal",
            trust_of(r#"{"Nobody":"x"}"#),
        ),
        ("an action of another service", other),
        ("the account", trust_of(&format!(r#"{{"AWS":"{root}"}}"#))),
        (
            "EC2 of China too",
            trust_of(r#"{"Service":["ec2.amazonaws.com","ec2.amazonaws.com.cn"]}"#),
        ),
        ("sessions with tags", session),
        ("the largest", sized(EC2_TRUST, TRUST_SIZE) + "\n  "),
        ("too large", sized(EC2_TRUST, TRUST_SIZE + 1)),
    ]
    .into_iter()
    .enumerate()
    {
        let name = probe.run.name(&format!("trust{number}"));
        let role = Params::role(&probe.run, &name).with("AssumeRolePolicyDocument", &document);
        probe.see(what, "CreateRole", &role).await?;
    }
    let role = probe.role("trust").await?;
    let update =
        |document| Params::from(&[("RoleName", role.as_str()), ("PolicyDocument", document)]);
    let action = "UpdateAssumeRolePolicy";
    probe
        .see(
            "replace by a permissions policy",
            action,
            update(READ_SECRETS),
        )
        .await?;
    let lambda = trust_of(r#"{"Service":"lambda.amazonaws.com"}"#);
    probe.see("replace", action, update(&lambda)).await?;
    let ask = Ask::new("read", "GetRole", &[("RoleName", role.as_str())]);
    probe
        .ask(ask.showing(|answer| decoded(answer, "AssumeRolePolicyDocument")))
        .await?;
    Ok(())
}

/// Returns a document of an answer, and how it was encoded.
fn decoded(answer: &Answer, element: &str) -> String {
    let text = answer.text(element).unwrap_or_default();
    let is_encoded = text.starts_with("%7B");
    let document = percent_decode_str(&text).decode_utf8_lossy();
    format!("percent-encoded {is_encoded}: {document}")
}

/// Returns the parameters of an inline policy.
fn put(role: &str, name: &str, document: &str) -> Params {
    Params::from(&[
        ("RoleName", role),
        ("PolicyName", name),
        ("PolicyDocument", document),
    ])
}

pub(super) async fn inline(probe: &mut Probe) -> Result<(), Trouble> {
    let role = probe.role("inline").await?;
    let absent = probe.run.name("absent");
    let named = |role: &str, name: &str| Params::from(&[("RoleName", role), ("PolicyName", name)]);
    probe
        .see(
            "put, absent role",
            "PutRolePolicy",
            put(&absent, "p", READ_SECRETS),
        )
        .await?;
    probe
        .see("read, absent role", "GetRolePolicy", named(&absent, "p"))
        .await?;
    probe
        .see(
            "delete, absent role",
            "DeleteRolePolicy",
            named(&absent, "p"),
        )
        .await?;
    probe
        .see("read an absent policy", "GetRolePolicy", named(&role, "p"))
        .await?;
    probe
        .see(
            "delete an absent policy",
            "DeleteRolePolicy",
            named(&role, "p"),
        )
        .await?;
    let spaced = READ_SECRETS.replace("\":", "\" :\n ");
    probe
        .see("put", "PutRolePolicy", put(&role, "p", &spaced))
        .await?;
    let ask = Ask::new("read", "GetRolePolicy", named(&role, "p"));
    probe
        .ask(ask.showing(|answer| decoded(answer, "PolicyDocument")))
        .await?;
    probe
        .see("replace", "PutRolePolicy", put(&role, "p", READ_SECRETS))
        .await?;
    let list = Ask::new("list", "ListRolePolicies", &[("RoleName", role.as_str())]);
    probe
        .ask(list.showing(|answer| format!("{:?}", answer.texts("member"))))
        .await?;
    probe
        .see("delete", "DeleteRolePolicy", named(&role, "p"))
        .await?;
    probe
        .see("delete again", "DeleteRolePolicy", named(&role, "p"))
        .await?;
    Ok(())
}

/// Returns a policy with one statement, of which these are the members.
fn statement(members: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{{{members}}}]}}"#)
}

pub(super) async fn grammar(probe: &mut Probe) -> Result<(), Trouble> {
    let role = probe.role("grammar").await?;
    let allow = |more: &str| statement(&format!(r#""Effect":"Allow",{more}"#));
    let any = r#""Action":"s3:GetObject","Resource":"*""#;
    for (what, document) in [
        ("no JSON", "{".to_owned()),
        ("a list", "[]".to_owned()),
        ("an empty object", "{}".to_owned()),
        ("an empty text", String::new()),
        ("no resource", allow(r#""Action":"s3:GetObject""#)),
        ("no action", allow(r#""Resource":"*""#)),
        ("no effect", statement(any)),
        (
            "an effect in lower case",
            statement(&format!(r#""Effect":"allow",{any}"#)),
        ),
        (
            "an action without a service",
            allow(r#""Action":"GetObject","Resource":"*""#),
        ),
        (
            "an unknown service",
            allow(r#""Action":"nosuch:Get","Resource":"*""#),
        ),
        (
            "an unknown action",
            allow(r#""Action":"s3:NoSuch","Resource":"*""#),
        ),
        (
            "a resource that is no ARN",
            allow(r#""Action":"s3:*","Resource":"bucket""#),
        ),
        ("a principal", allow(&format!(r#""Principal":"*",{any}"#))),
        ("an unknown member", allow(&format!(r#""Other":"x",{any}"#))),
        ("a member twice", allow(&format!(r#"{any},"Resource":"*""#))),
        (
            "an unknown operator",
            allow(&format!(
                r#"{any},"Condition":{{"Is":{{"aws:userid":"a"}}}}"#
            )),
        ),
        (
            "a Sid with a space",
            allow(&format!(r#""Sid":"a b",{any}"#)),
        ),
        (
            "an unknown version",
            statement(&format!(r#""Effect":"Allow",{any}"#)).replace("2012-10-17", "2020-01-01"),
        ),
        (
            "an empty list of actions",
            allow(r#""Action":[],"Resource":"*""#),
        ),
        (
            "a variable in the region",
            allow(r#""Action":"s3:*","Resource":"arn:aws:s3:${aws:userid}::b""#),
        ),
        (
            "an unfinished variable",
            allow(r#""Action":"s3:*","Resource":"arn:aws:s3:::${aws:userid""#),
        ),
        (
            "a letter that is not Latin-1",
            allow(r#""Action":"s3:*","Resource":"arn:aws:s3:::\u5927""#),
        ),
        (
            "the old version",
            allow(any).replace("2012-10-17", "2008-10-17"),
        ),
    ] {
        probe
            .see(what, "PutRolePolicy", put(&role, "grammar", &document))
            .await?;
    }
    Ok(())
}

pub(super) async fn incomplete_arns(probe: &mut Probe) -> Result<(), Trouble> {
    let role = probe.role("arns").await?;
    for (what, arn) in [
        ("two fields", "arn:aws"),
        ("three fields", "arn:aws:sqs"),
        ("three fields, a colon", "arn:aws:sqs:"),
        ("four fields", "arn:aws:sqs:us-west-2"),
        ("five fields", "arn:aws:sqs:us-west-2:123456789012"),
        ("an empty last field", "arn:aws:s3:::"),
        ("a star as partition", "arn:*:s3:::b"),
        ("an unknown partition", "arn:nosuch:s3:::b"),
        ("a star as service", "arn:aws:*:::b"),
        ("a star instead of fields", "arn:aws:s3*"),
        ("a star at the start", "*arn:aws:s3:::b"),
    ] {
        let document = READ_SECRETS.replace(r#""Resource":"*""#, &format!(r#""Resource":"{arn}""#));
        let policy = put(
            &role,
            "arns",
            &document.replace("secretsmanager:GetSecretValue", "*"),
        );
        probe.see(what, "PutRolePolicy", policy).await?;
    }
    // What an incomplete ARN allows.
    let short = READ_SECRETS.replace(
        r#""Resource":"*""#,
        r#""Resource":"arn:aws:secretsmanager""#,
    );
    probe
        .must("PutRolePolicy", put(&role, "arns", &short))
        .await?;
    let source = probe.own_arn("role", &role);
    let secret = format!(
        "arn:aws:secretsmanager:us-west-2:{}:secret:a",
        probe.account_id
    );
    let params = [
        ("PolicySourceArn", source.as_str()),
        ("ActionNames.member.1", "secretsmanager:GetSecretValue"),
        ("ResourceArns.member.1", secret.as_str()),
    ];
    let ask = Ask::new(
        "three fields allow everything below",
        "SimulatePrincipalPolicy",
        &params,
    );
    probe
        .ask(ask.showing(|answer| answer.text("EvalDecision").unwrap_or_default()))
        .await?;
    Ok(())
}

pub(super) async fn size(probe: &mut Probe) -> Result<(), Trouble> {
    let role = probe.role("size").await?;
    let (half, most) = (INLINE_SIZE / 2, sized(READ_SECRETS, INLINE_SIZE));
    let larger = sized(READ_SECRETS, INLINE_SIZE + 1);
    probe
        .see(
            "one character too large",
            "PutRolePolicy",
            put(&role, "a", &larger),
        )
        .await?;
    let spaced = most.replace("\":", "\" : \n\t");
    probe
        .see(
            "the largest, with white space",
            "PutRolePolicy",
            put(&role, "a", &spaced),
        )
        .await?;
    probe
        .see(
            "a second policy",
            "PutRolePolicy",
            put(&role, "b", READ_SECRETS),
        )
        .await?;
    let smaller = sized(READ_SECRETS, half);
    probe
        .see(
            "replaced by half",
            "PutRolePolicy",
            put(&role, "a", &smaller),
        )
        .await?;
    probe
        .see("another half", "PutRolePolicy", put(&role, "b", &smaller))
        .await?;
    let more = sized(READ_SECRETS, half + 1);
    probe
        .see(
            "more than the rest",
            "PutRolePolicy",
            put(&role, "b", &more),
        )
        .await?;
    Ok(())
}
