//! Condition operators; each row names the page of the IAM User Guide that it comes from.

use engine_roles_policy::{Context, Decision, Document, Kind, Request, evaluate};
use serde_json::{Value, json};

const OPERATORS: &str = "IAM JSON policy elements: Condition operators";
const LOGIC: &str = "Conditions with multiple context keys or values";
const SETS: &str = "Single-valued vs. multivalued context keys";
const KEYS: &str = "IAM JSON policy elements: Condition";
const VARIABLES: &str = "IAM policy elements: Variables and tags";
/// The guide does not say.
const OURS: &str = "decided here";

/// (page, Condition, values of the key `t:k` or `None` if it is absent, whether the condition
/// holds)
type Row<'a> = (&'a str, Value, Option<&'a [&'a str]>, bool);

/// Whether the condition holds; `None` if that is in doubt.
fn holds(effect: &str, condition: &Value, context: &Context) -> Option<bool> {
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": effect, "Action": "t:Act", "Resource": "*", "Condition": condition},
    ]});
    let policy = Document::from_value(Kind::Identity, &policy).unwrap();
    let request = Request::new("t:Act", "*").in_context(context.clone());
    let others = Document::parse(
        Kind::Identity,
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#,
    )
    .unwrap();
    let decision = match effect {
        "Allow" => evaluate(&request, &[&policy], None),
        _ => evaluate(&request, &[&others, &policy], None),
    };
    match (effect, decision) {
        (_, Decision::Indeterminate { missing, doubts }) => {
            assert!(missing.is_empty() && !doubts.is_empty(), "{doubts:?}");
            None
        }
        ("Allow", decision) => Some(decision.is_allowed()),
        (_, decision) => Some(matches!(decision, Decision::Denied { .. })),
    }
}

fn context(values: Option<&[&str]>) -> Context {
    match values {
        None => Context::new(),
        Some(values) => Context::new().with_values("t:k", values.iter().copied()),
    }
}

fn check(rows: &[Row]) {
    for (page, condition, values, expected) in rows {
        for effect in ["Allow", "Deny"] {
            assert_eq!(
                holds(effect, condition, &context(*values)),
                Some(*expected),
                "{effect} if {condition} where t:k is {values:?} ({page})"
            );
        }
    }
}

/// The guide does not say what these conditions give: neither an Allow nor a Deny is certain.
fn check_doubts(rows: &[(Value, Option<&[&str]>)]) {
    for (condition, values) in rows {
        for effect in ["Allow", "Deny"] {
            assert_eq!(
                holds(effect, condition, &context(*values)),
                None,
                "{effect} if {condition} where t:k is {values:?}"
            );
        }
    }
}

fn one(operator: &str, value: &str) -> Value {
    json!({ operator: { "t:k": value } })
}

#[test]
#[rustfmt::skip]
fn text_operators_compare_exactly_or_ignoring_case_or_by_pattern() {
    check(&[
        (OPERATORS, one("StringEquals", "a"), Some(&["a"]), true),
        (OPERATORS, one("StringEquals", "a"), Some(&["A"]), false),
        (OPERATORS, one("StringEquals", "a*"), Some(&["ab"]), false),
        (OPERATORS, one("StringEquals", "a*"), Some(&["a*"]), true),
        (OPERATORS, one("StringNotEquals", "a"), Some(&["b"]), true),
        (OPERATORS, one("StringNotEquals", "a"), Some(&["a"]), false),
        (OPERATORS, one("StringEqualsIgnoreCase", "aB"), Some(&["Ab"]), true),
        (OPERATORS, one("StringEqualsIgnoreCase", "aB"), Some(&["x"]), false),
        (OPERATORS, one("StringNotEqualsIgnoreCase", "aB"), Some(&["Ab"]), false),
        (OPERATORS, one("StringNotEqualsIgnoreCase", "aB"), Some(&["x"]), true),
        (OPERATORS, one("StringLike", "a*b?"), Some(&["a--bx"]), true),
        (OPERATORS, one("StringLike", "a*b?"), Some(&["a--b"]), false),
        (OPERATORS, one("StringLike", "A*"), Some(&["ab"]), false),
        (OPERATORS, one("StringLike", ""), Some(&[""]), true),
        (OPERATORS, one("StringNotLike", "a*"), Some(&["ab"]), false),
        (OPERATORS, one("StringNotLike", "a*"), Some(&["b"]), true),
    ]);
}

#[test]
#[rustfmt::skip]
fn numbers_are_compared_as_numbers() {
    check(&[
        (OPERATORS, one("NumericEquals", "10"), Some(&["10.0"]), true),
        (OPERATORS, one("NumericEquals", "10"), Some(&["010"]), true),
        (OPERATORS, one("NumericEquals", "10"), Some(&["1"]), false),
        (OPERATORS, json!({"NumericEquals": {"t:k": 10}}), Some(&["10"]), true),
        (OPERATORS, one("NumericNotEquals", "10"), Some(&["9"]), true),
        (OPERATORS, one("NumericNotEquals", "10"), Some(&["10"]), false),
        (OPERATORS, one("NumericLessThan", "10"), Some(&["9"]), true),
        (OPERATORS, one("NumericLessThan", "10"), Some(&["10"]), false),
        (OPERATORS, one("NumericLessThan", "-1.5"), Some(&["-1.51"]), true),
        (OPERATORS, one("NumericLessThanEquals", "10"), Some(&["10"]), true),
        (OPERATORS, one("NumericLessThanEquals", "10"), Some(&["10.01"]), false),
        (OPERATORS, one("NumericGreaterThan", "9"), Some(&["10"]), true),
        (OPERATORS, one("NumericGreaterThan", "9"), Some(&["9"]), false),
        (OPERATORS, one("NumericGreaterThanEquals", "9"), Some(&["9"]), true),
        (OPERATORS, one("NumericGreaterThanEquals", "9"), Some(&["8.9"]), false),
        // A 64-bit float could not distinguish these two.
        (OPERATORS, one("NumericEquals", "9007199254740993"), Some(&["9007199254740992"]), false),
    ]);
}

#[test]
fn numbers_without_quotes_keep_every_digit() {
    let holds = |written: &str, value: &str| {
        let text = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "t:Act",
                "Resource": "*", "Condition": {{"NumericEquals": {{"t:k": {written}}}}}}}}}"#
        );
        let policy = Document::parse(Kind::Identity, &text).expect(written);
        let context = Context::new().with("t:k", value);
        evaluate(
            &Request::new("t:Act", "*").in_context(context),
            &[&policy],
            None,
        )
        .is_allowed()
    };
    for (written, value, expected) in [
        ("100000000000000000001", "100000000000000000001", true),
        ("100000000000000000001", "100000000000000000000", false),
        ("0.1", "0.1", true),
        ("0.10000000000000000001", "0.1", false),
        ("[1, 2.50]", "2.5", true),
        ("1.5e3", "1500", true),
        ("-1.25E+1", "-12.5", true),
        ("125e-2", "1.25", true),
        ("5e-3", "0.005", true),
        ("0e5", "0", true),
        ("1e20", "100000000000000000000", true),
    ] {
        assert_eq!(holds(written, value), expected, "{written} {value}");
    }
}

#[test]
#[rustfmt::skip]
fn dates_are_compared_as_points_in_time() {
    check(&[
        (OPERATORS, one("DateEquals", "2026-01-02T03:04:05Z"), Some(&["2026-01-02T04:04:05+01:00"]), true),
        (OPERATORS, one("DateEquals", "2026-01-02T03:04:05Z"), Some(&["1767323045"]), true),
        (OPERATORS, one("DateEquals", "2026-01-02"), Some(&["2026-01-02T00:00:00Z"]), true),
        (OPERATORS, one("DateEquals", "2026"), Some(&["2026-01-01T00:00Z"]), true),
        (OPERATORS, one("DateEquals", "20260102T030405Z"), Some(&["2026-01-02T03:04:05.000Z"]), true),
        (OPERATORS, one("DateNotEquals", "2026-01-02"), Some(&["2026-01-03"]), true),
        (OPERATORS, one("DateNotEquals", "2026-01-02"), Some(&["2026-01-02"]), false),
        (OPERATORS, one("DateLessThan", "2026-01-01"), Some(&["2025-12-31T23:59:59.999Z"]), true),
        (OPERATORS, one("DateLessThan", "2026-01-01"), Some(&["2026-01-01T00:00:00Z"]), false),
        (OPERATORS, one("DateLessThanEquals", "2026-01-01"), Some(&["2026-01-01T00:00:00Z"]), true),
        (OPERATORS, one("DateGreaterThan", "2020-01-01T00:00:01Z"), Some(&["2020-01-01T00:00:02Z"]), true),
        (OPERATORS, one("DateGreaterThan", "2020-01-01T00:00:01Z"), Some(&["2020-01-01T00:00:01Z"]), false),
        (OPERATORS, one("DateGreaterThanEquals", "2024-02-29"), Some(&["2024-02-29T00:00:00Z"]), true),
    ]);
}

#[test]
#[rustfmt::skip]
fn booleans_bytes_and_addresses_are_compared_by_value() {
    check(&[
        (OPERATORS, one("Bool", "true"), Some(&["true"]), true),
        (OPERATORS, one("Bool", "false"), Some(&["true"]), false),
        (OPERATORS, json!({"Bool": {"t:k": true}}), Some(&["true"]), true),
        (OPERATORS, one("BinaryEquals", "QmluYXJ5VmFsdWVJbkJhc2U2NA=="), Some(&["QmluYXJ5VmFsdWVJbkJhc2U2NA=="]), true),
        (OPERATORS, one("BinaryEquals", "QQ=="), Some(&["Qg=="]), false),
        (OPERATORS, one("IpAddress", "203.0.113.0/24"), Some(&["203.0.113.255"]), true),
        (OPERATORS, one("IpAddress", "203.0.113.0/24"), Some(&["203.0.114.0"]), false),
        // The value of a request can be a range too; it matches if the policy's range contains it.
        (OURS, one("IpAddress", "10.0.0.0/8"), Some(&["10.0.0.0/1"]), false),
        (OPERATORS, one("IpAddress", "203.0.113.7"), Some(&["203.0.113.7"]), true),
        (OPERATORS, one("IpAddress", "203.0.113.7"), Some(&["203.0.113.8"]), false),
        (OPERATORS, one("IpAddress", "0.0.0.0/0"), Some(&["203.0.113.8"]), true),
        (OPERATORS, one("IpAddress", "::/0"), Some(&["2001:db8::1"]), true),
        (OPERATORS, one("IpAddress", "2001:DB8:1234:5678::/64"), Some(&["2001:db8:1234:5678::9"]), true),
        (OPERATORS, one("IpAddress", "2001:DB8:1234:5678::/64"), Some(&["2001:db8:1234:5679::9"]), false),
        (OPERATORS, one("IpAddress", "0.0.0.0/0"), Some(&["2001:db8::1"]), false),
        (OPERATORS, one("NotIpAddress", "203.0.113.0/24"), Some(&["203.0.113.9"]), false),
        (OPERATORS, one("NotIpAddress", "203.0.113.0/24"), Some(&["198.51.100.1"]), true),
    ]);
}

#[test]
#[rustfmt::skip]
fn arns_are_compared_piece_by_piece() {
    let pattern = "arn:aws:someservice:*:111122223333:finance/*";
    let within = "arn:aws:someservice:us-east-2:111122223333:finance/document.txt";
    let beyond =
        "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt";
    for operator in ["ArnLike", "ArnEquals"] {
        check(&[
            (OPERATORS, one(operator, pattern), Some(&[within]), true),
            (OPERATORS, one(operator, pattern), Some(&[beyond]), false),
            (OPERATORS, one(operator, "arn:aws:sns:*:*:A?"), Some(&["arn:aws:sns:r:1:Ab"]), true),
            (OPERATORS, one(operator, "arn:aws:sns:*:*:A?"), Some(&["arn:aws:sns:r:1:ab"]), false),
            (OPERATORS, one(operator, "arn:aws:sns:*:*:*"), Some(&["arn:aws:sns:r:1:a:b:c"]), true),
        ]);
    }
    check(&[
        (OPERATORS, one("StringLike", pattern), Some(&[beyond]), true),
        (OPERATORS, one("ArnNotLike", pattern), Some(&[beyond]), true),
        (OPERATORS, one("ArnNotLike", pattern), Some(&[within]), false),
        (OPERATORS, one("ArnNotEquals", pattern), Some(&[within]), false),
    ]);
    for operator in ["ArnLike", "ArnEquals", "ArnNotLike", "ArnNotEquals"] {
        check_doubts(&[
            (one(operator, pattern), Some(&["no arn"])),
            (one(operator, "admin"), Some(&[within])),
            (one(operator, "arn:aws:sns:*"), Some(&["arn:aws:sns:r:1:a"])),
            (one(operator, "*"), Some(&[within])),
        ]);
    }
}

#[test]
#[rustfmt::skip]
fn an_absent_key_fails_an_operator_but_passes_its_negation_and_if_exists() {
    let families = [
        ("StringEquals", "StringNotEquals", "a"),
        ("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "a"),
        ("StringLike", "StringNotLike", "a*"),
        ("NumericEquals", "NumericNotEquals", "1"),
        ("NumericLessThan", "NumericNotEquals", "1"),
        ("NumericLessThanEquals", "NumericNotEquals", "1"),
        ("NumericGreaterThan", "NumericNotEquals", "1"),
        ("NumericGreaterThanEquals", "NumericNotEquals", "1"),
        ("DateEquals", "DateNotEquals", "2026-01-01"),
        ("DateLessThan", "DateNotEquals", "2026-01-01"),
        ("DateLessThanEquals", "DateNotEquals", "2026-01-01"),
        ("DateGreaterThan", "DateNotEquals", "2026-01-01"),
        ("DateGreaterThanEquals", "DateNotEquals", "2026-01-01"),
        ("Bool", "StringNotEquals", "true"),
        ("BinaryEquals", "StringNotEquals", "QQ=="),
        ("IpAddress", "NotIpAddress", "10.0.0.0/8"),
        ("ArnEquals", "ArnNotEquals", "arn:aws:s3:::a"),
        ("ArnLike", "ArnNotLike", "arn:aws:s3:::a*"),
    ];
    for (test, negated, value) in families {
        check(&[
            (OPERATORS, one(test, value), None, false),
            (OPERATORS, one(test, value), Some(&[]), false),
            (OPERATORS, one(negated, value), None, true),
            (OPERATORS, one(&format!("{test}IfExists"), value), None, true),
            (OPERATORS, one(&format!("{negated}IfExists"), value), None, true),
            (SETS, one(&format!("ForAllValues:{test}"), value), None, true),
            (SETS, one(&format!("ForAnyValue:{test}"), value), None, false),
            (SETS, one(&format!("ForAllValues:{negated}"), value), None, true),
            (SETS, one(&format!("ForAnyValue:{negated}"), value), None, false),
            (SETS, one(&format!("ForAllValues:{test}IfExists"), value), None, true),
        ]);
        check_doubts(&[
            (one(&format!("ForAnyValue:{test}IfExists"), value), None),
            (one(&format!("ForAnyValue:{negated}IfExists"), value), None),
        ]);
    }
}

#[test]
#[rustfmt::skip]
fn if_exists_compares_a_key_that_is_present() {
    check(&[
        (OPERATORS, one("StringLikeIfExists", "t2.*"), Some(&["t2.micro"]), true),
        (OPERATORS, one("StringLikeIfExists", "t2.*"), Some(&["m5.large"]), false),
        (OPERATORS, one("StringNotEqualsIfExists", "a"), Some(&["a"]), false),
        (OPERATORS, one("NumericLessThanIfExists", "5"), Some(&["6"]), false),
        (OPERATORS, one("DateLessThanIfExists", "2026"), Some(&["2027"]), false),
        (OPERATORS, one("BoolIfExists", "true"), Some(&["false"]), false),
        (OPERATORS, one("BinaryEqualsIfExists", "QQ=="), Some(&["QQ=="]), true),
        (OPERATORS, one("IpAddressIfExists", "10.0.0.0/8"), Some(&["11.0.0.1"]), false),
        (OPERATORS, one("ArnLikeIfExists", "arn:aws:s3:::a"), Some(&["arn:aws:s3:::b"]), false),
    ]);
}

#[test]
fn null_tests_whether_the_key_is_absent() {
    check(&[
        (OPERATORS, one("Null", "true"), None, true),
        (OPERATORS, one("Null", "true"), Some(&["x"]), false),
        (OPERATORS, one("Null", "false"), None, false),
        (OPERATORS, one("Null", "false"), Some(&["x"]), true),
        (OPERATORS, json!({"Null": {"t:k": true}}), None, true),
        (OPERATORS, one("Null", "true"), Some(&[]), true),
    ]);
}

#[test]
fn a_null_test_of_an_empty_string_is_in_doubt() {
    for asked in ["true", "false"] {
        check_doubts(&[(one("Null", asked), Some(&[""]))]);
    }
    check(&[(
        OPERATORS,
        json!({"Null": {"t:k": ["true", "false"]}}),
        Some(&[""]),
        true,
    )]);
}

#[test]
#[rustfmt::skip]
fn one_value_of_a_condition_has_to_match_but_every_key_and_operator() {
    check(&[
        (LOGIC, json!({"StringEquals": {"t:k": ["a", "b"]}}), Some(&["b"]), true),
        (LOGIC, json!({"StringEquals": {"t:k": ["a", "b"]}}), Some(&["c"]), false),
        (LOGIC, json!({"StringNotEquals": {"t:k": ["a", "b"]}}), Some(&["b"]), false),
        (LOGIC, json!({"StringNotEquals": {"t:k": ["a", "b"]}}), Some(&["c"]), true),
        (LOGIC, json!({"StringEquals": {"t:k": "a", "t:other": "a"}}), Some(&["a"]), false),
        (LOGIC, json!({"StringEquals": {"t:k": "a"}, "StringLike": {"t:k": "b*"}}), Some(&["a"]), false),
        (LOGIC, json!({"StringEquals": {"t:k": "a"}, "StringLike": {"t:k": "a*"}}), Some(&["a"]), true),
        (KEYS, json!({"StringEquals": {"T:K": "a"}}), Some(&["a"]), true),
    ]);
}

#[test]
fn set_operators_test_all_values_of_the_request() {
    let listed = json!(["PostDateTime", "Message", "Tags"]);
    let all = json!({"ForAllValues:StringEquals": {"t:k": listed}});
    let any = json!({"ForAnyValue:StringEquals": {"t:k": listed}});
    let all_not = json!({"ForAllValues:StringNotEquals": {"t:k": listed}});
    let any_not = json!({"ForAnyValue:StringNotEquals": {"t:k": listed}});
    let both: &[&str] = &["PostDateTime", "Message"];
    let mixed: &[&str] = &["PostDateTime", "UserName"];
    let neither: &[&str] = &["Id", "UserName"];
    check(&[
        (SETS, all.clone(), Some(both), true),
        (SETS, all.clone(), Some(mixed), false),
        (SETS, all.clone(), Some(neither), false),
        (SETS, any.clone(), Some(both), true),
        (SETS, any.clone(), Some(mixed), true),
        (SETS, any.clone(), Some(neither), false),
        (SETS, all_not.clone(), Some(both), false),
        (SETS, all_not.clone(), Some(mixed), false),
        (SETS, all_not, Some(neither), true),
        (SETS, any_not.clone(), Some(both), false),
        (SETS, any_not.clone(), Some(mixed), true),
        (SETS, any_not, Some(neither), true),
        // A set with only an empty string counts as an empty set.
        (SETS, all.clone(), Some(&[]), true),
        (SETS, any.clone(), Some(&[]), false),
        (SETS, all, Some(&[""]), true),
        (SETS, any, Some(&[""]), false),
    ]);
}

#[test]
fn without_a_set_operator_a_key_with_several_values_is_in_doubt() {
    for operator in ["StringEquals", "StringNotEquals", "StringLikeIfExists"] {
        check_doubts(&[
            (one(operator, "a"), Some(&["x", "a"])),
            (one(operator, "a"), Some(&["x", "y"])),
        ]);
    }
}

#[test]
#[rustfmt::skip]
fn values_that_cannot_be_compared_are_in_doubt() {
    check_doubts(&[
        (one("NumericEquals", "1"), Some(&["many"])),
        (one("NumericNotEquals", "1"), Some(&["many"])),
        (one("DateNotEquals", "2026"), Some(&["today"])),
        (one("NotIpAddress", "10.0.0.0/8"), Some(&["localhost"])),
        (one("Bool", "true"), Some(&["yes"])),
        (one("BinaryEquals", "QQ=="), Some(&["?"])),
    ]);
    // Another value of the policy settles the matter.
    check(&[
        (OPERATORS, json!({"ArnLike": {"t:k": ["admin", "arn:aws:s3:::a"]}}), Some(&["arn:aws:s3:::a"]), true),
        (OPERATORS, json!({"ArnNotLike": {"t:k": ["admin", "arn:aws:s3:::a"]}}), Some(&["arn:aws:s3:::a"]), false),
    ]);
}

#[test]
#[rustfmt::skip]
fn nothing_equals_a_variable_without_a_value_so_negated_operators_hold() {
    check(&[
        (VARIABLES, one("StringEquals", "${t:missing}"), Some(&["${t:missing}"]), false),
        (VARIABLES, one("StringLike", "${t:missing}*"), Some(&["a"]), false),
        (VARIABLES, one("StringNotEquals", "${t:missing}"), Some(&["a"]), true),
        (VARIABLES, one("StringNotLike", "${t:missing}*"), Some(&["a"]), true),
        (VARIABLES, one("ArnNotLike", "arn:aws:s3:::${t:missing}"), Some(&["arn:aws:s3:::a"]), true),
        (VARIABLES, json!({"StringNotEquals": {"t:k": ["${t:missing}", "a"]}}), Some(&["a"]), false),
    ]);
}

#[test]
#[rustfmt::skip]
fn values_of_text_and_arn_operators_can_have_variables_escapes_and_defaults() {
    let context = |value: &str| {
        Context::new()
            .with("t:k", value)
            .with("aws:username", "ann*")
            .with_values("t:many", ["a", "b"])
    };
    for (operator, own, value, expected) in [
        ("StringEquals", "${aws:username}", "ann*", true),
        ("StringEquals", "${AWS:UserName}", "ann*", true),
        ("StringLike", "home/${aws:username}/*", "home/ann*/x", true),
        // A star in the value of a variable is not a wildcard.
        ("StringLike", "home/${aws:username}/*", "home/anna/x", false),
        ("StringLike", "${*}", "*", true),
        ("StringLike", "${*}", "x", false),
        ("StringLike", "${?}", "?", true),
        ("StringLike", "${?}", "x", false),
        ("StringLike", "${$}{aws:username}", "${aws:username}", true),
        ("StringEquals", "${aws:userid, 'anonymous'}", "anonymous", true),
        ("StringEquals", "${aws:username, 'anonymous'}", "anonymous", false),
        ("StringEquals", "${aws:username, 'anonymous'}", "ann*", true),
        ("StringLike", "${aws:userid, '*'}", "x", false),
        ("StringEquals", "${aws:userid, ''}", "", true),
        ("ArnLike", "arn:aws:s3:::${aws:username}", "arn:aws:s3:::ann*", true),
        ("ArnLike", "arn:aws:s3:::${aws:username}", "arn:aws:s3:::annx", false),
    ] {
        assert_eq!(
            holds("Allow", &one(operator, own), &context(value)),
            Some(expected),
            "{operator} {own} {value} ({VARIABLES})"
        );
    }
    let many = one("StringEquals", "${t:many}");
    assert_eq!(holds("Allow", &many, &context("a")), None);
}
