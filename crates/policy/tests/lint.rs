//! The findings of each lint rule.

use engine_roles_policy::lint::{Finding, Severity, escalation_methods, lint, lint_text};
use engine_roles_policy::{Document, Kind};
use serde_json::{Value, json};

fn identity(statements: &Value) -> Vec<Finding> {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    lint(&Document::from_value(Kind::Identity, &document).unwrap())
}

fn rules(findings: &[Finding]) -> Vec<(&'static str, Severity)> {
    findings
        .iter()
        .map(|finding| (finding.rule, finding.severity))
        .collect()
}

fn allow(action: &str, resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

fn with(mut statement: Value, condition: Value) -> Value {
    statement["Condition"] = condition;
    statement
}

#[test]
fn a_narrow_document_has_no_findings() {
    let statement = json!([
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue",
         "Resource": "arn:aws:secretsmanager:us-east-1:111122223333:secret:compute-engine/a/*"},
        {"Effect": "Allow", "Action": ["iam:PutRolePolicy", "iam:PassRole"],
         "Resource": "arn:aws:iam::111122223333:role/ai-unlimited/engine/prod/*"},
        {"Effect": "Allow", "Action": ["ssmmessages:*Channel", "iam:GetAccountSummary", "ec2:DescribeInstances"], "Resource": "*"},
        {"Effect": "Deny", "NotAction": "*", "NotResource": "arn:aws:s3:::*?a"},
    ]);
    assert_eq!(identity(&statement), []);
}

#[test]
#[rustfmt::skip]
fn each_rule_has_a_document_that_it_reports() {
    use Severity::{Error, Notice, Warning};
    let secret = |name: &str| {
        allow(
            "secretsmanager:GetSecretValue",
            &format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:{name}"),
        )
    };
    let s3 = |resource: &str| allow("s3:GetObject", resource);
    let rows: &[(Value, &str, Severity)] = &[
        (allow("*", "arn:aws:s3:::a"), "action-star", Error),
        (allow("s3:*", "arn:aws:s3:::a"), "service-star", Warning),
        (json!({"Effect": "Allow", "NotAction": "s3:Get", "Resource": "arn:aws:s3:::a"}), "allow-not-action", Warning),
        (json!({"Effect": "Allow", "Action": "s3:Get", "NotResource": "arn:aws:s3:::a"}), "allow-not-resource", Warning),
        (allow("secretsmanager:GetSecretValue", "*"), "resource-star", Warning),
        (allow("ec2:RunInstances", "*"), "resource-star", Warning),
        (allow("kafka:GetTopic", "*"), "resource-star-unchecked", Notice),
        (allow("secretsmanager:GetSecret", "arn:aws:s3:::a"), "unknown-action", Warning),
        (s3("arn:aws:s3:*::a"), "live-arn-field", Notice),
        (s3("arn:aws:iam::*:role/a"), "live-arn-field", Warning),
        (s3("arn:aws:s3:::a/${aws:username}"), "live-variable", Warning),
        (s3("arn:aws:s3:::pro?"), "live-question-mark", Warning),
        (s3("arn:aws:s3:::a/*/b"), "live-inner-star", Warning),
        (s3("arn:aws:s3:::a/<NAME>"), "placeholder-left", Error),
        (secret("*"), "secret-any", Warning),
        (secret("compute-engine/a/b"), "secret-without-suffix", Error),
        (secret("abc"), "secret-without-suffix", Error),
        (secret("compute-engine/a/b-*"), "secret-suffix-open", Warning),
        (secret("compute-engine/a*"), "secret-prefix-open", Warning),
        (with(s3("arn:aws:s3:::a"), json!({"StringEquals": {"s3:prefix": "a*"}})), "dead-wildcard", Warning),
        (with(s3("arn:aws:s3:::a"), json!({"ForAllValues:StringEquals": {"aws:TagKeys": "a"}})), "for-all-values-of-nothing", Warning),
        (with(s3("arn:aws:s3:::a"), json!({"StringEquals": {"aws:SourceVPCs": "a"}})), "unknown-global-key", Warning),
    ];
    for (statement, rule, severity) in rows {
        let findings = identity(statement);
        assert_eq!(
            rules(&findings),
            [(*rule, *severity)],
            "{statement}: {findings:#?}"
        );
    }
}

#[test]
fn a_secret_pattern_that_ends_in_five_question_marks_is_reported() {
    let findings = identity(&allow(
        "secretsmanager:GetSecretValue",
        "arn:aws:secretsmanager:us-east-1:111122223333:secret:compute-engine/a/b-?????",
    ));
    assert_eq!(
        rules(&findings),
        [
            ("live-question-mark", Severity::Warning),
            ("secret-without-suffix", Severity::Error)
        ]
    );
}

#[test]
fn correct_documents_that_look_like_mistakes_are_not_reported() {
    for statement in [
        allow(
            "secretsmanager:GetSecretValue",
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:compute-engine/a/b-??????",
        ),
        allow(
            "secretsmanager:GetSecretValue",
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:compute-engine/a/b-Ab12Cd",
        ),
        allow("s3:GetObject", "arn:aws:s3:::a/${*}"),
        with(
            allow("s3:GetObject", "arn:aws:s3:::a"),
            json!({"StringLike": {"s3:prefix": "a*"}}),
        ),
        with(
            allow("s3:GetObject", "arn:aws:s3:::a"),
            json!({"StringEquals": {"aws:PrincipalTag/x": "${*}"}}),
        ),
        with(
            allow("s3:GetObject", "arn:aws:s3:::a"),
            json!({"ForAllValues:StringEquals": {"aws:TagKeys": "a"}, "Null": {"aws:tagkeys": "false"}}),
        ),
        allow("iam:ListRoles", "*"),
        with(
            allow("s3:GetObject", "arn:aws:s3:::a"),
            json!({"Bool": {"aws:IsMcpServiceAction": "true", "aws:ViaAWSMCPService": "true"},
                   "StringEquals": {"aws:PrincipalOrgMasterAccountId": "111122223333", "aws:CalledViaAWSMCP": "aws-mcp.amazonaws.com"},
                   "IpAddress": {"aws:VpcSourceIp": "10.0.0.0/8"}}),
        ),
        allow("iam:PutRolePolicy", "arn:aws:iam::111122223333:role/team/*"),
    ] {
        assert_eq!(identity(&statement), [], "{statement}");
    }
}

#[test]
#[rustfmt::skip]
fn escalation_methods_are_reported_under_their_published_names() {
    let any_role = "arn:aws:iam::111122223333:role/*";
    let rows: &[(Value, &[(&str, Severity)])] = &[
        (json!([allow("iam:PutRolePolicy", any_role)]), &[("PutRolePolicy", Severity::Error)]),
        (json!([allow("iam:Attach*Policy", any_role)]), &[("AttachRolePolicy", Severity::Error)]),
        (json!([allow("iam:CreatePolicyVersion", "arn:aws:iam::111122223333:policy/*")]), &[("CreateNewPolicyVersion", Severity::Error)]),
        (json!([with(allow("iam:PutRolePolicy", any_role), json!({"ArnEquals": {"iam:PermissionsBoundary": "arn:aws:iam::111122223333:policy/b"}}))]), &[("PutRolePolicy", Severity::Warning)]),
        (json!([allow("iam:PassRole", any_role)]), &[]),
        (json!([allow("iam:PassRole", any_role), allow("ec2:RunInstances", "arn:aws:ec2:us-east-1:111122223333:instance/*")]), &[("CreateEC2WithExistingIP", Severity::Error)]),
        (json!([with(allow("iam:PassRole", any_role), json!({"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}})), allow("ec2:RunInstances", "arn:aws:ec2:us-east-1:111122223333:instance/*")]), &[]),
        (json!([with(allow("iam:PassRole", any_role), json!({"StringLike": {"iam:PassedToService": "ec2.*"}})), allow("ec2:RunInstances", "arn:aws:ec2:us-east-1:111122223333:instance/*")]), &[("CreateEC2WithExistingIP", Severity::Error)]),
        (json!([allow("iam:UpdateAssumeRolePolicy", any_role)]), &[("iam-012", Severity::Error)]),
        (json!([allow("iam:UpdateAssumeRolePolicy", any_role), allow("sts:AssumeRole", any_role)]), &[("iam-012", Severity::Error), ("UpdateRolePolicyToAssumeIt", Severity::Error), ("sts-001", Severity::Error)]),
    ];
    for (statements, expected) in rows {
        assert_eq!(rules(&identity(statements)), *expected, "{statements}");
    }
    let everything = identity(&json!([allow("*", "*")]));
    for method in escalation_methods() {
        assert!(
            everything.iter().any(|found| found.rule == method.id),
            "{}",
            method.id
        );
    }
}

#[test]
fn a_wildcard_or_variable_where_an_arn_cannot_have_one_is_an_error_in_every_element() {
    for (resource, rule) in [
        (
            "arn:aws:*:us-east-1:111122223333:thing/one",
            "wildcard-in-arn",
        ),
        (
            "arn:aws:ec2:us-east-1:111122223333:*/12345",
            "wildcard-in-arn",
        ),
        (
            "arn:aws:lambda:us-east-1:111122223333:function?:one",
            "wildcard-in-arn",
        ),
        (
            "arn:aws:iam::${aws:PrincipalAccount}:role/one",
            "variable-before-resource",
        ),
        (
            "arn:aws:s3:${aws:RequestedRegion}::one",
            "variable-before-resource",
        ),
    ] {
        for (effect, element) in [
            ("Allow", "Resource"),
            ("Deny", "Resource"),
            ("Deny", "NotResource"),
        ] {
            let text = json!({"Version": "2012-10-17", "Statement": {"Effect": effect, "Action": "s3:GetObject", element: resource}});
            let found = lint_text(Kind::Identity, &text.to_string());
            assert_eq!(rules(&found), [(rule, Severity::Error)], "{text}");
        }
    }
    for resource in [
        "arn:aws:s3:::*/key",
        "arn:aws:ec2:us-east-1:111122223333:*",
        "arn:aws:sqs:us-east-1:111122223333:a*",
    ] {
        let found = rules(&identity(&allow("s3:GetObject", resource)));
        assert!(
            found
                .iter()
                .all(|(_, severity)| *severity != Severity::Error),
            "{resource}: {found:?}"
        );
    }
}

#[test]
fn a_trust_policy_that_allows_too_many_principals_is_reported() {
    let trust = |principal: Value, action: &str| {
        let document = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": principal, "Action": action}});
        rules(&lint(
            &Document::from_value(Kind::Trust, &document).unwrap(),
        ))
    };
    assert_eq!(
        trust(json!({"Service": "ec2.amazonaws.com"}), "sts:AssumeRole"),
        []
    );
    assert_eq!(
        trust(json!("*"), "sts:AssumeRole"),
        [("trust-anyone", Severity::Error)]
    );
    assert_eq!(
        trust(json!({"AWS": "111122223333"}), "sts:AssumeRole"),
        [("trust-account", Severity::Notice)]
    );
    assert_eq!(
        trust(json!({"Service": "ec2.amazonaws.com"}), "s3:GetObject"),
        [("trust-without-assume", Severity::Error)]
    );
}

#[test]
fn a_text_that_iam_would_reject_is_reported_as_a_finding() {
    let text = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Actions": "a:B", "Resource": "*"}}"#;
    insta::assert_json_snapshot!(lint_text(Kind::Identity, text), @r#"
    [
      {
        "rule": "unknown-element",
        "severity": "error",
        "place": "Statement[0].Actions",
        "reason": "\"Actions\" is none of Sid, Effect, Principal, NotPrincipal, Action, NotAction, Resource, NotResource, Condition",
        "counterexample": [],
        "source": null
      }
    ]
    "#);
    let old = r#"{"Statement": {"Effect": "Allow", "Action": "s3:Get", "Resource": "arn:aws:s3:::${aws:username}"}}"#;
    assert_eq!(
        rules(&lint_text(Kind::Identity, old)),
        [
            ("old-version", Severity::Warning),
            ("variable-in-old-version", Severity::Error)
        ]
    );
}
