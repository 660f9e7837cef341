//! What the parser rejects, with the place and the rule.
//!
//! The rules come from "Grammar of the IAM JSON policy language" and "IAM policy validation check
//! reference", IAM User Guide.

use engine_roles_policy::lint::{Severity, lint_text};
use engine_roles_policy::{Document, Kind, PolicyError, Rule, Statement, Test, Version};

fn rejection(kind: Kind, text: &str) -> PolicyError {
    Document::parse(kind, text).expect_err(text)
}

/// Returns a document with this one statement of an identity policy.
fn around(statement: &str) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#)
}

fn with(element: &str) -> String {
    around(&format!(
        r#"{{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", {element}}}"#
    ))
}

#[test]
#[rustfmt::skip]
fn a_document_that_iam_would_reject_is_rejected_with_its_place_and_rule() {
    let ok = r#"{"Effect":"Allow","Action":"a:B","Resource":"*"}"#;
    let rows: Vec<(String, &str, Rule)> = vec![
        (String::new(), "document", Rule::JsonSyntax),
        ("{".into(), "document", Rule::JsonSyntax),
        ("{} {}".into(), "document", Rule::JsonSyntax),
        ("[]".into(), "document", Rule::WrongType),
        ("null".into(), "document", Rule::WrongType),
        ("[".repeat(100) + &"]".repeat(100), "document", Rule::TooDeep),
        ("[".repeat(100_000), "document", Rule::JsonSyntax),
        ("{}".into(), "document", Rule::MissingElement),
        (r#"{"Statement": []}"#.into(), "Statement", Rule::Empty),
        (r#"{"Statement": "x"}"#.into(), "Statement[0]", Rule::WrongType),
        (r#"{"Statement": [1]}"#.into(), "Statement[0]", Rule::WrongType),
        (format!(r#"{{"Version": "2012-10-18", "Statement": {ok}}}"#), "Version", Rule::InvalidVersion),
        (format!(r#"{{"Version": 2012, "Statement": {ok}}}"#), "Version", Rule::WrongType),
        (format!(r#"{{"version": "2012-10-17", "Statement": {ok}}}"#), "version", Rule::UnknownElement),
        (format!(r#"{{"Statement": {ok}, "Statement": {ok}}}"#), "Statement", Rule::DuplicateKey),
        (format!(r#"{{"Id": "x", "Statement": {ok}}}"#), "Id", Rule::ProhibitedElement),
        (around(r#"{"Action": "a:B", "Resource": "*"}"#), "Statement[0]", Rule::MissingElement),
        (around(r#"{"Effect": "allow", "Action": "a:B", "Resource": "*"}"#), "Statement[0].Effect", Rule::InvalidEffect),
        (around(r#"{"Effect": "Allow", "Effect": "Deny", "Action": "a:B", "Resource": "*"}"#), "Statement[0].Effect", Rule::DuplicateKey),
        (around(r#"{"Effect": "Allow", "Resource": "*"}"#), "Statement[0]", Rule::MissingElement),
        (around(r#"{"Effect": "Allow", "Action": "a:B"}"#), "Statement[0]", Rule::MissingElement),
        (around(r#"{"Effect": "Allow", "Action": [], "Resource": "*"}"#), "Statement[0].Action", Rule::Empty),
        (around(r#"{"Effect": "Allow", "Action": "a:B", "Resource": []}"#), "Statement[0].Resource", Rule::Empty),
        (around(r#"{"Effect": "Allow", "Action": ["a:B", 1], "Resource": "*"}"#), "Statement[0].Action[1]", Rule::WrongType),
        (around(r#"{"Effect": "Allow", "Action": "GetObject", "Resource": "*"}"#), "Statement[0].Action", Rule::InvalidAction),
        (around(r#"{"Effect": "Allow", "Action": ["a:B", "a:B:C"], "Resource": "*"}"#), "Statement[0].Action[1]", Rule::InvalidAction),
        (around(r#"{"Effect": "Allow", "Action": "s3*:Get", "Resource": "*"}"#), "Statement[0].Action", Rule::InvalidAction),
        (around(r#"{"Effect": "Allow", "Action": "s3:", "Resource": "*"}"#), "Statement[0].Action", Rule::InvalidAction),
        (around(r#"{"Effect": "Allow", "Action": "s3:${aws:username}", "Resource": "*"}"#), "Statement[0].Action", Rule::InvalidAction),
        (around(r#"{"Effect": "Allow", "NotAction": "s3", "Resource": "*"}"#), "Statement[0].NotAction", Rule::InvalidAction),
        (with(r#""NotAction": "a:B""#), "Statement[0]", Rule::ConflictingElements),
        (with(r#""NotResource": "*""#), "Statement[0]", Rule::ConflictingElements),
        (with(r#""Principal": "*""#), "Statement[0].Principal", Rule::ProhibitedElement),
        (with(r#""NotPrincipal": {"AWS": "111122223333"}"#), "Statement[0].NotPrincipal", Rule::ProhibitedElement),
        (with(r#""Conditions": {}"#), "Statement[0].Conditions", Rule::UnknownElement),
        (with(r#""Sid": "has space""#), "Statement[0].Sid", Rule::InvalidSid),
        (with(r#""Sid": 1"#), "Statement[0].Sid", Rule::WrongType),
        (r#"{"Statement": [{"Sid":"A","Effect":"Allow","Action":"a:B","Resource":"*"},{"Sid":"A","Effect":"Deny","Action":"a:B","Resource":"*"}]}"#.into(), "Statement[1].Sid", Rule::DuplicateSid),
        (with(r#""Condition": []"#), "Statement[0].Condition", Rule::WrongType),
        (with(r#""Condition": {"StringEqual": {"a:b": "c"}}"#), "Statement[0].Condition.StringEqual", Rule::InvalidOperator),
        (with(r#""Condition": {"stringequals": {"a:b": "c"}}"#), "Statement[0].Condition.stringequals", Rule::InvalidOperator),
        (with(r#""Condition": {"NullIfExists": {"a:b": "true"}}"#), "Statement[0].Condition.NullIfExists", Rule::InvalidOperator),
        (with(r#""Condition": {"StringEquals": {}}"#), "Statement[0].Condition.StringEquals", Rule::Empty),
        (with(r#""Condition": {"StringEquals": {"a:b": []}}"#), "Statement[0].Condition.StringEquals.a:b", Rule::Empty),
        (with(r#""Condition": {"StringEquals": {"a:b": null}}"#), "Statement[0].Condition.StringEquals.a:b", Rule::WrongType),
        (with(r#""Condition": {"StringEquals": {"a:b": ["x", {}]}}"#), "Statement[0].Condition.StringEquals.a:b[1]", Rule::WrongType),
        (with(r#""Condition": {"StringEquals": {"ab": "x"}}"#), "Statement[0].Condition.StringEquals.ab", Rule::InvalidConditionKey),
        (with(r#""Condition": {"StringEquals": {"a:b": "x", "A:B": "y"}}"#), "Statement[0].Condition.StringEquals.A:B", Rule::DuplicateKey),
        (with(r#""Condition": {"StringEquals": {"a:b": "x", "a:b": "y"}}"#), "Statement[0].Condition.StringEquals.a:b", Rule::DuplicateKey),
        (with(r#""Condition": {"Bool": {"a:b": "yes"}}"#), "Statement[0].Condition.Bool.a:b", Rule::InvalidConditionValue),
        (with(r#""Condition": {"Null": {"a:b": ["true", "1"]}}"#), "Statement[0].Condition.Null.a:b[1]", Rule::InvalidConditionValue),
        (with(r#""Condition": {"NumericEquals": {"a:b": "1e3"}}"#), "Statement[0].Condition.NumericEquals.a:b", Rule::InvalidConditionValue),
        (with(r#""Condition": {"NumericEquals": {"a:b": "${aws:x}"}}"#), "Statement[0].Condition.NumericEquals.a:b", Rule::InvalidConditionValue),
        (with(r#""Condition": {"DateEquals": {"a:b": "2026-02-29"}}"#), "Statement[0].Condition.DateEquals.a:b", Rule::InvalidConditionValue),
        (with(r#""Condition": {"IpAddress": {"a:b": "10.0.0.0/33"}}"#), "Statement[0].Condition.IpAddress.a:b", Rule::InvalidConditionValue),
        (with(r#""Condition": {"BinaryEquals": {"a:b": "QQ"}}"#), "Statement[0].Condition.BinaryEquals.a:b", Rule::InvalidConditionValue),
        (with(r#""Condition": {"StringLike": {"a:b": "${aws:x"}}"#), "Statement[0].Condition.StringLike.a:b", Rule::InvalidVariable),
        (with(r#""Condition": {"StringLike": {"a:b": "${}"}}"#), "Statement[0].Condition.StringLike.a:b", Rule::InvalidVariable),
        (with(r#""Condition": {"StringLike": {"a:b": "${ aws:x }"}}"#), "Statement[0].Condition.StringLike.a:b", Rule::InvalidVariable),
        (with(r#""Condition": {"StringLike": {"a:b": "${aws:x, none}"}}"#), "Statement[0].Condition.StringLike.a:b", Rule::InvalidVariable),
    ];
    for (text, place, rule) in rows {
        let error = rejection(Kind::Identity, &text);
        let shown: String = text.chars().take(200).collect();
        assert_eq!(
            (error.place.as_str(), error.rule),
            (place, rule),
            "{shown}: {error}"
        );
    }
}

#[test]
#[rustfmt::skip]
fn a_resource_must_be_a_star_or_an_arn() {
    for (resource, valid) in [
        ("*", true),
        ("arn:aws:s3:::a/*", true),
        ("arn:aws:s3:::*", true),
        ("arn:*:s3:::a", true),
        ("arn:aws-cn:iam::111122223333:role/a", true),
        ("arn:aws:ec2:us-east-1::image/*", true),
        ("arn:aws:iam::aws:policy/AdministratorAccess", true),
        ("arn:aws:s3:::a/${aws:username}/*", true),
        ("arn:aws:s3", true),
        ("arn:aws:s3:::", true),
        ("arn:aws:cloudfront:*", true),
        ("arn:aws:ec2:us-east-1:111122223333:*", true),
        ("arn:aws:s3:::*/reports/*", true),
        ("arn:aws:sqs:*:*:team-*", true),
        ("arn:aws:iam::111122223333:role/${*}", true),
        ("arn:aws:secretsmanager:us-east-1:111122223333:secret:a/b-??????", true),
        ("", false),
        ("**", false),
        ("foo", false),
        ("arn:aws:s3:", false),
        ("arn:aws", false),
        ("arn", false),
        // Variables are accepted only after the fifth colon, and neither the service nor the type
        // of the resource can be a pattern.
        ("arn:aws:iam::${aws:PrincipalAccount}:role/a", false),
        ("arn:aws:s3:${aws:RequestedRegion}::a", false),
        ("arn:aws:*:us-east-1:111122223333:a", false),
        ("arn:aws:s*:::a", false),
        ("arn:aws:ec2:us-east-1:111122223333:*/12345", false),
        ("arn:aws:iam::111122223333:u*", false),
        ("arn:aws:iam::111122223333:?ole/a", false),
        ("arn:aws::::a", false),
        ("arn:amazon:s3:::a", false),
        ("Arn:aws:s3:::a", false),
        ("arn:aws:S3:::a", false),
        ("arn:aws:iam::1234:role/a", false),
        ("arn:aws:s3:::a\n", false),
        ("<RESOURCE>", false),
        ("arn:aws:s3:::a/${aws:username", false),
    ] {
        let statement = Statement::allow("", ["s3:GetObject"], [resource]);
        let document = Document::new(Kind::Identity, vec![statement]);
        assert_eq!(document.is_ok(), valid, "{resource:?}: {document:?}");
    }
}

#[test]
fn a_number_that_may_have_been_rounded_is_rejected() {
    let text = with(r#""Condition": {"NumericLessThan": {"t:k": 0.10000000000000000001}}"#);
    Document::parse(Kind::Identity, &text).expect("the text has every digit");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let error = Document::from_value(Kind::Identity, &value).expect_err("a float");
    assert_eq!(error.rule, Rule::InvalidConditionValue);
    let huge = with(r#""Condition": {"NumericLessThan": {"t:k": 1e100}}"#);
    assert_eq!(
        rejection(Kind::Identity, &huge).rule,
        Rule::InvalidConditionValue
    );
}

#[test]
fn the_lint_names_what_an_arn_cannot_have() {
    for (resource, rule) in [
        (
            "arn:aws:iam::${aws:PrincipalAccount}:role/a",
            "variable-before-resource",
        ),
        ("arn:aws:*:::a", "wildcard-in-arn"),
        (
            "arn:aws:ec2:us-east-1:111122223333:*/12345",
            "wildcard-in-arn",
        ),
        ("arn:aws:s3:", "invalid-resource"),
    ] {
        let statement =
            format!(r#"{{"Effect": "Allow", "Action": "a:B", "Resource": "{resource}"}}"#);
        let findings = lint_text(Kind::Identity, &around(&statement));
        let rules: Vec<_> = findings.iter().map(|finding| finding.rule).collect();
        assert_eq!(rules, [rule], "{resource}");
        assert_eq!(findings[0].severity, Severity::Error);
    }
}

#[test]
#[rustfmt::skip]
fn a_trust_policy_must_have_a_principal_and_no_resource() {
    let rows: &[(&str, &str, Rule)] = &[
        (r#""Effect": "Allow", "Action": "sts:AssumeRole""#, "Statement[0]", Rule::MissingElement),
        (r#""Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*", "Resource": "*""#, "Statement[0].Resource", Rule::ProhibitedElement),
        (r#""Effect": "Allow", "Action": "sts:AssumeRole", "NotPrincipal": {"AWS": "111122223333"}"#, "Statement[0].NotPrincipal", Rule::ProhibitedElement),
        (r#""Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "ec2.amazonaws.com""#, "Statement[0].Principal", Rule::InvalidPrincipal),
        (r#""Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {}"#, "Statement[0].Principal", Rule::Empty),
        (r#""Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": []}"#, "Statement[0]", Rule::MissingElement),
        (r#""Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"User": "x"}"#, "Statement[0].Principal.User", Rule::UnknownElement),
        (r#""Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2"}"#, "Statement[0].Principal.Service", Rule::InvalidPrincipal),
        (r#""Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "*"}"#, "Statement[0].Principal.Service", Rule::InvalidPrincipal),
        (r#""Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::111122223333:role/*"}"#, "Statement[0].Principal.AWS", Rule::InvalidPrincipal),
        (r#""Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "1234"}"#, "Statement[0].Principal.AWS", Rule::InvalidPrincipal),
        (r#""Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::111122223333:group/a"}"#, "Statement[0].Principal.AWS", Rule::InvalidPrincipal),
    ];
    for (elements, place, rule) in rows {
        let error = rejection(Kind::Trust, &around(&format!("{{{elements}}}")));
        assert_eq!(
            (error.place.as_str(), error.rule),
            (*place, *rule),
            "{elements}: {error}"
        );
    }
    let with_id = r#"{"Id": "a b", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "AROAEXAMPLEEXAMPLE12"}}}"#;
    let document = Document::parse(Kind::Trust, with_id).unwrap();
    assert_eq!(
        (document.id(), document.version()),
        (Some("a b"), Version::V2008)
    );
}

#[test]
fn statements_built_in_code_are_checked_by_the_same_rules() {
    let twice = Statement::allow("A", ["a:B"], ["*"]);
    let error = Document::new(Kind::Identity, vec![twice.clone(), twice]).unwrap_err();
    assert_eq!(
        (error.place.as_str(), error.rule),
        ("Statement[1].Sid", Rule::DuplicateSid)
    );
    let nothing = Statement::allow("", ["a:B"], Vec::<String>::new());
    assert_eq!(
        Document::new(Kind::Boundary, vec![nothing])
            .unwrap_err()
            .rule,
        Rule::Empty
    );
    let bad_value = Statement::allow("", ["a:B"], ["*"]).when(Test::Bool, "a:b", ["x"]);
    let error = Document::new(Kind::Identity, vec![bad_value]).unwrap_err();
    insta::assert_snapshot!(error, @r#"Statement[0].Condition.Bool.a:b: "x" is not true or false"#);
    assert_eq!(
        Document::new(Kind::Identity, Vec::new()).unwrap_err().rule,
        Rule::Empty
    );
}

#[test]
fn a_document_that_iam_accepts_is_accepted() {
    for statement in [
        r#"{"Sid": "", "Effect": "Allow", "Action": "*", "Resource": "*"}"#,
        r#"{"Sid": "", "Effect": "Allow", "Action": "*", "Resource": "*"}, {"Sid": "", "Effect": "Deny", "Action": "*", "Resource": "*"}"#,
        r#"{"Effect": "Deny", "NotAction": ["s3:*", "*:*"], "NotResource": ["arn:aws:s3:::a"]}"#,
        r#"{"Effect": "Allow", "Action": "s3:Get?bject", "Resource": "*", "Condition": {}}"#,
        r#"{"Effect": "Allow", "Action": "a:B", "Resource": "*", "Condition": {"NumericLessThan": {"aws:MultiFactorAuthAge": 3600}, "Bool": {"aws:MultiFactorAuthPresent": true}}}"#,
        r#"{"Effect": "Allow", "Action": "a:B", "Resource": "*", "Condition": {"StringEquals": {"aws:RequestTag/ai-unlimited:cluster": ["a", ""]}}}"#,
        r#"{"Effect": "Allow", "Action": "a:B", "Resource": "*", "Condition": {"StringEquals": {"oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE:sub": "system:serviceaccount:a:b"}}}"#,
        r#"{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*:*:*"}"#,
    ] {
        Document::parse(Kind::Identity, &around(statement)).expect(statement);
    }
}

#[test]
fn characters_beyond_latin_1_are_accepted_only_as_escapes() {
    let sent = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:B","Resource":"arn:aws:s3:::\u6c34\ud83d\ude00é"}]}"#;
    let document = Document::parse(Kind::Identity, sent).unwrap();
    let resources = document.statements()[0].resources.as_ref().unwrap();
    assert_eq!(resources.patterns(), ["arn:aws:s3:::水😀é"]);
    assert_eq!(document.to_json(), sent);
    let raw = sent.replace("\\u6c34", "水");
    assert_eq!(rejection(Kind::Identity, &raw).rule, Rule::InvalidCharacter);
    assert_eq!(
        rejection(Kind::Identity, "\u{0}").rule,
        Rule::InvalidCharacter
    );
}

#[test]
fn the_old_version_reads_a_dollar_sign_literally() {
    let text = r#"{"Version": "2008-10-17", "Statement": {"Effect": "Allow", "Action": "a:B", "Resource": "arn:aws:s3:::${"}}"#;
    let document = Document::parse(Kind::Identity, text).unwrap();
    insta::assert_snapshot!(
        document.to_value(),
        @r#"{"Statement":[{"Action":["a:b"],"Effect":"Allow","Resource":["arn:aws:s3:::${$}{"]}],"Version":"2012-10-17"}"#
    );
}
