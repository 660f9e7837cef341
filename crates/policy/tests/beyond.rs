//! Which grants exceed the limits, and how certain that is.

use engine_roles_policy::{
    Beyond, Certainty, Context, Coverage, Document, Grant, Kind, Request, coverage, evaluate,
    grants_beyond,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn document(statements: &Value) -> Document {
    let value = json!({"Version": "2012-10-17", "Statement": statements});
    Document::from_value(Kind::Identity, &value).expect("a document")
}

fn allow(action: &str, resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

fn deny(action: &str, resource: &str) -> Value {
    json!({"Effect": "Deny", "Action": action, "Resource": resource})
}

fn limits() -> [Grant; 1] {
    [Grant::new("s3:GetObject", "arn:aws:s3:::own/*")]
}

fn beyond(identity: &Value, boundary: Option<&Value>) -> Vec<(String, String, Certainty)> {
    let (identity, boundary) = (document(identity), boundary.map(document));
    let found = grants_beyond(&[&identity], boundary.as_ref(), &limits()).unwrap();
    let parts = |found: Beyond| (found.action, found.resource, found.certainty);
    found.into_iter().map(parts).collect()
}

fn one(action: &str, resource: &str, certainty: Certainty) -> Vec<(String, String, Certainty)> {
    vec![(action.to_owned(), resource.to_owned(), certainty)]
}

#[test]
fn a_grant_that_a_limit_contains_does_not_exceed_the_limits() {
    assert_eq!(
        beyond(&json!([allow("s3:getobject", "arn:aws:s3:::own/a*")]), None),
        []
    );
}

#[test]
fn a_grant_that_nothing_narrows_is_certain() {
    let found = beyond(&json!([allow("s3:*", "arn:aws:s3:::other/*")]), None);
    assert_eq!(
        found,
        one("s3:*", "arn:aws:s3:::other/*", Certainty::Surely)
    );
}

#[test]
fn a_condition_a_variable_or_a_negated_list_makes_a_grant_uncertain() {
    let mut conditional = allow("s3:PutObject", "*");
    conditional["Condition"] = json!({"Bool": {"aws:SecureTransport": "true"}});
    let variable = allow("s3:GetObject", "arn:aws:s3:::${aws:PrincipalTag/team}/*");
    let negated = json!({"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"});
    for statement in [conditional, variable, negated] {
        let found = beyond(&json!([statement]), None);
        assert_eq!(found.len(), 1, "{statement}");
        assert_eq!(found[0].2, Certainty::Perhaps, "{statement}");
    }
}

#[test]
fn a_boundary_removes_all_of_a_grant_part_of_it_or_nothing() {
    let granted = json!([allow("s3:*", "arn:aws:s3:::other/*")]);
    for (boundary, left) in [
        (json!([allow("s3:GetObject", "arn:aws:s3:::own/*")]), None),
        (json!([allow("ec2:*", "*")]), None),
        (json!([allow("s3:Get*", "*")]), Some(Certainty::Perhaps)),
        (
            json!([allow("s3:*", "arn:aws:s3:::*")]),
            Some(Certainty::Surely),
        ),
        (
            json!([{"Effect": "Allow", "NotAction": "ec2:*", "Resource": "*"}]),
            Some(Certainty::Perhaps),
        ),
    ] {
        let found = beyond(&granted, Some(&boundary));
        assert_eq!(found.first().map(|found| found.2), left, "{boundary}");
    }
}

#[test]
fn a_deny_removes_all_of_a_grant_part_of_it_or_nothing() {
    let mut conditional = deny("*", "*");
    conditional["Condition"] = json!({"Bool": {"aws:SecureTransport": "false"}});
    for (denied, left) in [
        (deny("s3:*", "*"), None),
        (deny("s3:Put*", "*"), Some(Certainty::Perhaps)),
        (
            deny("s3:*", "arn:aws:s3:::other/x*"),
            Some(Certainty::Perhaps),
        ),
        (conditional, Some(Certainty::Perhaps)),
        (deny("ec2:*", "*"), Some(Certainty::Surely)),
        (
            json!({"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::own/*"}),
            Some(Certainty::Perhaps),
        ),
    ] {
        let granted = json!([allow("s3:GetObject", "arn:aws:s3:::other/*"), denied]);
        let granted = if denied["Action"] == "s3:Put*" {
            json!([allow("s3:*", "arn:aws:s3:::other/*"), denied])
        } else {
            granted
        };
        let found = beyond(&granted, None);
        assert_eq!(found.first().map(|found| found.2), left, "{denied}");
    }
}

#[test]
fn an_excess_touches_only_the_areas_that_it_overlaps() {
    let granted = document(&json!([allow(
        "secretsmanager:*",
        "arn:aws:secretsmanager:*:*:secret:pro*"
    )]));
    let found = grants_beyond(&[&granted], None, &limits()).unwrap();
    let area = |resource: &str| Grant::new("secretsmanager:GetSecretValue", resource);
    assert!(found[0].touches(&area("arn:aws:secretsmanager:us-west-2:1:secret:prod/*")));
    assert!(!found[0].touches(&area("arn:aws:secretsmanager:us-west-2:1:secret:other/*")));
    let other = Grant::new("s3:GetObject", "*");
    assert!(!found[0].touches(&other));
}

#[test]
fn coverage_reports_how_much_of_an_area_is_granted() {
    let secure = |mut statement: Value, value: &str| {
        statement["Condition"] = json!({"Bool": {"aws:SecureTransport": value}});
        statement
    };
    let own = || allow("s3:GetObject", "arn:aws:s3:::own/*");
    let tagged = allow("s3:Get*", "arn:aws:s3:::${aws:PrincipalTag/team}/*");
    let hanging = {
        let mut statement = own();
        statement["Condition"] = json!({"StringEquals": {"aws:SourceVpce": "x"}});
        statement
    };
    let all_but =
        json!({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::own/x*"});
    for (statements, covered) in [
        (json!([own()]), Coverage::All),
        (json!([allow("s3:*", "*")]), Coverage::All),
        (
            json!([allow("s3:GetObject", "arn:aws:s3:::own/a*")]),
            Coverage::Part,
        ),
        (
            json!([allow("s3:GetObject", "arn:aws:s3:::other/*")]),
            Coverage::Nothing,
        ),
        (json!([allow("s3:PutObject", "*")]), Coverage::Nothing),
        (json!([secure(own(), "true")]), Coverage::All),
        (json!([secure(own(), "false")]), Coverage::Nothing),
        (json!([hanging]), Coverage::Part),
        (json!([tagged]), Coverage::Part),
        (json!([all_but]), Coverage::Part),
        (
            json!([own(), secure(deny("*", "*"), "false")]),
            Coverage::All,
        ),
        (
            json!([own(), deny("s3:GetObject", "arn:aws:s3:::own/b*")]),
            Coverage::Part,
        ),
        (json!([own(), deny("s3:*", "*")]), Coverage::Nothing),
    ] {
        let context = Context::partial().with("aws:SecureTransport", "true");
        let identity = document(&statements);
        let found = coverage(
            "s3:GetObject",
            "arn:aws:s3:::own/*",
            &context,
            &[&identity],
            None,
        );
        assert_eq!(found, covered, "{statements}");
    }
}

#[test]
fn policies_that_were_written_to_be_hard_to_evaluate_are_too_large() {
    let stars = |letter: &str| format!("s3:{}*", format!("*{letter}").repeat(2_500));
    let identity: Vec<Document> = ["a", "b", "c", "d", "e", "f"]
        .iter()
        .map(|letter| document(&json!([allow(&stars(letter), "*"), deny(&stars("x"), "*")])))
        .collect();
    let identity: Vec<&Document> = identity.iter().collect();
    let error = grants_beyond(&identity, None, &[]).unwrap_err();
    insta::assert_snapshot!(error, @"too large to evaluate: this would take more than 200000000 steps");
}

#[test]
fn a_trust_policy_as_a_boundary_removes_every_grant() {
    let identity = document(&json!([allow("s3:*", "*")]));
    let text = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}}"#;
    let trust = Document::parse(Kind::Trust, text).expect("a trust policy");
    let request = Request::new("s3:GetObject", "arn:aws:s3:::own/a");
    assert!(!evaluate(&request, &[&identity], Some(&trust)).is_allowed());
    let found = grants_beyond(&[&identity], Some(&trust), &[]);
    assert_eq!(found, Ok(Vec::new()));
    let context = Context::new();
    let found = coverage(
        "s3:GetObject",
        "arn:aws:s3:::own/*",
        &context,
        &[&identity],
        Some(&trust),
    );
    assert_eq!(found, Coverage::Nothing);
}

#[test]
fn more_grants_than_anybody_can_read_are_too_large() {
    let list = |count: usize, make: fn(usize) -> String| (0..count).map(make).collect::<Vec<_>>();
    let statement = |count: usize| {
        let actions = list(count, |index| format!("a:B{index}"));
        let resources = list(count, |index| format!("arn:aws:s3:::{index}"));
        document(&json!([{"Effect": "Allow", "Action": actions, "Resource": resources}]))
    };
    let found = grants_beyond(&[&statement(100)], None, &[]);
    assert_eq!(found.map(|found| found.len()), Ok(10_000));
    assert!(grants_beyond(&[&statement(500)], None, &[]).is_err());
}

fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof!["a", "b", Just("*".to_owned()), Just("?".to_owned())],
        1..4,
    )
    .prop_map(|pieces| pieces.concat())
}

fn statement() -> impl Strategy<Value = Value> {
    (any::<bool>(), name(), name()).prop_map(|(allows, action, resource)| {
        let make = if allows { allow } else { deny };
        make(&format!("s3:{action}"), &format!("arn:aws:s3:::{resource}"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Compares with the evaluator: every request outside the limits that the evaluator allows is
    /// reported, and the evaluator allows every grant that is reported as certain.
    #[test]
    fn grants_beyond_the_limits_agree_with_the_evaluator(
        identity in proptest::collection::vec(statement(), 1..4),
        boundary in proptest::option::of(proptest::collection::vec(statement(), 1..3)),
        action in "[ab]{1,3}",
        resource in "[ab]{1,3}",
    ) {
        let limits = [Grant::new("s3:a*", "arn:aws:s3:::a*")];
        let identity = document(&json!(identity));
        let boundary = boundary.map(|statements| document(&json!(statements)));
        let found = grants_beyond(&[&identity], boundary.as_ref(), &limits).unwrap();
        let (action, resource) = (format!("s3:{action}"), format!("arn:aws:s3:::{resource}"));
        let request = Request::new(&action, &resource).in_context(Context::new());
        let allowed = evaluate(&request, &[&identity], boundary.as_ref()).is_allowed();
        let asked = Grant::new(&action, &resource);
        let touching = || found.iter().filter(|found| found.touches(&asked));
        let outside = !(action.starts_with("s3:a") && resource.starts_with("arn:aws:s3:::a"));
        if allowed && outside {
            prop_assert!(touching().next().is_some());
        }
        if touching().any(|found| found.certainty == Certainty::Surely) {
            prop_assert!(allowed);
        }
    }

    /// Compares with the evaluator: the evaluator allows each resource of an area that is granted
    /// completely, and none of an area of which nothing is granted.
    #[test]
    fn coverage_agrees_with_the_evaluator(
        identity in proptest::collection::vec(statement(), 1..4),
        boundary in proptest::option::of(proptest::collection::vec(statement(), 1..3)),
        action in "[ab]{1,2}",
        area in name(),
        resource in "[ab]{0,3}",
    ) {
        let identity = document(&json!(identity));
        let boundary = boundary.map(|statements| document(&json!(statements)));
        let (action, area) = (format!("s3:{action}"), format!("arn:aws:s3:::{area}"));
        let resource = area.replace('*', &resource).replace('?', "b");
        let context = Context::new();
        let covered = coverage(&action, &area, &context, &[&identity], boundary.as_ref());
        let request = Request::new(&action, &resource);
        let allowed = evaluate(&request, &[&identity], boundary.as_ref()).is_allowed();
        match covered {
            Coverage::All => prop_assert!(allowed),
            Coverage::Nothing => prop_assert!(!allowed),
            Coverage::Part => {}
        }
    }
}
