//! moto has no policy simulator. The expectations of these cases come from AWS's API reference and
//! from answers of AWS that others have published.

use super::Iam;
use crate::wire::{Answer, EC2_TRUST, READ_SECRETS};

const ACTION: &str = "SimulatePrincipalPolicy";
const ROLE: (&str, &str) = ("RoleName", "r");
const SOURCE: (&str, &str) = ("PolicySourceArn", "arn:aws:iam::123456789012:role/r");
const GET_SECRET: (&str, &str) = ("ActionNames.member.1", "secretsmanager:GetSecretValue");
const RESULT: &str = "SimulatePrincipalPolicyResult/EvaluationResults/member";

/// Whether the target has no policy simulator.
fn has_none(iam: &Iam) -> bool {
    iam.ends_for_moto("it has no policy simulator")
}

/// Creates the role `r` with one inline policy.
async fn role_with(iam: &Iam, document: &str) {
    iam.role("r").await;
    let policy = [ROLE, ("PolicyName", "i"), ("PolicyDocument", document)];
    iam.ok("PutRolePolicy", &policy).await;
}

async fn simulate(iam: &Iam, more: &[(&str, &str)]) -> Answer {
    iam.ok(ACTION, &[&[SOURCE], more].concat()).await
}

fn texts(answer: &Answer, path: &str) -> Vec<String> {
    answer.texts(&format!("{RESULT}/{path}"))
}

fn statement(effect: &str, action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"{effect}","Action":"{action}","Resource":"{resource}"}}"#)
}

fn policy(statements: &[String]) -> String {
    let statements = statements.join(",");
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

pub(crate) async fn the_policies_of_a_role_are_simulated(iam: &Iam) {
    if has_none(iam) {
        return;
    }
    role_with(iam, READ_SECRETS).await;
    let managed = [ROLE, ("PolicyArn", iam.read_only().await)];
    iam.ok("AttachRolePolicy", &managed).await;
    let actions = [
        GET_SECRET,
        ("ActionNames.member.2", "s3:GetObject"),
        ("ActionNames.member.3", "s3:PutObject"),
    ];
    let all = simulate(iam, &actions).await;
    let names = actions.map(|(_, name)| name.to_owned());
    assert_eq!(texts(&all, "EvalActionName"), names);
    assert_eq!(texts(&all, "EvalResourceName"), ["*", "*", "*"]);
    let decisions = ["allowed", "allowed", "implicitDeny"];
    assert_eq!(texts(&all, "EvalDecision"), decisions);
    let matched = |field: &str| texts(&all, &format!("MatchedStatements/member/{field}"));
    assert_eq!(matched("SourcePolicyId"), ["role_r_i", "ReadOnlyAccess"]);
    assert_eq!(matched("SourcePolicyType"), ["IAM Policy", "IAM Policy"]);
    assert_eq!(matched("StartPosition/Line"), ["1", "1"]);
    assert_eq!(matched("StartPosition/Column"), ["38", "38"]);
    let end = (READ_SECRETS.len() - 1).to_string();
    assert_eq!(matched("EndPosition/Column")[0], end);
    for absent in [
        "PermissionsBoundaryDecisionDetail",
        "ResourceSpecificResults",
    ] {
        assert_eq!(all.count(&format!("{RESULT}/{absent}")), 0, "{absent}");
    }
    let truncated = all.text("SimulatePrincipalPolicyResult/IsTruncated");
    assert_eq!(truncated.as_deref(), Some("false"));
    let more = policy(&[statement("Allow", "s3:Put*", "*")]);
    let more = [
        ("ActionNames.member.1", "s3:PutObject"),
        ("PolicyInputList.member.1", more.as_str()),
    ];
    let more = simulate(iam, &more).await;
    assert_eq!(
        texts(&more, "MatchedStatements/member/SourcePolicyId"),
        ["PolicyInputList.1"]
    );
}

pub(crate) async fn a_simulated_deny_overrides_every_allow(iam: &Iam) {
    if has_none(iam) {
        return;
    }
    let statements = [
        statement("Allow", "s3:*", "*"),
        statement("Deny", "s3:Delete*", "*"),
        statement("Deny", "s3:DeleteObject", "*"),
    ];
    role_with(iam, &policy(&statements)).await;
    let denied = simulate(iam, &[("ActionNames.member.1", "s3:DeleteObject")]).await;
    assert_eq!(texts(&denied, "EvalDecision"), ["explicitDeny"]);
    let columns = texts(&denied, "MatchedStatements/member/StartPosition/Column");
    assert_eq!(
        columns.len(),
        2,
        "the two Deny statements match, and not the Allow"
    );
}

pub(crate) async fn a_simulation_stays_within_the_boundary(iam: &Iam) {
    if has_none(iam) {
        return;
    }
    role_with(iam, &policy(&[statement("Allow", "*", "*")])).await;
    let boundary = (
        "PermissionsBoundary",
        "arn:aws:iam::aws:policy/IAMReadOnlyAccess",
    );
    iam.ok("PutRolePermissionsBoundary", &[ROLE, boundary])
        .await;
    let actions = [GET_SECRET, ("ActionNames.member.2", "iam:GetRole")];
    let own = simulate(iam, &actions).await;
    let detail = "PermissionsBoundaryDecisionDetail/AllowedByPermissionsBoundary";
    assert_eq!(texts(&own, "EvalDecision"), ["implicitDeny", "allowed"]);
    assert_eq!(texts(&own, detail), ["false", "true"]);
    let other = policy(&[
        statement("Allow", "secretsmanager:*", "*"),
        statement("Deny", "iam:*", "*"),
    ]);
    let other = (
        "PermissionsBoundaryPolicyInputList.member.1",
        other.as_str(),
    );
    let in_its_place = simulate(iam, &[&actions[..], &[other]].concat()).await;
    let decisions = ["allowed", "explicitDeny"];
    assert_eq!(texts(&in_its_place, "EvalDecision"), decisions);
    assert_eq!(texts(&in_its_place, detail), ["true", "false"]);
    let matched = |field: &str| texts(&in_its_place, &format!("MatchedStatements/member/{field}"));
    assert_eq!(
        matched("SourcePolicyId"),
        ["role_r_i", "PermissionsBoundaryPolicyInputList.1"]
    );
    assert_eq!(
        matched("SourcePolicyType"),
        ["IAM Policy", "Permissions Boundary Policy"]
    );
    let second = ("PermissionsBoundaryPolicyInputList.member.2", READ_SECRETS);
    let two = [SOURCE, GET_SECRET, other, second];
    iam.rejected(ACTION, &two, 400, "InvalidInput").await;
}

pub(crate) async fn an_action_on_several_resources_has_one_result_with_the_most_restrictive_decision(
    iam: &Iam,
) {
    if has_none(iam) {
        return;
    }
    let statements = [
        statement("Allow", "s3:*", "arn:aws:s3:::mine*"),
        statement("Deny", "s3:*", "arn:aws:s3:::mine/secret"),
    ];
    role_with(iam, &policy(&statements)).await;
    let resources = [
        ("ActionNames.member.1", "s3:GetObject"),
        ("ResourceArns.member.1", "arn:aws:s3:::mine/a"),
        ("ResourceArns.member.2", "arn:aws:s3:::theirs/a"),
        ("ResourceArns.member.3", "arn:aws:s3:::mine/secret"),
    ];
    let each = "ResourceSpecificResults/member";
    let all = simulate(iam, &resources).await;
    assert_eq!(texts(&all, "EvalDecision"), ["explicitDeny"]);
    let named = resources[1..].iter().map(|(_, arn)| (*arn).to_owned());
    assert_eq!(
        texts(&all, &format!("{each}/EvalResourceName")),
        named.collect::<Vec<_>>()
    );
    assert_eq!(
        texts(&all, &format!("{each}/EvalResourceDecision")),
        ["allowed", "implicitDeny", "explicitDeny"]
    );
    let two = simulate(iam, &resources[..3]).await;
    assert_eq!(texts(&two, "EvalDecision"), ["implicitDeny"]);
    let one = simulate(iam, &resources[..2]).await;
    assert_eq!(texts(&one, "EvalDecision"), ["allowed"]);
    assert_eq!(texts(&one, "EvalResourceName"), ["arn:aws:s3:::mine/a"]);
}

pub(crate) async fn conditions_are_simulated_with_the_given_keys(iam: &Iam) {
    if has_none(iam) {
        return;
    }
    let only = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com","aws:PrincipalArn":"arn:aws:iam::123456789012:role/r"}}}]}"#;
    role_with(iam, only).await;
    let pass = ("ActionNames.member.1", "iam:PassRole");
    let without = simulate(iam, &[pass]).await;
    assert_eq!(texts(&without, "EvalDecision"), ["implicitDeny"]);
    assert_eq!(
        texts(&without, "MissingContextValues/member"),
        ["iam:PassedToService"]
    );
    let given = |service| {
        [
            pass,
            (
                "ContextEntries.member.1.ContextKeyName",
                "iam:PassedToService",
            ),
            ("ContextEntries.member.1.ContextKeyType", "string"),
            ("ContextEntries.member.1.ContextKeyValues.member.1", service),
        ]
    };
    for (service, decision) in [
        ("ec2.amazonaws.com", "allowed"),
        ("lambda.amazonaws.com", "implicitDeny"),
    ] {
        let with = simulate(iam, &given(service)).await;
        assert_eq!(texts(&with, "EvalDecision"), [decision]);
        assert_eq!(
            with.count(&format!("{RESULT}/MissingContextValues/member")),
            0
        );
    }
    let by_another = [
        &given("ec2.amazonaws.com")[..],
        &[("CallerArn", "arn:aws:iam::123456789012:user/u")],
    ];
    let by_another = simulate(iam, &by_another.concat()).await;
    assert_eq!(texts(&by_another, "EvalDecision"), ["implicitDeny"]);
}

pub(crate) async fn simulation_results_are_paged_by_action(iam: &Iam) {
    if has_none(iam) {
        return;
    }
    role_with(iam, READ_SECRETS).await;
    let actions = [
        ("ActionNames.member.1", "s3:PutObject"),
        ("ActionNames.member.2", "s3:GetObject"),
        ("ActionNames.member.3", "s3:PutObject"),
        ("MaxItems", "2"),
    ];
    let first = simulate(iam, &actions).await;
    assert_eq!(
        texts(&first, "EvalActionName"),
        ["s3:PutObject", "s3:GetObject"]
    );
    let marker = first.text("SimulatePrincipalPolicyResult/Marker");
    let marker = marker.expect("more to come");
    let second = simulate(iam, &[&actions[..], &[("Marker", &marker)]].concat()).await;
    assert_eq!(texts(&second, "EvalActionName"), ["s3:PutObject"]);
    assert_eq!(second.count("SimulatePrincipalPolicyResult/Marker"), 0);
}

pub(crate) async fn invalid_simulation_requests_are_rejected(iam: &Iam) {
    if has_none(iam) {
        return;
    }
    role_with(iam, READ_SECRETS).await;
    let validation = "ValidationError";
    iam.rejected(ACTION, &[SOURCE], 400, validation).await;
    iam.rejected(ACTION, &[GET_SECRET], 400, validation).await;
    let invalid = "InvalidInput";
    let key = "ContextEntries.member.1.ContextKeyName";
    for (code, more) in [
        (
            validation,
            [("ActionNames.member.2", "a:"), ("MaxItems", "1")],
        ),
        (
            validation,
            [("MaxItems", "0"), ("ResourceArns.member.1", "*")],
        ),
        (validation, [(key, "a:b"), ("MaxItems", "1")]),
        (
            validation,
            [
                (key, "aws:userid"),
                ("ContextEntries.member.1.ContextKeyType", "text"),
            ],
        ),
        (
            invalid,
            [("ActionNames.member.2", "GetObject"), ("MaxItems", "1")],
        ),
        (
            invalid,
            [("ActionNames.member.2", "s3:Get*"), ("MaxItems", "1")],
        ),
        (
            invalid,
            [("ResourceArns.member.1", "bucket"), ("MaxItems", "1")],
        ),
        (
            invalid,
            [
                ("ResourceArns.member.1", "*"),
                ("ResourceArns.member.2", "arn:aws:s3:::b"),
            ],
        ),
        (
            invalid,
            [("PolicyInputList.member.1", EC2_TRUST), ("MaxItems", "1")],
        ),
        (invalid, [(key, ""), ("MaxItems", "1")]),
        (
            invalid,
            [
                (key, "aws:userid"),
                ("ContextEntries.member.2.ContextKeyName", "AWS:UserId"),
            ],
        ),
        (
            invalid,
            [("ResourcePolicy", READ_SECRETS), ("MaxItems", "1")],
        ),
    ] {
        let params = [SOURCE, GET_SECRET, more[0], more[1]];
        iam.rejected(ACTION, &params, 400, code).await;
    }
}

pub(crate) async fn only_roles_that_exist_can_be_simulated(iam: &Iam) {
    if has_none(iam) {
        return;
    }
    role_with(iam, READ_SECRETS).await;
    for (arn, status, code) in [
        ("arn:aws:iam::123456789012:role/absent", 404, "NoSuchEntity"),
        ("arn:aws:iam::123456789012:role/path/r", 404, "NoSuchEntity"),
        ("arn:aws:iam::123456789012:user/r", 404, "NoSuchEntity"),
        ("arn:aws:iam::210987654321:role/r", 400, "InvalidInput"),
        ("arn:aws:iam::123456789012:policy/r", 400, "InvalidInput"),
        (
            "arn:aws:sts::123456789012:assumed-role/r/session",
            400,
            "InvalidInput",
        ),
        ("arn:aws:iam::r", 400, "ValidationError"),
    ] {
        let params = [("PolicySourceArn", arn), GET_SECRET];
        iam.rejected(ACTION, &params, status, code).await;
    }
}
