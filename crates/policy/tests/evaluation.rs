//! Requests and policies; each row names the page of the IAM User Guide that it comes from.

use engine_roles_policy::{
    Context, Decision, Document, Kind, Principal, Request, Source, evaluate, evaluate_trust,
};
use serde_json::{Value, json};

const LOGIC: &str = "Policy evaluation logic";
const ACTION: &str = "IAM JSON policy elements: Action";
const NOT_ACTION: &str = "IAM JSON policy elements: NotAction";
const RESOURCE: &str = "IAM JSON policy elements: Resource";
const NOT_RESOURCE: &str = "IAM JSON policy elements: NotResource";
const VERSION: &str = "IAM JSON policy elements: Version";
const VARIABLES: &str = "IAM policy elements: Variables and tags";
const BOUNDARY: &str = "Permissions boundaries for IAM entities";
const ARNS: &str = "Identify AWS resources with Amazon Resource Names (ARNs)";
const PRINCIPAL: &str = "AWS JSON policy elements: Principal";

fn identity(statements: &Value) -> Document {
    versioned("2012-10-17", statements)
}

fn versioned(version: &str, statements: &Value) -> Document {
    let document = json!({"Version": version, "Statement": statements});
    Document::from_value(Kind::Identity, &document).unwrap()
}

fn boundary(statements: &Value) -> Document {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    Document::from_value(Kind::Boundary, &document).unwrap()
}

fn trust(statements: &Value) -> Document {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    Document::from_value(Kind::Trust, &document).unwrap()
}

fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Allowed { .. } => "allowed",
        Decision::Denied { .. } => "denied",
        Decision::NotAllowed => "not allowed",
        Decision::Indeterminate { .. } => "indeterminate",
    }
}

#[test]
#[rustfmt::skip]
fn a_request_is_decided_by_action_resource_and_effect() {
    let allow = json!({"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::a/*"});
    let deny = json!({"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::a/secret/*"});
    let not_action = json!({"Effect": "Allow", "NotAction": ["iam:*", "S3:Put*"], "Resource": "*"});
    let not_resource =
        json!({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::a/*"});
    let deny_not_resource = json!({"Effect": "Deny", "Action": "s3:*", "NotResource": ["arn:aws:s3:::a", "arn:aws:s3:::a/*"]});
    let deny_not_action = json!({"Effect": "Deny", "NotAction": "s3:Get*", "Resource": "*"});
    let all = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let rows: &[(&str, Value, &str, &str, &str)] = &[
        (LOGIC, json!([allow]), "s3:GetObject", "a/1", "allowed"),
        (LOGIC, json!([allow]), "s3:PutObject", "a/1", "not allowed"),
        (LOGIC, json!([allow]), "s3:GetObject", "b/1", "not allowed"),
        (LOGIC, json!([allow, deny]), "s3:GetObject", "a/secret/1", "denied"),
        (LOGIC, json!([deny, allow]), "s3:GetObject", "a/secret/1", "denied"),
        (LOGIC, json!([deny, allow]), "s3:GetObject", "a/1", "allowed"),
        (LOGIC, json!([deny]), "s3:GetObject", "a/1", "not allowed"),
        (ACTION, json!([allow]), "S3:getobject", "a/1", "allowed"),
        (ACTION, json!([all]), "anything:AtAll", "a", "allowed"),
        (ACTION, json!({"Effect": "Allow", "Action": "s3:?etObject", "Resource": "*"}), "s3:GetObject", "a", "allowed"),
        (ACTION, json!({"Effect": "Allow", "Action": "*:*", "Resource": "*"}), "s3:GetObject", "a", "allowed"),
        (RESOURCE, json!([allow]), "s3:GetObject", "A/1", "not allowed"),
        (RESOURCE, json!([allow]), "s3:GetObject", "a/1:2/3", "allowed"),
        (RESOURCE, json!([allow]), "s3:GetObject", "a", "not allowed"),
        (NOT_ACTION, json!([not_action]), "s3:GetObject", "a", "allowed"),
        (NOT_ACTION, json!([not_action]), "s3:PutObject", "a", "not allowed"),
        (NOT_ACTION, json!([not_action]), "iam:CreateUser", "a", "not allowed"),
        (NOT_ACTION, json!([all, deny_not_action]), "s3:PutObject", "a", "denied"),
        (NOT_ACTION, json!([all, deny_not_action]), "s3:GetObject", "a", "allowed"),
        (NOT_RESOURCE, json!([not_resource]), "s3:GetObject", "b/1", "allowed"),
        (NOT_RESOURCE, json!([not_resource]), "s3:GetObject", "a/1", "not allowed"),
        (NOT_RESOURCE, json!([all, deny_not_resource]), "s3:GetObject", "b/1", "denied"),
        (NOT_RESOURCE, json!([all, deny_not_resource]), "s3:GetObject", "a/1", "allowed"),
    ];
    for (page, statements, action, resource, expected) in rows {
        let request = Request::new(*action, format!("arn:aws:s3:::{resource}"));
        let decision = evaluate(&request, &[&identity(statements)], None);
        assert_eq!(
            word(&decision),
            *expected,
            "{action} on {resource} under {statements} ({page})"
        );
    }
}

#[test]
#[rustfmt::skip]
fn an_incomplete_arn_matches_like_the_arn_completed_with_stars() {
    let secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf";
    let rows: &[(&str, &str, bool)] = &[
        ("arn:aws:secretsmanager", secret, true),
        ("arn:aws:secretsmanager:*", secret, true),
        ("arn:aws:secretsmanager:us-east-1", secret, true),
        ("arn:aws:secretsmanager:eu-west-1", secret, false),
        ("arn:aws:logs:*", secret, false),
        ("arn:aws:organizations::*:", "arn:aws:organizations::111122223333:account/o-1/2", true),
        ("arn:aws:organizations::*:", "arn:aws:organizations:us-east-1:111122223333:x", false),
    ];
    for (written, asked, matched) in rows {
        let only = identity(&json!({"Effect": "Allow", "Action": "a:B", "Resource": written}));
        let except = identity(&json!({"Effect": "Allow", "Action": "a:B", "NotResource": written}));
        let request = Request::new("a:B", *asked);
        assert_eq!(evaluate(&request, &[&only], None).is_allowed(), *matched, "{written} ({ARNS})");
        assert_eq!(evaluate(&request, &[&except], None).is_allowed(), !matched, "{written} ({ARNS})");
    }
}

#[test]
fn stars_and_question_marks_in_a_request_are_literal() {
    let policy = identity(
        &json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a"}),
    );
    for (action, resource) in [
        ("s3:*", "arn:aws:s3:::a"),
        ("s3:GetObject", "arn:aws:s3:::*"),
        ("s3:GetObject", "*"),
        ("s3:GetObject", "arn:aws:s3:::?"),
    ] {
        let decision = evaluate(&Request::new(action, resource), &[&policy], None);
        assert_eq!(decision, Decision::NotAllowed, "{action} on {resource}");
    }
}

#[test]
fn a_decision_names_the_statement_that_decides() {
    let first = identity(&json!([{"Effect": "Allow", "Action": "a:B", "Resource": "*"}]));
    let second = identity(&json!([
        {"Effect": "Allow", "Action": "a:C", "Resource": "*"},
        {"Sid": "NoD", "Effect": "Deny", "Action": "a:D", "Resource": "*"},
    ]));
    let Decision::Denied { by } = evaluate(&Request::new("a:D", "*"), &[&first, &second], None)
    else {
        panic!("a:D is denied");
    };
    assert_eq!(
        (by.source, by.document, by.statement),
        (Source::Identity, 1, 1)
    );
    assert_eq!(by.to_string(), "statement NoD of policy 1");
    insta::assert_snapshot!(
        serde_json::to_string(&evaluate(&Request::new("a:C", "*"), &[&first, &second], None)).unwrap(),
        @r#"{"decision":"allowed","by":{"source":"identity","document":1,"statement":0,"sid":null}}"#
    );
}

#[test]
fn a_boundary_limits_what_is_granted_and_its_deny_applies() {
    let policy =
        identity(&json!({"Effect": "Allow", "Action": ["a:B", "a:C", "a:D"], "Resource": "*"}));
    let boundary = boundary(&json!([
        {"Effect": "Allow", "Action": ["a:B", "a:D", "a:E"], "Resource": "*"},
        {"Effect": "Deny", "Action": "a:D", "Resource": "*"},
    ]));
    for (action, expected) in [
        ("a:B", "allowed"),
        ("a:C", "not allowed"),
        ("a:D", "denied"),
        ("a:E", "not allowed"),
        ("a:F", "not allowed"),
    ] {
        let decision = evaluate(&Request::new(action, "*"), &[&policy], Some(&boundary));
        assert_eq!(word(&decision), expected, "{action} ({BOUNDARY})");
    }
    // A boundary alone grants nothing.
    let decision = evaluate(&Request::new("a:B", "*"), &[], Some(&boundary));
    assert_eq!(decision, Decision::NotAllowed, "{BOUNDARY}");
}

#[test]
#[rustfmt::skip]
fn a_variable_in_a_resource_matches_its_value_literally_or_matches_nothing() {
    let allow = |resource: &str| json!({"Effect": "Allow", "Action": "s3:*", "Resource": resource});
    let own = allow("arn:aws:s3:::b/${aws:username}/*");
    let ann = Context::new().with("aws:username", "ann");
    let star = Context::new().with("AWS:USERNAME", "*");
    let none = Context::new();
    let many = Context::new().with_values("aws:username", ["ann", "bob"]);
    let rows: &[(&str, &Value, &Context, &str, bool)] = &[
        (VARIABLES, &own, &ann, "b/ann/1", true),
        (VARIABLES, &own, &ann, "b/bob/1", false),
        (VARIABLES, &own, &star, "b/ann/1", false),
        (VARIABLES, &own, &star, "b/*/1", true),
        (VARIABLES, &own, &none, "b/ann/1", false),
        (VARIABLES, &own, &none, "b/${aws:username}/1", false),
        (VARIABLES, &own, &none, "b//1", false),
        (VARIABLES, &own, &many, "b/ann/1", false),
        (VARIABLES, &allow("arn:aws:s3:::b/${aws:userid, 'anonymous'}"), &ann, "b/anonymous", true),
        (VARIABLES, &allow("arn:aws:s3:::b/${aws:username, 'anonymous'}"), &ann, "b/anonymous", false),
        (VARIABLES, &allow("arn:aws:s3:::b/${*}"), &ann, "b/*", true),
        (VARIABLES, &allow("arn:aws:s3:::b/${*}"), &ann, "b/x", false),
        (VARIABLES, &allow("arn:aws:s3:::b/${?}"), &ann, "b/x", false),
        (VARIABLES, &allow("arn:aws:s3:::b/${$}{a}"), &ann, "b/${a}", true),
        (VARIABLES, &allow("arn:aws:s3:::b/$5"), &ann, "b/$5", true),
    ];
    for (page, statement, context, resource, expected) in rows {
        let request = Request::new("s3:GetObject", format!("arn:aws:s3:::{resource}"))
            .in_context((*context).clone());
        let decision = evaluate(&request, &[&identity(statement)], None);
        assert_eq!(
            decision.is_allowed(),
            *expected,
            "{resource} under {statement} ({page})"
        );
    }
}

#[test]
fn the_old_version_has_no_variables() {
    let statement = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${aws:username}/*"});
    let context = Context::new().with("aws:username", "ann");
    let versionless =
        Document::from_value(Kind::Identity, &json!({"Statement": statement})).unwrap();
    for policy in [versioned("2008-10-17", &statement), versionless] {
        for (resource, expected) in [("b/ann/1", false), ("b/${aws:username}/1", true)] {
            let request = Request::new("s3:GetObject", format!("arn:aws:s3:::{resource}"))
                .in_context(context.clone());
            assert_eq!(
                evaluate(&request, &[&policy], None).is_allowed(),
                expected,
                "{resource} ({VERSION})"
            );
        }
    }
}

#[test]
fn not_resource_covers_everything_if_its_variable_has_no_value() {
    let statement = |effect: &str| json!({"Effect": effect, "Action": "s3:*", "NotResource": "arn:aws:s3:::b/${aws:username}/*"});
    let request = Request::new("s3:GetObject", "arn:aws:s3:::b/ann/1");
    let allow = evaluate(&request, &[&identity(&statement("Allow"))], None);
    assert_eq!(word(&allow), "allowed", "{VARIABLES}");
    let deny = evaluate(&request, &[&identity(&statement("Deny"))], None);
    assert_eq!(word(&deny), "denied", "{VARIABLES}");
    let ann = request.in_context(Context::new().with("aws:username", "ann"));
    let allow = evaluate(&ann, &[&identity(&statement("Allow"))], None);
    assert_eq!(word(&allow), "not allowed", "{VARIABLES}");
}

#[test]
#[rustfmt::skip]
fn a_trust_policy_matches_the_principal() {
    let account = "arn:aws:iam::111122223333:root";
    let role = "arn:aws:iam::111122223333:role/team/builder";
    let session = "arn:aws:sts::111122223333:assumed-role/builder/i-0abc";
    let user = "arn:aws:iam::111122223333:user/ann";
    let ec2 = Principal::service("ec2.amazonaws.com");
    let rows: &[(Value, Principal, bool)] = &[
        (json!({"Service": "ec2.amazonaws.com"}), ec2.clone(), true),
        (json!({"Service": ["ssm.amazonaws.com", "ec2.amazonaws.com"]}), ec2.clone(), true),
        (json!({"Service": "ec2.amazonaws.com.cn"}), ec2.clone(), false),
        (json!({"AWS": "111122223333"}), ec2.clone(), false),
        (json!({"AWS": "*"}), ec2, true),
        (json!("*"), Principal::aws(user), true),
        (json!({"AWS": account}), Principal::aws(user), true),
        (json!({"AWS": "111122223333"}), Principal::aws(role), true),
        (json!({"AWS": "111122223333"}), Principal::aws(account), true),
        (json!({"AWS": "999999999999"}), Principal::aws(user), false),
        (json!({"AWS": user}), Principal::aws(user), true),
        (json!({"AWS": user}), Principal::aws("arn:aws:iam::111122223333:user/Ann"), false),
        (json!({"AWS": role}), Principal::aws(session), true),
        (json!({"AWS": role}), Principal::aws("arn:aws:sts::999999999999:assumed-role/builder/i-0abc"), false),
        (json!({"AWS": role}), Principal::aws("arn:aws-cn:sts::111122223333:assumed-role/builder/i-0abc"), false),
        (json!({"AWS": session}), Principal::aws(session), true),
        (json!({"AWS": session}), Principal::aws(role), false),
        (json!({"Federated": "accounts.google.com"}), Principal::Federated("accounts.google.com".into()), true),
        (json!({"Federated": "accounts.google.com"}), Principal::service("accounts.google.com"), false),
    ];
    for (named, caller, expected) in rows {
        let policy =
            trust(&json!({"Effect": "Allow", "Principal": named, "Action": "sts:AssumeRole"}));
        let decision = evaluate_trust(&Request::assume_role(caller.clone()), &policy);
        assert_eq!(
            decision.is_allowed(),
            *expected,
            "{caller} under {named} ({PRINCIPAL})"
        );
    }
}

#[test]
fn a_trust_policy_can_deny_and_can_have_conditions() {
    let policy = trust(&json!([
        {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole",
         "Condition": {"StringEquals": {"sts:ExternalId": "x"}}},
        {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::111122223333:user/bob"}, "Action": "sts:*"},
    ]));
    let by = |user: &str| {
        Request::assume_role(Principal::aws(format!(
            "arn:aws:iam::111122223333:user/{user}"
        )))
    };
    let with_id = Context::new().with("sts:ExternalId", "x");
    assert_eq!(word(&evaluate_trust(&by("ann"), &policy)), "not allowed");
    assert_eq!(
        word(&evaluate_trust(
            &by("ann").in_context(with_id.clone()),
            &policy
        )),
        "allowed"
    );
    assert_eq!(
        word(&evaluate_trust(&by("bob").in_context(with_id), &policy)),
        "denied"
    );
    assert_eq!(
        word(&evaluate_trust(
            &Request::new("sts:AssumeRole", "*"),
            &policy
        )),
        "not allowed"
    );
}

#[test]
fn documents_of_the_wrong_kind_grant_nothing() {
    let wide = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let anyone = trust(&json!({"Effect": "Allow", "Principal": "*", "Action": "*"}));
    let request = Request::assume_role(Principal::aws("111122223333"));
    assert_eq!(evaluate(&request, &[&anyone], None), Decision::NotAllowed);
    assert_eq!(
        evaluate(&request, &[&identity(&wide)], Some(&anyone)),
        Decision::NotAllowed
    );
    assert_eq!(
        evaluate_trust(&request, &identity(&wide)),
        Decision::NotAllowed
    );
}

#[test]
#[rustfmt::skip]
fn an_unknown_key_makes_a_decision_indeterminate_only_where_it_matters() {
    let allow = json!({"Effect": "Allow", "Action": "a:B", "Resource": "*"});
    let allow_if = json!({"Effect": "Allow", "Action": "a:B", "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalTag/team": "x"}, "Bool": {"aws:SecureTransport": "true"}}});
    let deny_if = json!({"Effect": "Deny", "Action": "a:*", "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}});
    let deny = json!({"Effect": "Deny", "Action": "a:*", "Resource": "*"});
    let secure = Context::partial().with("aws:SecureTransport", "true");
    check_partial(&[
        (json!([allow_if]), Context::partial(), "indeterminate", &["aws:PrincipalTag/team", "aws:SecureTransport"]),
        (json!([allow_if]), secure.clone(), "indeterminate", &["aws:PrincipalTag/team"]),
        (json!([allow_if]), secure.clone().with("aws:principaltag/team", "x"), "allowed", &[]),
        (json!([allow_if]), secure.clone().with_absent("aws:PrincipalTag/team"), "not allowed", &[]),
        (json!([allow_if]), Context::partial().with("aws:SecureTransport", "false"), "not allowed", &[]),
        (json!([allow_if]), Context::new(), "not allowed", &[]),
        (json!([allow_if]), Context::new().with("aws:SecureTransport", "true").with_unknown("aws:PrincipalTag/team"), "indeterminate", &["aws:PrincipalTag/team"]),
        (json!([allow_if, allow]), Context::partial(), "allowed", &[]),
        (json!([allow_if, deny]), Context::partial(), "denied", &[]),
        (json!([allow, deny_if]), Context::partial(), "indeterminate", &["aws:SourceVpc"]),
        (json!([allow, deny_if]), Context::partial().with("aws:SourceVpc", "vpc-1"), "allowed", &[]),
        // The request is denied whether or not the Deny matches, because nothing allows it.
        (json!([deny_if]), Context::partial(), "not allowed", &[]),
    ]);
}

#[test]
#[rustfmt::skip]
fn an_unknown_key_in_a_variable_or_a_null_test_makes_a_decision_indeterminate() {
    let like = json!({"Effect": "Allow", "Action": "a:B", "Resource": "*",
        "Condition": {"StringLike": {"t:k": ["a", "${aws:username}"]}}});
    check_partial(&[
        (json!({"Effect": "Allow", "Action": "a:B", "Resource": "arn:aws:s3:::${aws:username}"}), Context::partial(), "indeterminate", &["aws:username"]),
        (json!({"Effect": "Allow", "Action": "a:B", "Resource": ["arn:aws:s3:::${aws:username}", "*"]}), Context::partial(), "allowed", &[]),
        (json!({"Effect": "Allow", "Action": "a:B", "Resource": "*", "Condition": {"Null": {"aws:TokenIssueTime": "true"}}}), Context::partial(), "indeterminate", &["aws:TokenIssueTime"]),
        (json!(like), Context::partial().with("t:k", "a"), "allowed", &[]),
        (json!(like), Context::partial().with("t:k", "b"), "indeterminate", &["aws:username"]),
    ]);
}

/// (statements, context, decision, the missing keys)
fn check_partial(rows: &[(Value, Context, &str, &[&str])]) {
    for (statements, context, expected, keys) in rows {
        let request = Request::new("a:B", "arn:aws:s3:::x").in_context(context.clone());
        let decision = evaluate(&request, &[&identity(statements)], None);
        assert_eq!(word(&decision), *expected, "{statements} in {context:?}");
        if let Decision::Indeterminate { missing, .. } = decision {
            assert_eq!(
                missing.iter().collect::<Vec<_>>(),
                *keys,
                "{statements} in {context:?}"
            );
        }
    }
}
