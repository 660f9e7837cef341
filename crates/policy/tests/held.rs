//! Documents that AWS holds: what is not understood puts exactly the decisions in doubt that it can
//! affect, and each question reads that as what is worse for its purpose.

use engine_roles_policy::{
    Certainty, Context, Coverage, Decision, Document, Grant, Kind, Principal, Request, Rule,
    coverage, evaluate, evaluate_trust, grants_beyond, grants_within,
};
use serde_json::{Value, json};

fn held(statements: &Value) -> Document {
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    Document::read(Kind::Identity, &text).expect("a document")
}

fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Allowed { .. } => "allowed",
        Decision::Denied { .. } => "denied",
        Decision::NotAllowed => "not allowed",
        Decision::Indeterminate { .. } => "indeterminate",
    }
}

fn decide(document: &Document, action: &str, resource: &str) -> &'static str {
    word(&evaluate(
        &Request::new(action, resource),
        &[document],
        None,
    ))
}

const BUCKET: &str = "arn:aws:s3:::a";

/// (statement, action, resource, decision)
type Row<'a> = (Value, &'a str, &'a str, &'a str);

fn check(rows: &[Row]) {
    for (statement, action, resource, expected) in rows {
        let document = held(statement);
        assert_ne!(document.not_understood().count(), 0, "{statement}");
        assert!(!document.understands(0), "{statement}");
        let found = decide(&document, action, resource);
        assert_eq!(found, *expected, "{action} on {resource} under {statement}");
        let strict = json!({"Version": "2012-10-17", "Statement": statement});
        Document::from_value(Kind::Identity, &strict).expect_err("the strict parser rejects it");
    }
}

#[test]
#[rustfmt::skip]
fn an_action_that_is_not_understood_affects_only_what_it_may_mean() {
    let allow = |action: &str| json!({"Effect": "Allow", "Action": action, "Resource": "*"});
    let not = |action: &str| json!({"Effect": "Allow", "NotAction": action, "Resource": "*"});
    let both = json!({"Effect": "Allow", "Action": ["s3:GetObject ", "s3:GetObject"], "Resource": "*"});
    check(&[
        (allow(" s3:GetObject"), "s3:GetObject", "*", "indeterminate"),
        (allow(" s3:GetObject"), "s3:PutObject", "*", "not allowed"),
        (allow("s3: GetObject"), "s3:GetObject", "*", "indeterminate"),
        (allow("s3:GetObject, s3:Put*"), "s3:PutObject", "*", "indeterminate"),
        (allow("s3:GetObject, s3:Put*"), "s3:ListBucket", "*", "not allowed"),
        (allow("s3:Get${aws:username}"), "s3:GetObject", "*", "indeterminate"),
        (allow("s3:Get${aws:username}"), "s3:PutObject", "*", "not allowed"),
        (allow("s?:GetObject"), "s3:GetObject", "*", "indeterminate"),
        (allow("s?:GetObject"), "ec2:GetObject", "*", "not allowed"),
        (allow("GetObject"), "iam:CreateUser", "*", "indeterminate"),
        (not("s3:Put Object"), "s3:PutObject", "*", "indeterminate"),
        (not("s3:Put Object"), "s3:GetObject", "*", "allowed"),
        (both, "s3:GetObject", "*", "allowed"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_resource_that_is_not_understood_affects_only_what_it_may_match() {
    let allow = |resource: &str| json!({"Effect": "Allow", "Action": "a:B", "Resource": resource});
    let not = |resource: &str| json!({"Effect": "Allow", "Action": "a:B", "NotResource": resource});
    let own = "arn:aws:iam::111122223333:role/a";
    let instance = "arn:aws:ec2:us-east-1:111122223333:instance/12345";
    check(&[
        (allow("arn:aws:iam::${aws:PrincipalAccount}:role/a"), "a:B", own, "indeterminate"),
        (allow("arn:aws:iam::${aws:PrincipalAccount}:role/a"), "a:B", "arn:aws:iam::111122223333:role/b", "not allowed"),
        (allow("arn:aws:ec2:us-east-1:111122223333:*/12345"), "a:B", instance, "indeterminate"),
        (allow("arn:aws:ec2:us-east-1:111122223333:*/12345"), "a:B", own, "not allowed"),
        (allow("arn:aws:*:us-east-1:111122223333:instance/*"), "a:B", instance, "indeterminate"),
        (allow("arn:aws:*:us-east-1:111122223333:instance/*"), "a:B", own, "not allowed"),
        (not("arn:aws:*:us-east-1:111122223333:instance/*"), "a:B", own, "allowed"),
        (not("arn:aws:*:us-east-1:111122223333:instance/*"), "a:B", instance, "indeterminate"),
        (allow("arn:aws"), "a:B", own, "indeterminate"),
        (allow("arn:aws:iam:"), "a:B", own, "indeterminate"),
        (allow("arn:aws:iam:"), "a:B", instance, "not allowed"),
        (allow("arn:aws:s3:::a/${aws:username"), "a:B", BUCKET, "indeterminate"),
        (allow("bucket"), "a:B", BUCKET, "indeterminate"),
        (json!({"Effect": "Allow", "Action": "a:B", "Resource": ["bucket", BUCKET]}), "a:B", BUCKET, "allowed"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_condition_that_is_not_understood_leaves_what_the_rest_does_not_match() {
    let with = |condition: Value| json!({"Effect": "Allow", "Action": "a:B", "Resource": BUCKET, "Condition": condition});
    for condition in [
        json!({"StringSimilar": {"a:b": "c"}}),
        json!({"StringEquals": {"ab": "c"}}),
        json!({"StringEquals": {"a:b": [], "a:c": "d"}}),
        json!({"StringEquals": {"a:b": "c", "A:B": "d"}}),
        json!({"StringEquals": {"a:b": {"c": "d"}}}),
        json!([]),
    ] {
        check(&[
            (with(condition.clone()), "a:B", BUCKET, "indeterminate"),
            (with(condition.clone()), "a:C", BUCKET, "not allowed"),
            (with(condition), "a:B", "arn:aws:s3:::b", "not allowed"),
        ]);
    }
    // A value that is not understood affects only the comparison with this value.
    let document = held(&with(json!({"NumericEquals": {"a:b": ["1", "one"]}})));
    let decide = |value: &str| {
        let context = Context::new().with("a:b", value);
        word(&evaluate(&Request::new("a:B", BUCKET).in_context(context), &[&document], None))
    };
    assert_eq!((decide("1"), decide("2")), ("allowed", "indeterminate"));
}

#[test]
#[rustfmt::skip]
fn an_element_that_is_not_understood_affects_its_statement_only() {
    let statement = |name: &str, value: Value| {
        let mut statement = json!({"Effect": "Allow", "Action": "a:B", "Resource": BUCKET});
        statement[name] = value;
        statement
    };
    let deny = json!({"Effect": "Deny", "Action": "a:D", "Resource": "*"});
    check(&[
        (statement("Comment", json!("x")), "a:B", BUCKET, "indeterminate"),
        (statement("Comment", json!("x")), "a:C", BUCKET, "not allowed"),
        (statement("Principal", json!("*")), "a:B", BUCKET, "indeterminate"),
        (statement("Effect", json!("allow")), "a:B", BUCKET, "indeterminate"),
        (statement("Effect", json!("allow")), "a:C", BUCKET, "not allowed"),
        (statement("Action", json!([])), "a:C", BUCKET, "indeterminate"),
        (statement("Action", json!({})), "a:C", "arn:aws:s3:::b", "not allowed"),
        (statement("NotAction", json!("a:C")), "a:C", BUCKET, "indeterminate"),
        (statement("Resource", json!(1)), "a:B", "arn:aws:s3:::b", "indeterminate"),
        (json!({"Effect": "Allow", "Action": "a:B"}), "a:B", BUCKET, "indeterminate"),
        (json!([1, deny]), "a:B", BUCKET, "indeterminate"),
        (json!([1, deny]), "a:D", BUCKET, "denied"),
    ]);
    // What was not understood of one statement does not change what another certainly grants, but
    // an unknown Effect may be a Deny.
    let granted = json!({"Effect": "Allow", "Action": "a:*", "Resource": "*"});
    for (other, expected) in [
        (statement("Comment", json!("x")), "allowed"),
        (statement("Effect", json!("allow")), "indeterminate"),
    ] {
        let document = held(&json!([other, granted]));
        assert_eq!(decide(&document, "a:B", BUCKET), expected, "{other}");
        assert_eq!(decide(&document, "a:C", BUCKET), "allowed", "{other}");
    }
}

#[test]
fn an_unknown_version_affects_the_whole_document_and_a_sid_nothing() {
    let read = |text: &str| Document::read(Kind::Identity, text).expect(text);
    let statement = r#"{"Sid": "not valid!", "Effect": "Allow", "Action": "a:B", "Resource": "*"}"#;
    let known = read(&format!(
        r#"{{"Id": "x", "Statement": [{statement}, {statement}]}}"#
    ));
    assert_eq!(known.not_understood().count(), 0);
    assert_eq!(decide(&known, "a:B", BUCKET), "allowed");
    for text in [
        format!(r#"{{"Version": "2031-01-01", "Statement": {statement}}}"#),
        format!(r#"{{"Comment": "x", "Statement": {statement}}}"#),
        format!(r#"{{"Statement": {statement}, "Statement": {statement}}}"#),
    ] {
        let document = read(&text);
        assert_eq!(decide(&document, "a:B", BUCKET), "indeterminate", "{text}");
        assert_eq!(decide(&document, "a:C", BUCKET), "not allowed", "{text}");
        assert_eq!(document.to_json(), text);
        assert!(!document.equivalent(&document.clone()));
    }
}

#[test]
fn an_element_that_occurs_twice_is_not_understood() {
    let text =
        r#"{"Statement": {"Effect": "Allow", "Action": "a:B", "Action": "a:C", "Resource": "*"}}"#;
    let document = Document::read(Kind::Identity, text).expect("a document");
    for action in ["a:B", "a:C", "a:D"] {
        assert_eq!(decide(&document, action, "*"), "indeterminate", "{action}");
    }
}

#[test]
fn a_principal_that_is_not_understood_leaves_those_that_are() {
    let trust = |principal: Value| {
        let statement =
            json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
        let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        Document::read(Kind::Trust, &text).expect("a document")
    };
    let decide = |document: &Document, service: &str| {
        let request = Request::assume_role(Principal::service(service));
        word(&evaluate_trust(&request, document))
    };
    let mixed = trust(json!({"Service": ["ec2.amazonaws.com", "ec2"], "Robot": "x"}));
    assert_eq!(decide(&mixed, "ec2.amazonaws.com"), "indeterminate");
    let mixed = trust(json!({"Service": ["ec2.amazonaws.com", "ec2"]}));
    assert_eq!(decide(&mixed, "ec2.amazonaws.com"), "allowed");
    assert_eq!(decide(&mixed, "ssm.amazonaws.com"), "indeterminate");
    let text = r#"{"Statement": {"Effect": "Allow", "NotPrincipal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}}"#;
    let except = Document::read(Kind::Trust, text).expect("a document");
    assert_eq!(decide(&except, "ec2.amazonaws.com"), "indeterminate");
}

#[test]
fn a_doubt_counts_as_access_in_breadth_and_as_no_access_in_coverage() {
    let allow = |action: &str| json!({"Effect": "Allow", "Action": action, "Resource": BUCKET});
    let deny = |action: &str| json!({"Effect": "Deny", "Action": action, "Resource": BUCKET});
    let sure = json!({"Effect": "Allow", "Action": "a:B", "Resource": BUCKET});
    let unknown = json!({"Effect": "deny", "Action": "a:B", "Resource": BUCKET});
    for (statements, boundary, certainty, covered) in [
        (
            json!([allow("a:B")]),
            None,
            Some(Certainty::Surely),
            Coverage::All,
        ),
        (
            json!([allow("a: B")]),
            None,
            Some(Certainty::Perhaps),
            Coverage::Part,
        ),
        (json!([sure, deny("a:B")]), None, None, Coverage::Nothing),
        (
            json!([sure, deny("a: B")]),
            None,
            Some(Certainty::Perhaps),
            Coverage::Part,
        ),
        (
            json!([sure, unknown]),
            None,
            Some(Certainty::Perhaps),
            Coverage::Part,
        ),
        (
            json!([unknown]),
            None,
            Some(Certainty::Perhaps),
            Coverage::Part,
        ),
        (
            json!([sure]),
            Some(allow("a: B")),
            Some(Certainty::Perhaps),
            Coverage::Part,
        ),
        (json!([sure]), Some(allow("a: C")), None, Coverage::Nothing),
    ] {
        let (identity, boundary) = (held(&statements), boundary.map(|one| held(&one)));
        let found = grants_beyond(&[&identity], boundary.as_ref(), &[]).expect("a small document");
        let found = found.iter().map(|found| found.certainty).max();
        assert_eq!(found, certainty, "{statements} under {boundary:?}");
        let found = coverage(
            "a:B",
            BUCKET,
            &Context::new(),
            &[&identity],
            boundary.as_ref(),
        );
        assert_eq!(found, covered, "{statements} under {boundary:?}");
    }
}

#[test]
fn a_grant_in_doubt_is_within_a_limit_that_contains_all_that_it_may_mean() {
    let document =
        held(&json!({"Effect": "Allow", "Action": "s3:Get Object", "Resource": "arn:aws:s3:::a"}));
    let within = |action: &str| grants_within(&document, &[Grant::new(action, "*")]).is_ok();
    assert!(within("s3:Get*"));
    assert!(!within("s3:Get"));
    assert!(!within("s3:GetObject"));
    let all = grants_beyond(&[&document], None, &[]).expect("a small document");
    assert!(all[0].touches(&Grant::new("s3:GetObject", BUCKET)));
    assert!(!all[0].touches(&Grant::new("s3:PutObject", BUCKET)));
}

#[test]
fn a_text_that_cannot_be_a_document_is_rejected() {
    for (text, rule) in [
        ("{".to_owned(), Rule::JsonSyntax),
        ("[]".to_owned(), Rule::WrongType),
        ("{}".to_owned(), Rule::MissingElement),
        ("[".repeat(100) + &"]".repeat(100), Rule::TooDeep),
        (" ".repeat(131_073), Rule::TooLong),
    ] {
        let error = Document::read(Kind::Identity, &text).expect_err("not a document");
        assert_eq!(error.rule, rule);
    }
}
