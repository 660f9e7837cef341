use super::{Iam, lenient, otherwise};
use crate::wire::{EC2_TRUST, READ_SECRETS};

pub(crate) async fn a_role_is_answered_as_it_was_asked_for(iam: &Iam) {
    let params = [
        ("RoleName", "Engine-1"),
        ("Path", "/a/b/"),
        ("AssumeRolePolicyDocument", EC2_TRUST),
        ("Description", "An <engine> & more"),
        ("MaxSessionDuration", "7200"),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "größe: a=b"),
    ];
    let made = iam.ok("CreateRole", &params).await;
    let read = iam.ok("GetRole", &[("RoleName", "Engine-1")]).await;
    for (answer, root) in [(&made, "CreateRoleResult"), (&read, "GetRoleResult")] {
        let text = |name: &str| {
            answer
                .text(&format!("{root}/Role/{name}"))
                .unwrap_or_default()
        };
        assert_eq!(text("RoleName"), "Engine-1");
        assert_eq!(text("Path"), "/a/b/");
        assert_eq!(text("Arn"), "arn:aws:iam::123456789012:role/a/b/Engine-1");
        assert!(text("CreateDate").ends_with('Z'), "{}", text("CreateDate"));
        let (id, rest) = (text("RoleId"), text("RoleId").split_off(4));
        assert!(id.starts_with("AROA") && id.len() == 21, "{id}");
        assert!(
            rest.bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        );
        assert_eq!(text("Tags/member/Key"), "team");
        assert_eq!(text("Tags/member/Value"), "größe: a=b");
    }
    let text = |name: &str| read.text(&format!("GetRoleResult/Role/{name}"));
    assert_eq!(text("Description").as_deref(), Some("An <engine> & more"));
    assert_eq!(text("MaxSessionDuration").as_deref(), Some("7200"));
}

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

pub(crate) async fn errors_have_awss_shape(iam: &Iam) {
    let absent = [("RoleName", "absent")];
    let answer = iam.refused("GetRole", &absent, 404, "NoSuchEntity").await;
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

pub(crate) async fn a_role_made_again_has_another_id(iam: &Iam) {
    let first = iam.role("r").await.text("CreateRoleResult/Role/RoleId");
    iam.ok("DeleteRole", &[("RoleName", "r")]).await;
    let second = iam.role("r").await.text("CreateRoleResult/Role/RoleId");
    assert!(first.is_some() && first != second);
}

pub(crate) async fn unknown_actions_and_versions_are_refused(iam: &Iam) {
    if iam.ends_for_moto("it answers 404 or an exception's text to actions that it doesn't know") {
        return;
    }
    iam.refused("BuildRole", &[], 400, "InvalidAction").await;
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

pub(crate) async fn missing_parameters_are_refused(iam: &Iam) {
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
        let answer = iam.refused(action, params, 400, "ValidationError").await;
        assert_eq!(
            answer.message(),
            format!(
                "1 validation error detected: Value null at '{member}' failed to satisfy \
                 constraint: Member must not be null"
            )
        );
    }
}

pub(crate) async fn what_is_absent_is_no_such_entity(iam: &Iam) {
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
        iam.refused(action, params, 404, "NoSuchEntity").await;
    }
    iam.role("r").await;
    iam.profile("p").await;
    let there = ("RoleName", "r");
    let empty = ("InstanceProfileName", "p");
    for (action, params) in [
        ("GetRolePolicy", &[there, policy][..]),
        ("DeleteRolePolicy", &[there, policy]),
        ("AttachRolePolicy", &[there, managed]),
        ("DetachRolePolicy", &[there, managed]),
        ("AddRoleToInstanceProfile", &[profile, there]),
        ("AddRoleToInstanceProfile", &[empty, role]),
    ] {
        iam.refused(action, params, 404, "NoSuchEntity").await;
    }
    let other = otherwise(500, "", "it fails over a role that is not in the profile");
    let params = [empty, there];
    iam.refused_but(
        "RemoveRoleFromInstanceProfile",
        &params,
        (404, "NoSuchEntity"),
        other,
    )
    .await;
}

pub(crate) async fn roles_are_listed_in_pages_by_path(iam: &Iam) {
    for n in 0..7 {
        let name = format!("r{n}");
        let path = if n < 5 { "/in/x/" } else { "/out/" };
        let params = [
            ("RoleName", name.as_str()),
            ("Path", path),
            ("AssumeRolePolicyDocument", EC2_TRUST),
        ];
        iam.ok("CreateRole", &params).await;
    }
    let path = "ListRolesResult/Roles/member/RoleName";
    let mut seen = Vec::new();
    let mut marker = None::<String>;
    for (expected, truncated) in [(2, "true"), (2, "true"), (1, "false")] {
        let mut params = vec![("PathPrefix", "/in/"), ("MaxItems", "2")];
        params.extend(marker.as_deref().map(|marker| ("Marker", marker)));
        let page = iam.ok("ListRoles", &params).await;
        assert_eq!(page.count(path), expected);
        assert_eq!(
            page.text("ListRolesResult/IsTruncated").as_deref(),
            Some(truncated)
        );
        seen.extend(page.texts(path));
        marker = page.text("ListRolesResult/Marker");
    }
    seen.sort();
    assert_eq!(seen, ["r0", "r1", "r2", "r3", "r4"]);
    assert_eq!(marker, None);
    if iam.ends_for_moto("it takes any marker and any page size") {
        return;
    }
    for (name, value) in [
        ("Marker", "r1"),
        ("MaxItems", "0"),
        ("MaxItems", "1001"),
        ("PathPrefix", "in"),
    ] {
        iam.refused("ListRoles", &[(name, value)], 400, "ValidationError")
            .await;
    }
}

pub(crate) async fn listed_roles_have_neither_tags_nor_boundary(iam: &Iam) {
    let params = [
        ("RoleName", "r"),
        ("AssumeRolePolicyDocument", EC2_TRUST),
        (
            "PermissionsBoundary",
            "arn:aws:iam::aws:policy/ReadOnlyAccess",
        ),
        ("Tags.member.1.Key", "k"),
        ("Tags.member.1.Value", "v"),
    ];
    iam.ok("CreateRole", &params).await;
    let read = iam.ok("GetRole", &[("RoleName", "r")]).await;
    assert_eq!(read.count("GetRoleResult/Role/Tags/member"), 1);
    assert_eq!(read.count("GetRoleResult/Role/PermissionsBoundary"), 1);
    let listed = iam.ok("ListRoles", &[]).await;
    assert_eq!(listed.count("ListRolesResult/Roles/member"), 1);
    assert_eq!(listed.count("ListRolesResult/Roles/member/Tags"), 0);
    if iam.ends_for_moto("it lists the boundary") {
        return;
    }
    assert_eq!(
        listed.count("ListRolesResult/Roles/member/PermissionsBoundary"),
        0
    );
}

pub(crate) async fn session_durations_have_limits(iam: &Iam) {
    for (seconds, allowed) in [
        ("3600", true),
        ("43200", true),
        ("3599", false),
        ("43201", false),
        ("1h", false),
    ] {
        let name = format!("r{seconds}");
        let params = [
            ("RoleName", name.as_str()),
            ("AssumeRolePolicyDocument", EC2_TRUST),
            ("MaxSessionDuration", seconds),
        ];
        if allowed {
            iam.ok("CreateRole", &params).await;
        } else if !iam.ends_for_moto("it takes any duration") {
            let answer = iam.caller.call("CreateRole", &params).await;
            assert_eq!(answer.status, 400, "{seconds}: {}", answer.body);
        }
    }
}

pub(crate) async fn descriptions_have_limits(iam: &Iam) {
    let long = "d".repeat(1_001);
    let role = [("RoleName", "r"), ("AssumeRolePolicyDocument", EC2_TRUST)];
    for description in [long.as_str(), "not Latin: Ω"] {
        let params = [&role[..], &[("Description", description)]].concat();
        let moto = lenient("it takes any description");
        iam.refused_but("CreateRole", &params, (400, "ValidationError"), moto)
            .await;
        if iam.is_moto {
            iam.ok("DeleteRole", &role[..1]).await;
        }
    }
    let params = [&role[..], &[("Description", &long[1..])]].concat();
    iam.ok("CreateRole", &params).await;
}

pub(crate) async fn a_role_is_deleted_only_when_nothing_hangs_on_it(iam: &Iam) {
    let role = ("RoleName", "r");
    let inline = ("PolicyName", "i");
    let managed = ("PolicyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess");
    let profile = ("InstanceProfileName", "p");
    iam.role("r").await;
    iam.profile("p").await;
    iam.ok(
        "PutRolePolicy",
        &[role, inline, ("PolicyDocument", READ_SECRETS)],
    )
    .await;
    iam.ok("AttachRolePolicy", &[role, managed]).await;
    iam.ok("AddRoleToInstanceProfile", &[profile, role]).await;
    for (action, params, reason) in [
        (
            "RemoveRoleFromInstanceProfile",
            [profile, role],
            "must remove roles from instance profile first.",
        ),
        (
            "DetachRolePolicy",
            [role, managed],
            "must detach all policies first.",
        ),
        (
            "DeleteRolePolicy",
            [role, inline],
            "must delete policies first.",
        ),
    ] {
        let answer = iam
            .refused("DeleteRole", &[role], 409, "DeleteConflict")
            .await;
        if !iam.is_moto {
            // moto has other words.
            assert_eq!(answer.message(), format!("Cannot delete entity, {reason}"));
        }
        iam.ok(action, &params).await;
    }
    iam.ok("DeleteRole", &[role]).await;
    iam.refused("DeleteRole", &[role], 404, "NoSuchEntity")
        .await;
}

pub(crate) async fn the_account_tells_of_all_its_roles_at_once(iam: &Iam) {
    let role = ("RoleName", "r");
    let managed = ("PolicyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess");
    let tag = [("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")];
    iam.role("r").await;
    iam.role("s").await;
    iam.profile("p").await;
    iam.ok("TagRole", &[role, tag[0], tag[1]]).await;
    iam.ok(
        "PutRolePolicy",
        &[role, ("PolicyName", "i"), ("PolicyDocument", READ_SECRETS)],
    )
    .await;
    iam.ok("AttachRolePolicy", &[role, managed]).await;
    iam.ok(
        "AddRoleToInstanceProfile",
        &[("InstanceProfileName", "p"), role],
    )
    .await;
    let only_roles = [("Filter.member.1", "Role")];
    let all = iam.ok("GetAccountAuthorizationDetails", &only_roles).await;
    let member = "GetAccountAuthorizationDetailsResult/RoleDetailList/member";
    let texts = |path: &str| all.texts(&format!("{member}/{path}"));
    assert_eq!(texts("RoleName"), ["r", "s"]);
    assert_eq!(texts("RolePolicyList/member/PolicyName"), ["i"]);
    assert_eq!(
        texts("AttachedManagedPolicies/member/PolicyArn"),
        [managed.1]
    );
    assert_eq!(
        texts("InstanceProfileList/member/InstanceProfileName"),
        ["p"]
    );
    assert_eq!(texts("Tags/member/Key"), ["k"]);
    assert_eq!(
        all.count("GetAccountAuthorizationDetailsResult/Policies/member"),
        0
    );
    if iam.ends_for_moto("it answers without pages") {
        return;
    }
    let first = [("Filter.member.1", "Role"), ("MaxItems", "1")];
    let page = iam.ok("GetAccountAuthorizationDetails", &first).await;
    assert_eq!(page.count(member), 1);
    let marker = page
        .text("GetAccountAuthorizationDetailsResult/Marker")
        .expect("more to come");
    let all = iam
        .ok("GetAccountAuthorizationDetails", &[("Marker", &marker)])
        .await;
    assert_eq!(all.texts(&format!("{member}/RoleName")), ["s"]);
    let policies = "GetAccountAuthorizationDetailsResult/Policies/member/PolicyName";
    assert_eq!(
        all.texts(policies),
        ["ReadOnlyAccess"],
        "of AWS's own only what is in use"
    );
}

pub(crate) async fn the_account_counts_what_it_holds(iam: &Iam) {
    iam.role("r").await;
    iam.role("s").await;
    iam.profile("p").await;
    let summary = iam.ok("GetAccountSummary", &[]).await;
    let entry = "GetAccountSummaryResult/SummaryMap/entry";
    let keys = summary.texts(&format!("{entry}/key"));
    let values = summary.texts(&format!("{entry}/value"));
    for (key, value) in [
        ("Roles", "2"),
        ("InstanceProfiles", "1"),
        ("RolesQuota", "1000"),
    ] {
        let place = keys.iter().position(|known| known == key);
        assert_eq!(
            place.map(|place| values[place].as_str()),
            Some(value),
            "{key}"
        );
    }
}

pub(crate) async fn the_caller_has_an_identity(iam: &Iam) {
    let identity = iam.ok("GetCallerIdentity", &[]).await;
    let text = |name: &str| identity.text(&format!("GetCallerIdentityResult/{name}"));
    assert_eq!(text("Account").as_deref(), Some("123456789012"));
    assert!(text("Arn").is_some_and(|arn| arn.starts_with("arn:aws:sts::123456789012:")));
    assert!(text("UserId").is_some_and(|id| id.starts_with('A') && id.len() > 12));
}

pub(crate) async fn a_role_is_assumed_by_whom_it_trusts(iam: &Iam) {
    let trust = EC2_TRUST.replace(
        r#""Service":"ec2.amazonaws.com""#,
        r#""AWS":"arn:aws:iam::123456789012:root""#,
    );
    iam.ok(
        "CreateRole",
        &[("RoleName", "mine"), ("AssumeRolePolicyDocument", &trust)],
    )
    .await;
    iam.role("ec2s").await;
    let arn = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    let (mine, ec2s, absent) = (arn("mine"), arn("ec2s"), arn("absent"));
    let session = ("RoleSessionName", "session");
    let assumed = iam.ok("AssumeRole", &[("RoleArn", &mine), session]).await;
    let text = |name: &str| {
        assumed
            .text(&format!("AssumeRoleResult/{name}"))
            .unwrap_or_default()
    };
    assert_eq!(
        text("AssumedRoleUser/Arn"),
        "arn:aws:sts::123456789012:assumed-role/mine/session"
    );
    assert!(text("Credentials/AccessKeyId").starts_with("ASIA"));
    assert!(text("Credentials/SecretAccessKey").len() >= 40);
    assert!(text("Credentials/Expiration").ends_with('Z'));
    for arn in [ec2s, absent] {
        let moto = lenient("it gives anybody any role, even one that isn't there");
        let params = [("RoleArn", arn.as_str()), session];
        iam.refused_but("AssumeRole", &params, (403, "AccessDenied"), moto)
            .await;
    }
    for (name, value) in [("DurationSeconds", "899"), ("DurationSeconds", "3601")] {
        let moto = lenient("it takes any duration");
        let params = [("RoleArn", mine.as_str()), session, (name, value)];
        iam.refused_but("AssumeRole", &params, (400, "ValidationError"), moto)
            .await;
    }
}
