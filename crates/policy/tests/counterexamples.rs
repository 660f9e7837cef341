//! Requests that findings show, and grants that a Deny removes.

use engine_roles_policy::lint::{Finding, lint};
use engine_roles_policy::{Document, Kind, evaluate_trust};
use serde_json::{Value, json};

fn identity(statements: &Value) -> Vec<Finding> {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    lint(&Document::from_value(Kind::Identity, &document).unwrap())
}

fn allow(action: &str, resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

fn with(mut statement: Value, condition: Value) -> Value {
    statement["Condition"] = condition;
    statement
}

#[test]
fn a_grant_that_a_deny_removes_is_not_reported() {
    let deny = |action: &str, resource: &str| json!({"Effect": "Deny", "Action": action, "Resource": resource});
    let secrets = "arn:aws:secretsmanager:us-east-1:111122223333:secret:*";
    for (granted, denied) in [
        (allow("*", "*"), deny("*", "*")),
        (allow("s3:*", "arn:aws:s3:::a"), deny("s3:*", "*")),
        (allow("iam:Put*", "*"), deny("iam:*", "*")),
        (
            allow("ec2:RunInstances", "*"),
            json!({"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}),
        ),
        (
            allow("secretsmanager:GetSecretValue", secrets),
            deny("secretsmanager:*", secrets),
        ),
        (
            allow("s3:GetObject", "arn:aws:s3:::pro?"),
            deny("s3:Get*", "arn:aws:s3:::pro*"),
        ),
        (
            json!({"Effect": "Allow", "NotAction": "s3:Get", "Resource": "arn:aws:s3:::a"}),
            deny("*", "*"),
        ),
    ] {
        assert_ne!(identity(&granted), [], "{granted}");
        assert_eq!(
            identity(&json!([granted, denied])),
            [],
            "{granted} {denied}"
        );
    }
    // These remove only a part.
    for (granted, denied) in [
        (allow("s3:*", "arn:aws:s3:::a"), deny("s3:Get*", "*")),
        (
            allow("iam:Put*", "*"),
            deny("iam:*", "arn:aws:iam::111122223333:role/one"),
        ),
        (
            allow("ec2:RunInstances", "*"),
            with(
                deny("*", "*"),
                json!({"Bool": {"aws:SecureTransport": "false"}}),
            ),
        ),
        (
            allow("ec2:RunInstances", "*"),
            json!({"Effect": "Deny", "NotAction": "ec2:Run*", "Resource": "*"}),
        ),
        (
            allow("s3:GetObject", "arn:aws:s3:::pro?"),
            deny("s3:Get*", "arn:aws:s3:::${aws:username}"),
        ),
    ] {
        let before = identity(&granted).len();
        let found = identity(&json!([granted, denied]));
        assert!(found.len() >= before, "{granted} {denied}: {found:#?}");
    }
}

#[test]
fn a_finding_about_a_grant_shows_a_request_that_the_document_allows() {
    let secret = |name: &str| {
        allow(
            "secretsmanager:GetSecretValue",
            &format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:{name}"),
        )
    };
    for (statement, rule, expected) in [
        (
            allow("*", "*"),
            "action-star",
            "iam:CreateUser on arn:aws:iam::111122223333:user/any-name",
        ),
        (
            allow("s3:*", "arn:aws:s3:::a"),
            "service-star",
            "s3:GetObject on arn:aws:s3:::a",
        ),
        (
            json!({"Effect": "Allow", "NotAction": ["iam:*", "s3:*"], "Resource": "*"}),
            "allow-not-action",
            "ec2:TerminateInstances on arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0",
        ),
        (
            json!({"Effect": "Allow", "Action": "s3:Get*", "NotResource": "arn:aws:s3:::a"}),
            "allow-not-resource",
            "s3:GetObject on arn:aws:s3:::any-name/any-key",
        ),
        (
            allow("kafka:GetTopic", "*"),
            "resource-star-unchecked",
            "kafka:GetTopic on arn:aws:kafka:us-east-1:111122223333:any-name",
        ),
        (
            allow("s3:GetObject", "arn:aws:iam::*:role/a"),
            "live-arn-field",
            "s3:GetObject on arn:aws:iam::444455556666:role/a",
        ),
        (
            allow("s3:GetObject", "arn:aws:s3:::a/${aws:username}"),
            "live-variable",
            "s3:GetObject on arn:aws:s3:::a/any-name with aws:username = \"any-name\"",
        ),
        (
            allow("s3:GetObject", "arn:aws:s3:::pro?"),
            "live-question-mark",
            "s3:GetObject on arn:aws:s3:::pro/",
        ),
        (
            allow("s3:GetObject", "arn:aws:s3:::a/*/b"),
            "live-inner-star",
            "s3:GetObject on arn:aws:s3:::a/any/thing/b",
        ),
        (
            secret("*"),
            "secret-any",
            "secretsmanager:GetSecretValue on arn:aws:secretsmanager:us-east-1:111122223333:secret:any-other-Ab12Cd",
        ),
        (
            secret("a/b-*"),
            "secret-suffix-open",
            "secretsmanager:GetSecretValue on arn:aws:secretsmanager:us-east-1:111122223333:secret:a/b-any-other-Ab12Cd",
        ),
        (
            secret("a/b*"),
            "secret-prefix-open",
            "secretsmanager:GetSecretValue on arn:aws:secretsmanager:us-east-1:111122223333:secret:a/bany-other-Ab12Cd",
        ),
        (
            with(
                allow("s3:GetObject", "arn:aws:s3:::a"),
                json!({"ForAllValues:StringEquals": {"aws:TagKeys": "a"}, "Bool": {"aws:SecureTransport": "true"}}),
            ),
            "for-all-values-of-nothing",
            "s3:GetObject on arn:aws:s3:::a with aws:SecureTransport = \"true\"",
        ),
    ] {
        let findings = identity(&statement);
        let found = findings
            .iter()
            .find(|found| found.rule == rule)
            .expect(rule);
        let shown: Vec<String> = found
            .counterexample
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(shown, [expected], "{statement}");
    }
    let trust = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*",
        "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"sts:ExternalId": "one"}}}});
    let trust = Document::from_value(Kind::Trust, &trust).unwrap();
    let found = &lint(&trust)[0];
    insta::assert_json_snapshot!(found.counterexample, @r#"
    [
      {
        "principal": "AWS:arn:aws:iam::444455556666:user/any-name",
        "action": "sts:AssumeRole",
        "resource": "*",
        "context": {
          "sts:ExternalId": [
            "one"
          ]
        }
      }
    ]
    "#);
    assert!(evaluate_trust(&found.counterexample[0].to_request(), &trust).is_allowed());
}
