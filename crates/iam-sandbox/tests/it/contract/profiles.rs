use super::{Iam, lenient, otherwise};

const PROFILE: (&str, &str) = ("InstanceProfileName", "p");
const ROLE: (&str, &str) = ("RoleName", "r");

pub(crate) async fn a_profile_can_be_created_read_and_deleted(iam: &Iam) {
    let created = iam
        .ok("CreateInstanceProfile", &[PROFILE, ("Path", "/a/")])
        .await;
    let read = iam.ok("GetInstanceProfile", &[PROFILE]).await;
    for (answer, root) in [
        (&created, "CreateInstanceProfileResult"),
        (&read, "GetInstanceProfileResult"),
    ] {
        let text = |name: &str| {
            answer
                .text(&format!("{root}/InstanceProfile/{name}"))
                .unwrap_or_default()
        };
        assert_eq!(text("InstanceProfileName"), "p");
        assert_eq!(text("Path"), "/a/");
        assert_eq!(
            text("Arn"),
            "arn:aws:iam::123456789012:instance-profile/a/p"
        );
        assert!(text("CreateDate").ends_with('Z'));
        assert_eq!(answer.count(&format!("{root}/InstanceProfile/Roles")), 1);
        assert_eq!(
            answer.count(&format!("{root}/InstanceProfile/Roles/member")),
            0
        );
        if !iam.is_moto {
            // moto's ids have a different format.
            let id = text("InstanceProfileId");
            assert!(id.starts_with("AIPA") && id.len() == 21, "{id}");
        }
    }
    iam.ok("DeleteInstanceProfile", &[PROFILE]).await;
    iam.rejected("GetInstanceProfile", &[PROFILE], 404, "NoSuchEntity")
        .await;
    let id = "CreateInstanceProfileResult/InstanceProfile/InstanceProfileId";
    assert_ne!(iam.profile("p").await.text(id), created.text(id));
}

pub(crate) async fn a_profile_has_at_most_one_role(iam: &Iam) {
    iam.role("r").await;
    iam.role("s").await;
    iam.profile("p").await;
    iam.ok("AddRoleToInstanceProfile", &[PROFILE, ROLE]).await;
    let read = iam.ok("GetInstanceProfile", &[PROFILE]).await;
    let role = "GetInstanceProfileResult/InstanceProfile/Roles/member";
    assert_eq!(read.texts(&format!("{role}/RoleName")), ["r"]);
    assert_eq!(read.count(&format!("{role}/AssumeRolePolicyDocument")), 1);
    for name in ["r", "s"] {
        let params = [PROFILE, ("RoleName", name)];
        iam.rejected("AddRoleToInstanceProfile", &params, 409, "LimitExceeded")
            .await;
    }
    let other = [PROFILE, ("RoleName", "s")];
    let moto = || otherwise(500, "", "it fails if the role is not in the profile");
    let absent = (404, "NoSuchEntity");
    iam.rejected_but("RemoveRoleFromInstanceProfile", &other, absent, moto())
        .await;
    iam.ok("RemoveRoleFromInstanceProfile", &[PROFILE, ROLE])
        .await;
    iam.rejected_but(
        "RemoveRoleFromInstanceProfile",
        &[PROFILE, ROLE],
        absent,
        moto(),
    )
    .await;
    iam.ok("AddRoleToInstanceProfile", &other).await;
}

pub(crate) async fn a_profile_with_a_role_cannot_be_deleted(iam: &Iam) {
    iam.role("r").await;
    iam.profile("p").await;
    iam.ok("AddRoleToInstanceProfile", &[PROFILE, ROLE]).await;
    let answer = iam
        .rejected("DeleteInstanceProfile", &[PROFILE], 409, "DeleteConflict")
        .await;
    let words = "Cannot delete entity, must remove roles from instance profile first.";
    assert_eq!(answer.message(), words);
    iam.ok("RemoveRoleFromInstanceProfile", &[PROFILE, ROLE])
        .await;
    iam.ok("DeleteInstanceProfile", &[PROFILE]).await;
    iam.rejected("DeleteInstanceProfile", &[PROFILE], 404, "NoSuchEntity")
        .await;
}

pub(crate) async fn profiles_are_listed_in_pages(iam: &Iam) {
    for (name, path) in [("a", "/in/"), ("b", "/in/"), ("c", "/out/"), ("d", "/in/")] {
        let params = [("InstanceProfileName", name), ("Path", path)];
        iam.ok("CreateInstanceProfile", &params).await;
    }
    let names = "ListInstanceProfilesResult/InstanceProfiles/member/InstanceProfileName";
    let prefix = ("PathPrefix", "/in/");
    if iam.ends_for_moto("it lists all profiles, whatever is asked for") {
        return;
    }
    let all = iam.ok("ListInstanceProfiles", &[prefix]).await;
    assert_eq!(all.texts(names), ["a", "b", "d"]);
    let page = iam
        .ok("ListInstanceProfiles", &[prefix, ("MaxItems", "2")])
        .await;
    assert_eq!(page.texts(names), ["a", "b"]);
    let marker = page
        .text("ListInstanceProfilesResult/Marker")
        .expect("more to come");
    let page = iam
        .ok("ListInstanceProfiles", &[prefix, ("Marker", &marker)])
        .await;
    assert_eq!(page.texts(names), ["d"]);
    let end = page.text("ListInstanceProfilesResult/IsTruncated");
    assert_eq!(end.as_deref(), Some("false"));
}

pub(crate) async fn the_profiles_of_a_role_are_listed(iam: &Iam) {
    iam.role("r").await;
    for name in ["p", "q", "x"] {
        iam.profile(name).await;
    }
    for name in ["p", "q"] {
        let params = [("InstanceProfileName", name), ROLE];
        iam.ok("AddRoleToInstanceProfile", &params).await;
    }
    let listed = iam.ok("ListInstanceProfilesForRole", &[ROLE]).await;
    let member = "ListInstanceProfilesForRoleResult/InstanceProfiles/member";
    assert_eq!(
        listed.texts(&format!("{member}/InstanceProfileName")),
        ["p", "q"]
    );
    assert_eq!(
        listed.texts(&format!("{member}/Roles/member/RoleName")),
        ["r", "r"]
    );
    let absent = [("RoleName", "absent")];
    let moto = lenient("it returns an empty list for a role that does not exist");
    iam.rejected_but(
        "ListInstanceProfilesForRole",
        &absent,
        (404, "NoSuchEntity"),
        moto,
    )
    .await;
}
