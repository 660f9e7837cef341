use super::{Iam, lenient};
use crate::wire::{EC2_TRUST, READ_SECRETS};

const INVALID: (u16, &str) = (400, "ValidationError");

/// Invalid names: one is too short, the others have characters that IAM does not allow.
const BAD: [&str; 9] = ["", "a b", "a/b", "a*", "a?", "${a}", "a:b", "ä", "a\n"];

pub(crate) async fn role_names_have_iams_limits_of_characters_and_length(iam: &Iam) {
    let most = "r".repeat(64);
    for name in ["r", "Az09+=,.@-_", &most] {
        iam.role(name).await;
        iam.ok("GetRole", &[("RoleName", name)]).await;
    }
    let long = "r".repeat(65);
    for name in BAD.into_iter().chain([long.as_str()]) {
        let params = [("RoleName", name), ("AssumeRolePolicyDocument", EC2_TRUST)];
        let moto = lenient("it accepts any name");
        iam.rejected_but("CreateRole", &params, INVALID, moto).await;
        let moto = lenient("it reads what it accepted");
        iam.rejected_but("GetRole", &params[..1], INVALID, moto)
            .await;
    }
}

pub(crate) async fn profile_names_have_iams_limits_of_characters_and_length(iam: &Iam) {
    let most = "p".repeat(128);
    for name in ["p", "Az09+=,.@-_", &most] {
        iam.profile(name).await;
        iam.ok("GetInstanceProfile", &[("InstanceProfileName", name)])
            .await;
    }
    let long = "p".repeat(129);
    for name in BAD.into_iter().chain([long.as_str()]) {
        let params = [("InstanceProfileName", name)];
        let moto = lenient("it accepts any name");
        iam.rejected_but("CreateInstanceProfile", &params, INVALID, moto)
            .await;
    }
}

pub(crate) async fn policy_names_have_iams_limits_of_characters_and_length(iam: &Iam) {
    iam.role("r").await;
    let put = |name| {
        [
            ("RoleName", "r"),
            ("PolicyName", name),
            ("PolicyDocument", READ_SECRETS),
        ]
    };
    let most = "i".repeat(128);
    for name in ["i", "Az09+=,.@-_", &most] {
        iam.ok("PutRolePolicy", &put(name)).await;
    }
    let long = "i".repeat(129);
    for name in BAD.into_iter().chain([long.as_str()]) {
        let moto = lenient("it accepts any name");
        iam.rejected_but("PutRolePolicy", &put(name), INVALID, moto)
            .await;
        let managed = [("PolicyName", name), ("PolicyDocument", READ_SECRETS)];
        let moto = lenient("it accepts any name");
        iam.rejected_but("CreatePolicy", &managed, INVALID, moto)
            .await;
    }
}

pub(crate) async fn role_names_are_unique_ignoring_case(iam: &Iam) {
    iam.role("Engine").await;
    let same = [
        ("RoleName", "Engine"),
        ("AssumeRolePolicyDocument", EC2_TRUST),
    ];
    iam.rejected("CreateRole", &same, 409, "EntityAlreadyExists")
        .await;
    let other_case = [
        ("RoleName", "eNGINE"),
        ("AssumeRolePolicyDocument", EC2_TRUST),
    ];
    let moto = lenient("its names may differ only in case");
    iam.rejected_but(
        "CreateRole",
        &other_case,
        (409, "EntityAlreadyExists"),
        moto,
    )
    .await;
    if iam.ends_for_moto("its names may differ only in case") {
        return;
    }
    let found = iam.ok("GetRole", &other_case[..1]).await;
    assert_eq!(
        found.text("GetRoleResult/Role/RoleName").as_deref(),
        Some("Engine")
    );
}

pub(crate) async fn profile_names_are_unique_ignoring_case(iam: &Iam) {
    iam.profile("Engine").await;
    let same = [("InstanceProfileName", "Engine")];
    iam.rejected("CreateInstanceProfile", &same, 409, "EntityAlreadyExists")
        .await;
    let other_case = [("InstanceProfileName", "eNGINE")];
    let moto = lenient("its names may differ only in case");
    let exists = (409, "EntityAlreadyExists");
    iam.rejected_but("CreateInstanceProfile", &other_case, exists, moto)
        .await;
}

pub(crate) async fn paths_must_begin_and_end_with_a_slash(iam: &Iam) {
    let most = format!("/{}/", "p".repeat(510));
    for (n, path) in ["/", "/a/", "/a/b-c_d.e~!/", &most].into_iter().enumerate() {
        let name = format!("r{n}");
        let params = [
            ("RoleName", name.as_str()),
            ("Path", path),
            ("AssumeRolePolicyDocument", EC2_TRUST),
        ];
        let created = iam.ok("CreateRole", &params).await;
        assert_eq!(
            created.text("CreateRoleResult/Role/Path").as_deref(),
            Some(path)
        );
    }
    let long = format!("/{}/", "p".repeat(511));
    for (n, path) in ["", "a", "/a", "a/", "//", "/a b/", "/ä/", &long]
        .into_iter()
        .enumerate()
    {
        let name = format!("bad{n}");
        let params = [
            ("RoleName", name.as_str()),
            ("Path", path),
            ("AssumeRolePolicyDocument", EC2_TRUST),
        ];
        let moto = lenient("it accepts any path");
        iam.rejected_but("CreateRole", &params, INVALID, moto).await;
        let params = [("InstanceProfileName", name.as_str()), ("Path", path)];
        let moto = lenient("it accepts any path");
        iam.rejected_but("CreateInstanceProfile", &params, INVALID, moto)
            .await;
    }
    let linked = [
        ("RoleName", "linked"),
        ("Path", "/aws-service-role/ec2.amazonaws.com/"),
        ("AssumeRolePolicyDocument", EC2_TRUST),
    ];
    let moto = lenient("it accepts any path");
    iam.rejected_but("CreateRole", &linked, (400, "InvalidInput"), moto)
        .await;
}
