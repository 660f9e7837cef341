use super::{Iam, lenient, otherwise};
use crate::wire::{EC2_TRUST, READ_SECRETS};

const ROLE: (&str, &str) = ("RoleName", "r");
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const ABSENT: &str = "arn:aws:iam::123456789012:policy/absent";

pub(crate) async fn a_managed_policy_can_be_created_and_read(iam: &Iam) {
    let params = [
        ("PolicyName", "m"),
        ("Path", "/a/"),
        ("PolicyDocument", READ_SECRETS),
        ("Description", "reads"),
        ("Tags.member.1.Key", "k"),
        ("Tags.member.1.Value", "v"),
    ];
    let created = iam.ok("CreatePolicy", &params).await;
    let arn = "arn:aws:iam::123456789012:policy/a/m";
    let text = |name: &str| created.text(&format!("CreatePolicyResult/Policy/{name}"));
    assert_eq!(text("Arn").as_deref(), Some(arn));
    assert_eq!(text("DefaultVersionId").as_deref(), Some("v1"));
    assert_eq!(text("AttachmentCount").as_deref(), Some("0"));
    let read = iam.ok("GetPolicy", &[("PolicyArn", arn)]).await;
    let text = |name: &str| read.text(&format!("GetPolicyResult/Policy/{name}"));
    assert_eq!(text("PolicyName").as_deref(), Some("m"));
    assert_eq!(text("Description").as_deref(), Some("reads"));
    assert_eq!(text("Tags/member/Key").as_deref(), Some("k"));
    let version = [("PolicyArn", arn), ("VersionId", "v1")];
    let read = iam.ok("GetPolicyVersion", &version).await;
    let document = read.text("GetPolicyVersionResult/PolicyVersion/Document");
    let document = document.unwrap_or_default();
    assert_eq!(
        percent_encoding::percent_decode_str(&document).decode_utf8_lossy(),
        READ_SECRETS
    );
    let version = [("PolicyArn", arn), ("VersionId", "v2")];
    iam.rejected("GetPolicyVersion", &version, 404, "NoSuchEntity")
        .await;
    let again = [
        ("PolicyName", "m"),
        ("Path", "/a/"),
        ("PolicyDocument", READ_SECRETS),
    ];
    iam.rejected("CreatePolicy", &again, 409, "EntityAlreadyExists")
        .await;
    let other = [("PolicyName", "M"), ("PolicyDocument", READ_SECRETS)];
    let moto = lenient("its names may differ only in case or in path");
    iam.rejected_but("CreatePolicy", &other, (409, "EntityAlreadyExists"), moto)
        .await;
}

pub(crate) async fn a_managed_policy_has_at_most_6144_characters(iam: &Iam) {
    let sized = |size: usize| {
        let resource = format!(
            "arn:aws:s3:::{}",
            "b".repeat(size - READ_SECRETS.len() - 12)
        );
        READ_SECRETS.replace(r#":"*""#, &format!(r#":"{resource}""#))
    };
    let (most, more) = (sized(6_144), sized(6_145));
    iam.ok(
        "CreatePolicy",
        &[("PolicyName", "a"), ("PolicyDocument", &most)],
    )
    .await;
    let params = [("PolicyName", "b"), ("PolicyDocument", more.as_str())];
    let moto = lenient("it accepts any size");
    iam.rejected_but("CreatePolicy", &params, (409, "LimitExceeded"), moto)
        .await;
}

pub(crate) async fn managed_policies_are_attached_and_detached(iam: &Iam) {
    iam.role("r").await;
    let read_only = iam.read_only().await;
    let managed = ("PolicyArn", read_only);
    iam.ok("AttachRolePolicy", &[ROLE, managed]).await;
    iam.ok("AttachRolePolicy", &[ROLE, managed]).await;
    let listed = iam.ok("ListAttachedRolePolicies", &[ROLE]).await;
    let member = "ListAttachedRolePoliciesResult/AttachedPolicies/member";
    assert_eq!(listed.texts(&format!("{member}/PolicyArn")), [read_only]);
    assert_eq!(
        listed.texts(&format!("{member}/PolicyName")),
        ["ReadOnlyAccess"]
    );
    let count = iam.ok("GetPolicy", &[managed]).await;
    let count = count.text("GetPolicyResult/Policy/AttachmentCount");
    // moto counts each call, even if the policy is already attached.
    let expected = if iam.is_moto { "2" } else { "1" };
    assert_eq!(count.as_deref(), Some(expected));
    let other = [ROLE, ("PathPrefix", "/x/")];
    assert_eq!(
        iam.ok("ListAttachedRolePolicies", &other)
            .await
            .count(member),
        0
    );
    iam.ok("DetachRolePolicy", &[ROLE, managed]).await;
    iam.rejected("DetachRolePolicy", &[ROLE, managed], 404, "NoSuchEntity")
        .await;
    let no_arn = [ROLE, ("PolicyArn", "this-is-not-the-arn-of-a-policy")];
    let moto = otherwise(404, "NoSuchEntity", "it does not check the form of ARNs");
    iam.rejected_but("AttachRolePolicy", &no_arn, (400, "InvalidInput"), moto)
        .await;
}

pub(crate) async fn a_role_has_at_most_ten_managed_policies(iam: &Iam) {
    iam.role("r").await;
    for n in 0..11 {
        let name = format!("m{n}");
        iam.ok(
            "CreatePolicy",
            &[("PolicyName", &name), ("PolicyDocument", READ_SECRETS)],
        )
        .await;
        let arn = format!("arn:aws:iam::123456789012:policy/{name}");
        let attach = [ROLE, ("PolicyArn", arn.as_str())];
        if n < 10 {
            iam.ok("AttachRolePolicy", &attach).await;
        } else {
            let moto = lenient("it has no limit for attached policies");
            iam.rejected_but("AttachRolePolicy", &attach, (409, "LimitExceeded"), moto)
                .await;
        }
    }
}

pub(crate) async fn a_boundary_must_exist(iam: &Iam) {
    let with = |boundary| {
        [
            ROLE,
            ("AssumeRolePolicyDocument", EC2_TRUST),
            ("PermissionsBoundary", boundary),
        ]
    };
    let moto = lenient("its boundaries do not have to exist");
    iam.rejected_but("CreateRole", &with(ABSENT), (404, "NoSuchEntity"), moto)
        .await;
    if iam.is_moto {
        iam.ok("DeleteRole", &[ROLE]).await;
    }
    let no_policy = with("arn:aws:iam::123456789012:role/r");
    let moto = otherwise(
        400,
        "InvalidParameterValue",
        "it returns another code for a text that is not an ARN",
    );
    iam.rejected_but("CreateRole", &no_policy, (400, "InvalidInput"), moto)
        .await;
    let created = iam.ok("CreateRole", &with(READ_ONLY)).await;
    let boundary = "CreateRoleResult/Role/PermissionsBoundary/PermissionsBoundaryArn";
    assert_eq!(created.text(boundary).as_deref(), Some(READ_ONLY));
}

pub(crate) async fn a_boundary_is_put_and_deleted(iam: &Iam) {
    iam.role("r").await;
    iam.ok(
        "CreatePolicy",
        &[("PolicyName", "m"), ("PolicyDocument", READ_SECRETS)],
    )
    .await;
    let arn = "arn:aws:iam::123456789012:policy/m";
    let put = |arn| [ROLE, ("PermissionsBoundary", arn)];
    iam.ok("PutRolePermissionsBoundary", &put(arn)).await;
    let moto = lenient("its boundaries do not have to exist");
    let absent = (404, "NoSuchEntity");
    iam.rejected_but("PutRolePermissionsBoundary", &put(ABSENT), absent, moto)
        .await;
    let expected = if iam.is_moto { ABSENT } else { arn };
    let read = iam.ok("GetRole", &[ROLE]).await;
    let boundary = "GetRoleResult/Role/PermissionsBoundary";
    let path = format!("{boundary}/PermissionsBoundaryArn");
    assert_eq!(read.text(&path).as_deref(), Some(expected));
    iam.ok("DeleteRolePermissionsBoundary", &[ROLE]).await;
    let read = iam.ok("GetRole", &[ROLE]).await;
    assert_eq!(read.count(boundary), 0);
}
