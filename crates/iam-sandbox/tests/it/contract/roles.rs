use super::{Iam, lenient};
use crate::wire::{EC2_TRUST, READ_SECRETS};

pub(crate) async fn a_created_role_has_the_properties_of_the_request(iam: &Iam) {
    let params = [
        ("RoleName", "Engine-1"),
        ("Path", "/a/b/"),
        ("AssumeRolePolicyDocument", EC2_TRUST),
        ("Description", "An <engine> & more"),
        ("MaxSessionDuration", "7200"),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "größe: a=b"),
    ];
    let created = iam.ok("CreateRole", &params).await;
    let read = iam.ok("GetRole", &[("RoleName", "Engine-1")]).await;
    for (answer, root) in [(&created, "CreateRoleResult"), (&read, "GetRoleResult")] {
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

pub(crate) async fn a_role_that_is_created_again_has_another_id(iam: &Iam) {
    let first = iam.role("r").await.text("CreateRoleResult/Role/RoleId");
    iam.ok("DeleteRole", &[("RoleName", "r")]).await;
    let second = iam.role("r").await.text("CreateRoleResult/Role/RoleId");
    assert!(first.is_some() && first != second);
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
    if iam.ends_for_moto("it accepts any marker and any page size") {
        return;
    }
    for (name, value) in [
        ("Marker", "r1"),
        ("MaxItems", "0"),
        ("MaxItems", "1001"),
        ("PathPrefix", "in"),
    ] {
        iam.rejected("ListRoles", &[(name, value)], 400, "ValidationError")
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
        } else if !iam.ends_for_moto("it accepts any duration") {
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
        let moto = lenient("it accepts any description");
        iam.rejected_but("CreateRole", &params, (400, "ValidationError"), moto)
            .await;
        if iam.is_moto {
            iam.ok("DeleteRole", &role[..1]).await;
        }
    }
    let params = [&role[..], &[("Description", &long[1..])]].concat();
    iam.ok("CreateRole", &params).await;
}

pub(crate) async fn a_role_with_policies_or_a_profile_cannot_be_deleted(iam: &Iam) {
    let role = ("RoleName", "r");
    let inline = ("PolicyName", "i");
    let managed = ("PolicyArn", iam.read_only().await);
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
            .rejected("DeleteRole", &[role], 409, "DeleteConflict")
            .await;
        if !iam.is_moto {
            // moto's message has a different wording.
            assert_eq!(answer.message(), format!("Cannot delete entity, {reason}"));
        }
        iam.ok(action, &params).await;
    }
    iam.ok("DeleteRole", &[role]).await;
    iam.rejected("DeleteRole", &[role], 404, "NoSuchEntity")
        .await;
}
