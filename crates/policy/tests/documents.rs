//! Reading, writing and comparing documents.

use std::collections::BTreeMap;

use engine_roles_policy::render::{self, RenderError};
use engine_roles_policy::{
    Context, Document, Grant, Kind, Principal, Request, Statement, Test, evaluate, grants_within,
    size_of_text,
};
use serde_json::{Value, json};

#[test]
fn a_document_built_in_code_is_written_compactly_in_a_fixed_order() {
    let document = Document::new(
        Kind::Identity,
        vec![
            Statement::allow(
                "ReadSecrets",
                ["secretsmanager:GetSecretValue"],
                ["arn:aws:secretsmanager:us-east-1:123456789012:secret:compute-engine/a/*"],
            )
            .when(Test::StringEquals, "aws:RequestedRegion", ["us-east-1"]),
        ],
    )
    .unwrap();
    insta::assert_snapshot!(document.to_json(), @r#"{"Version":"2012-10-17","Statement":[{"Sid":"ReadSecrets","Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:us-east-1:123456789012:secret:compute-engine/a/*","Condition":{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}}]}"#);
    assert_eq!(document.size(), size_of_text(&document.to_json()));
    assert_eq!(
        Document::parse(Kind::Identity, &document.to_json()).unwrap(),
        document
    );
}

#[test]
fn the_indented_text_has_the_same_order_and_the_same_meaning() {
    let document = Document::new(
        Kind::Identity,
        vec![
            Statement::allow("A", ["s3:Get*", "s3:List*"], ["arn:aws:s3:::a,b:{c}"]).when(
                Test::StringLike,
                "aws:PrincipalTag/note",
                ["a \"quoted\" one\\", "ends in \\\\"],
            ),
            Statement::deny("B", ["*"], ["*"]),
        ],
    )
    .unwrap();
    let pretty = document.to_pretty_json();
    assert_eq!(Document::parse(Kind::Identity, &pretty).unwrap(), document);
    insta::assert_snapshot!(pretty, @r#"
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Sid": "A",
          "Effect": "Allow",
          "Action": [
            "s3:Get*",
            "s3:List*"
          ],
          "Resource": "arn:aws:s3:::a,b:{c}",
          "Condition": {
            "StringLike": {
              "aws:PrincipalTag/note": [
                "a \"quoted\" one\\",
                "ends in \\\\"
              ]
            }
          }
        },
        {
          "Sid": "B",
          "Effect": "Deny",
          "Action": "*",
          "Resource": "*"
        }
      ]
    }
    "#);
}

#[test]
fn a_written_trust_policy_has_a_principal_and_no_resource() {
    let document = Document::new(
        Kind::Trust,
        vec![Statement::trust(
            "",
            Principal::service("ec2.amazonaws.com"),
            ["sts:AssumeRole"],
        )],
    )
    .unwrap();
    insta::assert_snapshot!(document.to_json(), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#);
}

fn identity(statements: &Value) -> Document {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    Document::from_value(Kind::Identity, &document).unwrap()
}

#[test]
fn documents_of_the_same_meaning_are_equivalent() {
    let statement = |action: Value, resource: Value| json!({"Effect": "Allow", "Action": action, "Resource": resource});
    let same = [
        (
            json!(statement(json!("s3:GetObject"), json!("*"))),
            json!([{"Sid": "X", "Resource": ["*"], "Action": ["S3:getobject"], "Effect": "Allow"}]),
        ),
        (
            json!([statement(json!(["a:B", "a:C"]), json!("*"))]),
            json!([
                statement(json!("a:C"), json!("*")),
                statement(json!("a:B"), json!("*"))
            ]),
        ),
        (
            json!([statement(
                json!(["s3:Get*", "s3:GetObject", "s3:Get**"]),
                json!("*")
            )]),
            json!([statement(json!("s3:Get*"), json!("*"))]),
        ),
        (
            json!([statement(
                json!("a:B"),
                json!(["arn:aws:s3:::a*?", "arn:aws:s3:::a?*"])
            )]),
            json!([statement(json!("a:B"), json!("arn:aws:s3:::a?*"))]),
        ),
        (
            json!([{"Effect": "Allow", "Action": "a:B", "Resource": "*", "Condition": {"ArnEquals": {"AWS:SourceArn": ["arn:aws:s3:::a"]}, "Bool": {"aws:SecureTransport": true}}}]),
            json!([{"Effect": "Allow", "Action": "a:B", "Resource": "*", "Condition": {"Bool": {"aws:securetransport": "true"}, "ArnLike": {"aws:SourceArn": "arn:aws:s3:::a"}}}]),
        ),
    ];
    for (one, two) in same {
        assert!(
            identity(&one).equivalent(&identity(&two)),
            "{one} and {two}"
        );
    }
}

#[test]
fn an_incomplete_arn_means_the_same_as_the_arn_completed_with_stars() {
    let allow = |resource: &str| {
        identity(&json!({"Effect": "Allow", "Action": "a:B", "Resource": resource}))
    };
    for (short, whole) in [
        ("arn:aws:sqs", "arn:aws:sqs:*:*:*"),
        ("arn:aws:cloudfront:*", "arn:aws:cloudfront:*:*:*"),
        (
            "arn:aws:secretsmanager:us-east-1",
            "arn:aws:secretsmanager:us-east-1:*:*",
        ),
        ("arn:aws:organizations::*:", "arn:aws:organizations::*:*"),
        ("arn:aws:s3:::", "arn:aws:s3:::*"),
    ] {
        assert_eq!(allow(short).to_value(), allow(whole).to_value());
        assert_eq!(allow(short).to_json(), allow(whole).to_json());
        let limits = [Grant::new("a:B", whole)];
        assert_eq!(grants_within(&allow(short), &limits), Ok(()));
    }
}

#[test]
fn documents_of_different_meaning_are_not_equivalent() {
    let base = json!({"Effect": "Allow", "Action": "a:B", "Resource": "arn:aws:s3:::a"});
    let change = |name: &str, value: Value| {
        let mut other = base.clone();
        other[name] = value;
        other
    };
    for other in [
        change("Effect", json!("Deny")),
        change("Action", json!("a:C")),
        change("Action", json!(["a:B", "a:C"])),
        change("Resource", json!("arn:aws:s3:::A")),
        change("Resource", json!("arn:aws:s3:::a*")),
        change(
            "Condition",
            json!({"Bool": {"aws:SecureTransport": "true"}}),
        ),
    ] {
        assert!(!identity(&base).equivalent(&identity(&other)), "{other}");
    }
    let with = |condition: Value| identity(&change("Condition", condition));
    let equals = with(json!({"StringEquals": {"t:k": "a"}}));
    assert!(!equals.equivalent(&with(json!({"StringEquals": {"t:k": "A"}}))));
    assert!(!equals.equivalent(&with(json!({"StringEqualsIfExists": {"t:k": "a"}}))));
    assert!(!equals.equivalent(&with(json!({"ForAllValues:StringEquals": {"t:k": "a"}}))));
    let boundary = Document::new(Kind::Boundary, identity(&base).statements().to_vec()).unwrap();
    assert!(!boundary.equivalent(&identity(&base)));
}

#[test]
fn two_operators_of_the_same_meaning_on_one_key_are_both_kept() {
    let with = |condition: Value| {
        identity(
            &json!({"Effect": "Allow", "Action": "a:B", "Resource": "*", "Condition": condition}),
        )
    };
    let both = with(
        json!({"ArnEquals": {"t:k": "arn:aws:s3:::a*"}, "ArnLike": {"t:k": "arn:aws:s3:::*b"}}),
    );
    insta::assert_snapshot!(
        both.to_value()["Statement"][0]["Condition"],
        @r#"{"ArnEquals":{"t:k":["arn:aws:s3:::a*"]},"ArnLike":{"t:k":["arn:aws:s3:::*b"]}}"#
    );
    let swapped = with(
        json!({"ArnLike": {"t:k": "arn:aws:s3:::a*"}, "ArnEquals": {"t:k": "arn:aws:s3:::*b"}}),
    );
    assert!(both.equivalent(&swapped));
    let again = Document::from_value(Kind::Identity, &both.to_value()).unwrap();
    assert_eq!(again.to_value(), both.to_value());
    // For StringEquals, `*` is ordinary text.
    let plain = with(json!({"StringEquals": {"t:k": ["*", "x"]}}));
    assert!(!plain.equivalent(&with(json!({"StringEquals": {"t:k": "*"}}))));
    let like = with(json!({"StringLike": {"t:k": ["*", "x"]}}));
    assert!(like.equivalent(&with(json!({"StringLike": {"t:k": "*"}}))));
    let variable = with(json!({"StringLike": {"t:k": "${aws:UserName}"}}));
    assert!(variable.equivalent(&with(json!({"StringLike": {"T:K": "${AWS:username}"}}))));
}

#[test]
fn conditions_and_principals_are_grouped_as_json_groups_them() {
    let mixed = Statement::trust(
        "",
        Principal::service("ec2.amazonaws.com"),
        ["sts:AssumeRole"],
    )
    .when(Test::StringEquals, "t:a", ["1"])
    .when(Test::Bool, "t:b", ["true"])
    .when(Test::StringEquals, "t:c", ["2"]);
    let mixed = Statement {
        principals: vec![
            Principal::service("ec2.amazonaws.com"),
            Principal::aws("111122223333"),
            Principal::service("ssm.amazonaws.com"),
        ],
        ..mixed
    };
    let document = Document::new(Kind::Trust, vec![mixed]).unwrap();
    assert_eq!(
        Document::parse(Kind::Trust, &document.to_json()).unwrap(),
        document
    );
}

#[test]
fn an_account_number_and_its_root_arn_are_equivalent() {
    let trust = |principal: Value| {
        let document = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}});
        Document::from_value(Kind::Trust, &document).unwrap()
    };
    let number = trust(json!({"AWS": "111122223333"}));
    assert!(number.equivalent(&trust(json!({"AWS": ["arn:aws:iam::111122223333:root"]}))));
    assert!(!number.equivalent(&trust(
        json!({"AWS": "arn:aws:iam::111122223333:user/root"})
    )));
    assert!(
        trust(json!("*")).equivalent(&trust(json!({"AWS": "*", "Service": "ec2.amazonaws.com"})))
    );
    insta::assert_snapshot!(
        trust(json!({"Service": "ec2.amazonaws.com", "AWS": "arn:aws:iam::111122223333:root"})).to_value(),
        @r#"{"Statement":[{"Action":["sts:assumerole"],"Effect":"Allow","Principal":{"AWS":["111122223333"],"Service":["ec2.amazonaws.com"]}}],"Version":"2012-10-17"}"#
    );
}

#[test]
fn a_document_with_too_many_atoms_still_has_a_canonical_form() {
    let actions: Vec<String> = (0..300).map(|index| format!("a:B{index}")).collect();
    let statement =
        |resource: &str| Statement::allow("", actions.clone(), [resource, "arn:aws:s3:::c"]);
    let document = Document::new(
        Kind::Identity,
        vec![statement("arn:aws:s3:::b"), statement("arn:aws:s3:::a")],
    )
    .unwrap();
    let canonical = Document::from_value(Kind::Identity, &document.to_value()).unwrap();
    assert_eq!(canonical.statements().len(), 2);
    assert_eq!(canonical.to_value(), document.to_value());
}

#[test]
fn a_document_whose_patterns_take_too_long_to_compare_still_has_a_canonical_form() {
    let hard = |index: usize| format!("a:{}*", format!("*{}", index % 7).repeat(120 + index));
    let actions: Vec<String> = (0..60).map(hard).collect();
    let document = |actions: Vec<String>| {
        Document::new(Kind::Identity, vec![Statement::allow("", actions, ["*"])]).unwrap()
    };
    let mut turned = actions.clone();
    turned.reverse();
    let (document, turned) = (document(actions), document(turned));
    assert!(document.equivalent(&turned));
    let value = document.to_value();
    assert_eq!(
        value["Statement"][0]["Action"].as_array().map(Vec::len),
        Some(60)
    );
}

#[test]
fn size_does_not_count_white_space_between_elements() {
    for (text, expected) in [
        ("{}", 2),
        (" {\n\t} \r\n", 2),
        (r#"{ "a b" : "\"  c" }"#, 15),
        (r#"{"é":1}"#, 7),
    ] {
        assert_eq!(size_of_text(text), expected, "{text}");
    }
}

#[test]
fn a_document_within_its_limits_is_proved_to_be() {
    let secrets = "arn:aws:secretsmanager:us-east-1:111122223333:secret:compute-engine/a/*";
    let limits = [
        Grant::new("secretsmanager:GetSecretValue", secrets),
        Grant::new("ssm:*", "*"),
    ];
    let within = |statement: Value| grants_within(&identity(&statement), &limits);
    let read = |resource: &str| json!({"Effect": "Allow", "Action": "SecretsManager:GetSecretValue", "Resource": resource});
    let arn = |name: &str| format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:{name}");

    assert_eq!(within(read(secrets)), Ok(()));
    assert_eq!(within(read(&arn("compute-engine/a/b-??????"))), Ok(()));
    assert_eq!(within(read(&arn("compute-engine/a/${*}"))), Ok(()));
    assert_eq!(
        within(
            json!({"Effect": "Allow", "Action": ["ssm:Get*", "SSM:PutInventory"], "Resource": "*"})
        ),
        Ok(())
    );
    assert_eq!(
        within(json!({"Effect": "Deny", "Action": "*", "Resource": "*"})),
        Ok(())
    );
    for beyond in [
        read("*"),
        read(&arn("compute-engine/*")),
        read(&arn("compute-engine/a*")),
        read(&arn("compute-engine/?/*")),
        read(&arn("compute-engine/A/*")),
        read(&arn("compute-engine/a/${aws:username}")),
        read(&arn("compute-engine/${aws:PrincipalTag/cluster}/*")),
        json!({"Effect": "Allow", "Action": "secretsmanager:*", "Resource": secrets}),
        json!({"Effect": "Allow", "Action": "secretsmanager:GetSecretValu?", "Resource": secrets}),
        json!({"Effect": "Allow", "NotAction": "iam:*", "Resource": secrets}),
        json!({"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "NotResource": arn("x")}),
    ] {
        assert!(within(beyond.clone()).is_err(), "{beyond}");
    }
    let excess = within(
        json!([read(secrets), {"Sid": "Wide", "Effect": "Allow", "Action": ["ssm:GetParameter", "s3:*"], "Resource": "*"}]),
    );
    insta::assert_snapshot!(
        excess.unwrap_err(),
        @"Statement[1] (Wide) grants s3:* on *, which exceeds the limits: no limit contains both the action and the resource"
    );
}

#[test]
fn a_limit_of_everything_contains_not_action_and_not_resource() {
    let everything = [Grant::new("*", "*")];
    let document = identity(
        &json!({"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::${aws:username}"}),
    );
    assert_eq!(grants_within(&document, &everything), Ok(()));
}

#[test]
fn a_template_is_filled_with_literals_only() {
    let template =
        "arn:<PARTITION>:secretsmanager:<REGION>:<ACCOUNT_ID>:secret:compute-engine/<CLUSTER>/*";
    let base = [
        ("PARTITION", "aws"),
        ("REGION", "eu-west-1"),
        ("ACCOUNT_ID", "111122223333"),
        ("CLUSTER", "prod"),
    ];
    let values = BTreeMap::from(base);
    insta::assert_snapshot!(
        render::fill(template, &values).unwrap(),
        @"arn:aws:secretsmanager:eu-west-1:111122223333:secret:compute-engine/prod/*"
    );
    for value in [
        "*",
        "pro?",
        "${aws:username}",
        "a$",
        "a{",
        "a}",
        "<CLUSTER>",
        "a>",
        "a\"",
        "a\\",
        "a\n",
        "\u{7f}",
    ] {
        let mut values = values.clone();
        values.insert("CLUSTER", value);
        let rejected = render::fill(template, &values);
        assert!(
            matches!(&rejected, Err(RenderError::LiveCharacter { placeholder, .. }) if placeholder == "CLUSTER"),
            "{value:?}: {rejected:?}"
        );
        assert!(!render::is_safe(value));
    }
    let without = |name: &str| {
        let mut values = values.clone();
        values.remove(name);
        values
    };
    insta::assert_snapshot!(render::fill(template, &without("REGION")).unwrap_err(), @"<REGION> has no value");
    let mut more = values.clone();
    more.insert("SECRET", "x");
    insta::assert_snapshot!(render::fill(template, &more).unwrap_err(), @"the template has no <SECRET>");
    more.insert("SECRET", "");
    insta::assert_snapshot!(render::fill(template, &more).unwrap_err(), @"the value for <SECRET> is empty");
    let mut star = values.clone();
    star.insert("CLUSTER", "*");
    insta::assert_snapshot!(
        render::fill(template, &star).unwrap_err(),
        @"the value for <CLUSTER> contains '*', which would not be read literally"
    );
    for stray in ["a < b", "a > b", "<lower>", "<>", "<A", "<A <B>"] {
        assert!(
            matches!(render::placeholders(stray), Err(RenderError::Stray { .. })),
            "{stray}"
        );
    }
}

#[test]
fn ignoring_case_does_not_depend_on_the_text_next_to_a_variable() {
    // The lower case of a capital sigma is different at the end of a word.
    let policy = identity(&json!({"Effect": "Allow", "Action": "a:B", "Resource": "*",
        "Condition": {"StringEqualsIgnoreCase": {"t:k": "ΑΣ${t:v}"}}}));
    let canonical = Document::from_value(Kind::Identity, &policy.to_value()).unwrap();
    let context = Context::new().with("t:k", "ασx").with("t:v", "X");
    let request = Request::new("a:B", "*").in_context(context);
    assert!(evaluate(&request, &[&policy], None).is_allowed());
    assert!(evaluate(&request, &[&canonical], None).is_allowed());
}
