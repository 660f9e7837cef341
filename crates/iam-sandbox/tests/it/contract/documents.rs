use super::{Iam, lenient};
use crate::wire::{EC2_TRUST, READ_SECRETS};

const MALFORMED: (u16, &str) = (400, "MalformedPolicyDocument");

fn trust(principal: &str) -> String {
    EC2_TRUST.replace(r#"{"Service":"ec2.amazonaws.com"}"#, principal)
}

/// Checks that creating a role with this trust policy fails with `MalformedPolicyDocument`.
async fn trust_is_malformed(iam: &Iam, document: &str) {
    let params = [("RoleName", "r"), ("AssumeRolePolicyDocument", document)];
    let moto = lenient("it does not check trust policies when a role is created");
    iam.rejected_but("CreateRole", &params, MALFORMED, moto)
        .await;
    if iam.is_moto {
        iam.ok("DeleteRole", &params[..1]).await;
    }
}

pub(crate) async fn trust_policies_must_have_principals(iam: &Iam) {
    let without = EC2_TRUST.replace(r#""Principal":{"Service":"ec2.amazonaws.com"},"#, "");
    let with_resource = EC2_TRUST.replace(r#""Action""#, r#""Resource":"*","Action""#);
    for document in [
        "{",
        READ_SECRETS,
        &with_resource,
        &without,
        &trust("{}"),
        &trust("[]"),
    ] {
        trust_is_malformed(iam, document).await;
    }
}

pub(crate) async fn principals_in_trust_policies_must_exist(iam: &Iam) {
    iam.role("existing").await;
    for principal in [
        r#""ec2""#,
        r#"{"Service":"ec2"}"#,
        r#"{"Service":"ec2.example.com"}"#,
        r#"{"AWS":"me"}"#,
        r#"{"AWS":"arn:aws:iam::123456789012:role/*"}"#,
        r#"{"AWS":"arn:aws:iam::123456789012:role/absent"}"#,
        r#"{"Nobody":"x"}"#,
    ] {
        trust_is_malformed(iam, &trust(principal)).await;
    }
    for (n, principal) in [
        r#""*""#,
        r#"{"AWS":"123456789012"}"#,
        r#"{"AWS":["arn:aws:iam::123456789012:root","arn:aws:iam::210987654321:role/x"]}"#,
        r#"{"AWS":"arn:aws:iam::123456789012:role/existing"}"#,
        r#"{"Service":["ec2.amazonaws.com","ec2.amazonaws.com.cn"]}"#,
    ]
    .into_iter()
    .enumerate()
    {
        let (name, document) = (format!("r{n}"), trust(principal));
        let params = [
            ("RoleName", name.as_str()),
            ("AssumeRolePolicyDocument", &document),
        ];
        iam.ok("CreateRole", &params).await;
    }
}

pub(crate) async fn trust_policies_may_only_have_sts_actions(iam: &Iam) {
    let other = EC2_TRUST.replace("sts:AssumeRole", "s3:GetObject");
    trust_is_malformed(iam, &other).await;
    let session = EC2_TRUST.replace(
        r#""sts:AssumeRole""#,
        r#"["sts:AssumeRole","sts:TagSession"]"#,
    );
    iam.ok(
        "CreateRole",
        &[("RoleName", "r"), ("AssumeRolePolicyDocument", &session)],
    )
    .await;
}

pub(crate) async fn a_trust_policy_has_at_most_2048_characters(iam: &Iam) {
    let sized = |size: usize| {
        let sid = format!(r#""Sid":"{}","#, "s".repeat(size - EC2_TRUST.len() - 9));
        EC2_TRUST.replace(r#""Effect""#, &format!(r#"{sid}"Effect""#))
    };
    assert_eq!(sized(2_048).len(), 2_048);
    let (most, more) = (sized(2_048) + "\n  ", sized(2_049));
    iam.ok(
        "CreateRole",
        &[("RoleName", "r"), ("AssumeRolePolicyDocument", &most)],
    )
    .await;
    let params = [
        ("RoleName", "s"),
        ("AssumeRolePolicyDocument", more.as_str()),
    ];
    let moto = lenient("it accepts any size");
    iam.rejected_but("CreateRole", &params, (409, "LimitExceeded"), moto)
        .await;
    let params = [("RoleName", "r"), ("PolicyDocument", more.as_str())];
    let moto = lenient("it accepts any size");
    iam.rejected_but(
        "UpdateAssumeRolePolicy",
        &params,
        (409, "LimitExceeded"),
        moto,
    )
    .await;
}

pub(crate) async fn a_trust_policy_can_be_replaced(iam: &Iam) {
    iam.role("r").await;
    let document = trust(r#"{"Service":"lambda.amazonaws.com"}"#);
    let role = ("RoleName", "r");
    iam.ok(
        "UpdateAssumeRolePolicy",
        &[role, ("PolicyDocument", &document)],
    )
    .await;
    let read = iam.ok("GetRole", &[role]).await;
    let text = read.text("GetRoleResult/Role/AssumeRolePolicyDocument");
    assert!(text.is_some_and(|text| text.contains("lambda.amazonaws.com")));
    let bad = [role, ("PolicyDocument", READ_SECRETS)];
    iam.rejected("UpdateAssumeRolePolicy", &bad, MALFORMED.0, MALFORMED.1)
        .await;
}

pub(crate) async fn policies_with_invalid_grammar_are_rejected(iam: &Iam) {
    iam.role("r").await;
    let statement = |body: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{{{body}}}]}}"#);
    let strict = [
        "{".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        statement(r#""Effect":"Allow","Action":"s3:GetObject""#),
        statement(r#""Effect":"allow","Action":"s3:GetObject","Resource":"*""#),
        statement(r#""Effect":"Allow","Resource":"*""#),
        statement(r#""Effect":"Allow","Action":"GetObject","Resource":"*""#),
        statement(r#""Effect":"Allow","Action":"s3:*","Resource":"bucket""#),
        statement(r#""Effect":"Allow","Action":"s3:*","Resource":"*","Extra":"1""#),
        statement(
            r#""Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Like":{"aws:x":"1"}}"#,
        ),
        statement(
            r#""Effect":"Allow","Action":"iam:GetRole","Resource":"arn:aws:iam::${aws:PrincipalAccount}:role/r""#,
        ),
        READ_SECRETS.replace("2012-10-17", "2026-01-01"),
    ];
    for document in &strict {
        let params = [
            ("RoleName", "r"),
            ("PolicyName", "i"),
            ("PolicyDocument", document.as_str()),
        ];
        iam.rejected("PutRolePolicy", &params, MALFORMED.0, MALFORMED.1)
            .await;
        let params = [("PolicyName", "m"), ("PolicyDocument", document.as_str())];
        iam.rejected("CreatePolicy", &params, MALFORMED.0, MALFORMED.1)
            .await;
    }
    for (body, reason) in [
        (
            r#""Sid":"a b","Effect":"Allow","Action":"s3:*","Resource":"*""#,
            "it accepts any Sid",
        ),
        (
            r#""Effect":"Allow","Action":"s3:*","Resource":"*","Principal":"*""#,
            "it accepts resource policies as policies of roles",
        ),
        (
            r#""Effect":"Allow","Action":"s3:*","Resource":"arn:aws:*:us-east-1::x""#,
            "it accepts wildcards in the service",
        ),
        (
            r#""Effect":"Allow","Action":"ec2:StopInstances","Resource":"arn:aws:ec2:*:*:*/i-1""#,
            "it accepts wildcards in the resource type",
        ),
    ] {
        let document = statement(body);
        let params = [
            ("RoleName", "r"),
            ("PolicyName", "i"),
            ("PolicyDocument", document.as_str()),
        ];
        iam.rejected_but("PutRolePolicy", &params, MALFORMED, lenient(reason))
            .await;
    }
    let not_latin = READ_SECRETS.replace("\"*\"", "\"arn:aws:s3:::Ω\"");
    let params = [
        ("RoleName", "r"),
        ("PolicyName", "i"),
        ("PolicyDocument", not_latin.as_str()),
    ];
    let moto = lenient("it accepts any characters");
    iam.rejected_but("PutRolePolicy", &params, (400, "ValidationError"), moto)
        .await;
}

pub(crate) async fn incomplete_arns_are_accepted(iam: &Iam) {
    iam.role("r").await;
    for resource in [
        "arn:aws:logs:*",
        "arn:aws:sqs",
        "arn:aws:s3:::",
        "arn:aws:organizations::*:",
    ] {
        let document = READ_SECRETS.replace("\"*\"", &format!("{resource:?}"));
        assert!(document.contains(resource), "{document}");
        let params = [
            ("RoleName", "r"),
            ("PolicyName", "i"),
            ("PolicyDocument", document.as_str()),
        ];
        iam.ok("PutRolePolicy", &params).await;
    }
}

pub(crate) async fn inline_policies_are_returned_percent_encoded(iam: &Iam) {
    iam.role("r").await;
    let document = READ_SECRETS.replace(":\"*\"", ": \"arn:aws:s3:::a+b~c_d.e-f/%7E/é*\"");
    let params = [
        ("RoleName", "r"),
        ("PolicyName", "i"),
        ("PolicyDocument", document.as_str()),
    ];
    iam.ok("PutRolePolicy", &params).await;
    let read = iam.ok("GetRolePolicy", &params[..2]).await;
    let text = |name: &str| {
        read.text(&format!("GetRolePolicyResult/{name}"))
            .unwrap_or_default()
    };
    assert_eq!(text("RoleName"), "r");
    assert_eq!(text("PolicyName"), "i");
    let encoded = text("PolicyDocument");
    assert_eq!(
        percent_encoding::percent_decode_str(&encoded).decode_utf8_lossy(),
        document
    );
    if iam.ends_for_moto("it answers with the document as it is") {
        return;
    }
    let tail = "%22%3A%20%22arn%3Aaws%3As3%3A%3A%3Aa%2Bb~c_d.e-f%2F%257E%2F%C3%A9%2A%22%7D%5D%7D";
    assert!(encoded.ends_with(tail), "{encoded}");
}

pub(crate) async fn inline_policies_of_a_role_have_at_most_10240_characters_together(iam: &Iam) {
    iam.role("r").await;
    let sized = |size: usize| {
        let resource = format!(
            "arn:aws:s3:::{}",
            "b".repeat(size - READ_SECRETS.len() - 12)
        );
        READ_SECRETS.replace(r#":"*""#, &format!(r#":"{resource}""#))
    };
    let put = |name, document| {
        [
            ("RoleName", "r"),
            ("PolicyName", name),
            ("PolicyDocument", document),
        ]
    };
    let (half, more) = (sized(5_120), sized(5_121));
    assert_eq!(half.len(), 5_120);
    let spaced = half.replace('{', " {\n\t");
    let full = (409, "LimitExceeded");
    iam.ok("PutRolePolicy", &put("a", &half)).await;
    iam.ok("PutRolePolicy", &put("b", &spaced)).await;
    iam.ok("PutRolePolicy", &put("b", &half)).await;
    for (name, document) in [("b", more.as_str()), ("c", READ_SECRETS)] {
        let moto = lenient("it accepts any size");
        iam.rejected_but("PutRolePolicy", &put(name, document), full, moto)
            .await;
    }
    let one = sized(10_241);
    iam.role("s").await;
    let params = [
        ("RoleName", "s"),
        ("PolicyName", "a"),
        ("PolicyDocument", one.as_str()),
    ];
    let moto = lenient("it accepts any size");
    iam.rejected_but("PutRolePolicy", &params, full, moto).await;
}

pub(crate) async fn inline_policies_are_listed_and_deleted(iam: &Iam) {
    iam.role("r").await;
    let role = ("RoleName", "r");
    for name in ["a", "b", "c"] {
        let params = [role, ("PolicyName", name), ("PolicyDocument", READ_SECRETS)];
        iam.ok("PutRolePolicy", &params).await;
    }
    let names = "ListRolePoliciesResult/PolicyNames/member";
    assert_eq!(
        iam.ok("ListRolePolicies", &[role]).await.texts(names),
        ["a", "b", "c"]
    );
    iam.ok("DeleteRolePolicy", &[role, ("PolicyName", "b")])
        .await;
    assert_eq!(
        iam.ok("ListRolePolicies", &[role]).await.texts(names),
        ["a", "c"]
    );
    if iam.ends_for_moto("it lists policies without pages") {
        return;
    }
    let page = iam.ok("ListRolePolicies", &[role, ("MaxItems", "1")]).await;
    assert_eq!(page.texts(names), ["a"]);
    let marker = page
        .text("ListRolePoliciesResult/Marker")
        .expect("more to come");
    let page = iam
        .ok("ListRolePolicies", &[role, ("Marker", &marker)])
        .await;
    assert_eq!(page.texts(names), ["c"]);
}
