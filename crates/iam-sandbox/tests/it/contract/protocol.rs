use super::{Iam, otherwise};
use crate::wire::{EC2_TRUST, READ_SECRETS};

pub(crate) async fn answers_have_awss_namespaces_and_request_ids(iam: &Iam) {
    for (action, service, version) in [
        ("ListRoles", "iam", "2010-05-08"),
        ("GetCallerIdentity", "sts", "2011-06-15"),
    ] {
        let answer = iam.ok(action, &[]).await;
        let namespace = format!("https://{service}.amazonaws.com/doc/{version}/");
        let root = format!("<{action}Response xmlns=\"{namespace}\">");
        assert!(answer.body.contains(&root), "{}", answer.body);
        assert!(
            answer.body.contains(&format!("<{action}Result>")),
            "{}",
            answer.body
        );
        let id = answer.text("ResponseMetadata/RequestId");
        assert!(id.is_some_and(|id| !id.is_empty()));
        assert!(answer.request_id.is_some());
    }
}

pub(crate) async fn errors_have_the_shape_of_awss_errors(iam: &Iam) {
    let absent = [("RoleName", "absent")];
    let answer = iam.rejected("GetRole", &absent, 404, "NoSuchEntity").await;
    assert!(answer.body.contains("<ErrorResponse"), "{}", answer.body);
    assert_eq!(answer.text("Error/Type").as_deref(), Some("Sender"));
    assert!(answer.text("RequestId").is_some_and(|id| !id.is_empty()));
    if iam.ends_for_moto("its message is `Role absent not found`") {
        return;
    }
    assert_eq!(
        answer.message(),
        "The role with name absent cannot be found."
    );
}

pub(crate) async fn unknown_actions_and_versions_are_rejected(iam: &Iam) {
    if iam.ends_for_moto("it answers 404 or an exception's text to actions that it doesn't know") {
        return;
    }
    iam.rejected("BuildRole", &[], 400, "InvalidAction").await;
    for params in [
        &[("Version", "2010-05-08")][..],
        &[("Action", "ListRoles")],
        &[("Action", "ListRoles"), ("Version", "2011-06-15")],
    ] {
        let answer = iam.caller.send("iam", params).await.expect("an answer");
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "InvalidAction")
        );
    }
}

pub(crate) async fn requests_with_missing_parameters_are_rejected(iam: &Iam) {
    if iam.ends_for_moto("it looks for the resource called None, or fails") {
        return;
    }
    for (action, params, member) in [
        ("GetRole", &[][..], "roleName"),
        (
            "CreateRole",
            &[("RoleName", "r")],
            "assumeRolePolicyDocument",
        ),
        ("PutRolePolicy", &[("RoleName", "r")], "policyName"),
        ("CreateInstanceProfile", &[], "instanceProfileName"),
        (
            "AddRoleToInstanceProfile",
            &[("RoleName", "r")],
            "instanceProfileName",
        ),
        ("TagRole", &[("RoleName", "r")], "tags"),
        ("UntagRole", &[("RoleName", "r")], "tagKeys"),
        ("AttachRolePolicy", &[("RoleName", "r")], "policyArn"),
        ("AssumeRole", &[], "roleArn"),
    ] {
        let answer = iam.rejected(action, params, 400, "ValidationError").await;
        assert_eq!(
            answer.message(),
            format!(
                "1 validation error detected: Value null at '{member}' failed to satisfy \
                 constraint: Member must not be null"
            )
        );
    }
}

pub(crate) async fn calls_on_resources_that_do_not_exist_fail_with_no_such_entity(iam: &Iam) {
    let role = ("RoleName", "absent");
    let policy = ("PolicyName", "absent");
    let managed = ("PolicyArn", "arn:aws:iam::123456789012:policy/absent");
    let profile = ("InstanceProfileName", "absent");
    let document = ("PolicyDocument", READ_SECRETS);
    for (action, params) in [
        ("GetRole", &[role][..]),
        ("DeleteRole", &[role]),
        ("UntagRole", &[role, ("TagKeys.member.1", "k")]),
        (
            "UpdateAssumeRolePolicy",
            &[role, ("PolicyDocument", EC2_TRUST)],
        ),
        ("PutRolePolicy", &[role, policy, document]),
        ("GetRolePolicy", &[role, policy]),
        ("DeleteRolePolicy", &[role, policy]),
        ("ListRolePolicies", &[role]),
        ("ListRoleTags", &[role]),
        ("ListAttachedRolePolicies", &[role]),
        ("DetachRolePolicy", &[role, managed]),
        ("DeleteRolePermissionsBoundary", &[role]),
        ("GetPolicy", &[managed]),
        ("GetInstanceProfile", &[profile]),
        (
            "UntagInstanceProfile",
            &[profile, ("TagKeys.member.1", "k")],
        ),
        ("RemoveRoleFromInstanceProfile", &[profile, role]),
    ] {
        iam.rejected(action, params, 404, "NoSuchEntity").await;
    }
    iam.role("r").await;
    iam.profile("p").await;
    let existing = ("RoleName", "r");
    let empty = ("InstanceProfileName", "p");
    for (action, params) in [
        ("GetRolePolicy", &[existing, policy][..]),
        ("DeleteRolePolicy", &[existing, policy]),
        ("AttachRolePolicy", &[existing, managed]),
        ("DetachRolePolicy", &[existing, managed]),
        ("AddRoleToInstanceProfile", &[profile, existing]),
        ("AddRoleToInstanceProfile", &[empty, role]),
    ] {
        iam.rejected(action, params, 404, "NoSuchEntity").await;
    }
    let other = otherwise(500, "", "it fails if the role is not in the profile");
    let params = [empty, existing];
    iam.rejected_but(
        "RemoveRoleFromInstanceProfile",
        &params,
        (404, "NoSuchEntity"),
        other,
    )
    .await;
}
