//! Mistakes that public libraries for IAM policies make, and that this crate must not make.
//!
//! The mistakes were collected by reading such libraries in Rust. Each mistake would grant what IAM
//! does not grant, or miss a Deny.

use engine_roles_policy::{
    Context, Decision, Document, Kind, Principal, Request, Rule, evaluate, evaluate_trust,
};
use serde_json::{Value, json};

fn decide(statements: &Value, request: Request, context: Context) -> Decision {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    let document = Document::from_value(Kind::Identity, &document).unwrap();
    evaluate(&request.in_context(context), &[&document], None)
}

fn get(name: &str) -> Request {
    Request::new("s3:GetObject", format!("arn:aws:s3:::{name}"))
}

fn home() -> Value {
    json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::home/${aws:username}/*"})
}

fn all_but(resource: &str) -> Value {
    json!([
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringNotLike": {"t:k": resource}}},
    ])
}

#[test]
fn a_missing_variable_is_not_an_empty_text() {
    let decision = decide(&home(), get("home//secret"), Context::new());
    assert_eq!(decision, Decision::NotAllowed);
}

#[test]
fn the_value_of_a_variable_is_not_a_pattern() {
    let star = Context::new().with("aws:username", "*");
    assert_eq!(
        decide(&home(), get("home/ann/secret"), star.clone()),
        Decision::NotAllowed
    );
    let denied = decide(
        &all_but("${aws:username}"),
        get("x"),
        star.with("t:k", "anything"),
    );
    assert!(matches!(denied, Decision::Denied { .. }));
}

#[test]
fn a_variable_inside_the_value_of_a_variable_is_not_replaced() {
    let context = Context::new()
        .with("aws:username", "${aws:PrincipalTag/team}")
        .with("aws:PrincipalTag/team", "red");
    assert_eq!(
        decide(&home(), get("home/red/x"), context.clone()),
        Decision::NotAllowed
    );
    assert!(decide(&home(), get("home/${aws:PrincipalTag/team}/x"), context).is_allowed());
}

#[test]
fn a_key_of_many_values_is_not_joined_into_one() {
    let many = Context::new().with_values("aws:username", ["ann", "bob"]);
    for name in ["home/ann,bob/x", "home/ann/x"] {
        let decision = decide(&home(), get(name), many.clone());
        assert!(!decision.is_allowed(), "{name}: {decision:?}");
    }
    let other_path = decide(&home(), get("other/x"), many);
    assert_eq!(other_path, Decision::NotAllowed);
}

#[test]
fn escapes_are_literal_characters_and_not_missing_keys() {
    let literal =
        json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/${*}"});
    assert!(decide(&literal, get("a/*"), Context::new()).is_allowed());
    assert_eq!(
        decide(&literal, get("a/"), Context::new()),
        Decision::NotAllowed
    );
    assert_eq!(
        decide(&literal, get("a/b"), Context::new()),
        Decision::NotAllowed
    );
}

#[test]
fn arns_in_conditions_are_not_compared_as_plain_text() {
    let only = |operator: &str| {
        json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition":
            {operator: {"aws:SourceArn": "arn:aws:sns:*:111122223333:*"}}})
    };
    let from = |arn: &str| Context::new().with("aws:SourceArn", arn);
    for operator in ["ArnLike", "ArnEquals"] {
        let own = from("arn:aws:sns:us-east-1:111122223333:topic");
        assert!(
            decide(&only(operator), get("x"), own).is_allowed(),
            "{operator}"
        );
        let disguised = from("arn:aws:sns:us-east-1:999999999999:a:111122223333:topic");
        assert_eq!(
            decide(&only(operator), get("x"), disguised),
            Decision::NotAllowed,
            "{operator}"
        );
    }
}

#[test]
fn set_operators_work_for_every_type_and_with_if_exists() {
    for (operator, own, values, expected) in [
        ("ForAllValues:NumericLessThan", "5", vec!["1", "4"], true),
        ("ForAllValues:NumericLessThan", "5", vec!["1", "6"], false),
        (
            "ForAnyValue:DateLessThan",
            "2026",
            vec!["2027", "2025"],
            true,
        ),
        (
            "ForAllValues:IpAddress",
            "10.0.0.0/8",
            vec!["10.1.2.3", "11.0.0.1"],
            false,
        ),
        ("ForAnyValue:Bool", "true", vec!["false"], false),
        (
            "ForAllValues:StringEqualsIfExists",
            "a",
            vec!["a", "b"],
            false,
        ),
        (
            "ForAnyValue:StringLikeIfExists",
            "a*",
            vec!["b", "ab"],
            true,
        ),
    ] {
        let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {operator: {"t:k": own}}});
        let context = Context::new().with_values("t:k", values.iter().copied());
        assert_eq!(
            decide(&statement, get("x"), context).is_allowed(),
            expected,
            "{operator} {own} {values:?}"
        );
    }
}

#[test]
fn base64_values_are_compared_with_case() {
    let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"BinaryEquals": {"t:k": "QUJD"}}});
    let with = |value: &str| Context::new().with("t:k", value);
    assert!(decide(&statement, get("x"), with("QUJD")).is_allowed());
    assert_eq!(
        decide(&statement, get("x"), with("qujd")),
        Decision::NotAllowed
    );
}

#[test]
fn a_value_of_the_wrong_type_in_one_statement_does_not_disable_a_deny_in_another() {
    let statements = json!([
        {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"NumericLessThan": {"t:k": "5"}}},
        {"Effect": "Deny", "Action": "*", "Resource": "*"},
    ]);
    let decision = decide(&statements, get("x"), Context::new().with("t:k", "many"));
    assert!(matches!(decision, Decision::Denied { .. }));
}

#[test]
fn a_principal_is_not_matched_by_a_prefix_or_by_a_star_in_the_request() {
    let named = |principal: Value| {
        let document = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": principal, "Action": "sts:*"}});
        Document::from_value(Kind::Trust, &document).unwrap()
    };
    let google = named(json!({"Federated": "accounts.google.com"}));
    let user = named(json!({"AWS": "arn:aws:iam::111122223333:user/ann"}));
    for (document, caller) in [
        (
            &google,
            Principal::Federated("accounts.google.com.example.com".to_owned()),
        ),
        (&google, Principal::Anyone),
        (&user, Principal::aws("*")),
        (&user, Principal::Anyone),
        (&user, Principal::aws("arn:aws:iam::111122223333:user/anna")),
        (&user, Principal::aws("111122223333")),
    ] {
        let decision = evaluate_trust(&Request::assume_role(caller.clone()), document);
        assert_eq!(decision, Decision::NotAllowed, "{caller}");
    }
    // An account, in contrast, includes every principal in it.
    let account = named(json!({"AWS": "111122223333"}));
    let session = Principal::aws("arn:aws:sts::111122223333:assumed-role/a/b");
    assert!(evaluate_trust(&Request::assume_role(session), &account).is_allowed());
}

#[test]
fn a_document_with_a_repeated_element_is_rejected() {
    let text = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Action": "*", "Resource": "*"}}"#;
    let error = Document::parse(Kind::Identity, text).unwrap_err();
    assert_eq!(
        (error.rule, error.place.as_str()),
        (Rule::DuplicateKey, "Statement[0].Action")
    );
}
