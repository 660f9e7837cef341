//! Instance profiles and the role in them.

use crate::params::Params;
use crate::probe::{Ask, Probe};
use crate::trouble::Trouble;

pub(super) async fn lifetime(probe: &mut Probe) -> Result<(), Trouble> {
    let name = probe.run.name("profile");
    let profile = [("InstanceProfileName", name.as_str())];
    let create = Params::profile(&probe.run, &name);
    probe
        .see("read an absent profile", "GetInstanceProfile", &profile)
        .await?;
    probe
        .see(
            "delete an absent profile",
            "DeleteInstanceProfile",
            &profile,
        )
        .await?;
    let first = probe
        .see("create", "CreateInstanceProfile", &create)
        .await?;
    probe
        .see("create again", "CreateInstanceProfile", &create)
        .await?;
    let upper = name.to_uppercase();
    let other_case = create.clone().with("InstanceProfileName", &upper);
    probe
        .see(
            "create with other letter case",
            "CreateInstanceProfile",
            &other_case,
        )
        .await?;
    probe
        .ask(
            Ask::new("read", "GetInstanceProfile", &profile).showing(|answer| {
                let roles = answer.texts("RoleName").len();
                format!("{roles} roles, {} tags", answer.tags().len())
            }),
        )
        .await?;
    probe
        .see("delete", "DeleteInstanceProfile", &profile)
        .await?;
    probe
        .see("read a deleted profile", "GetInstanceProfile", &profile)
        .await?;
    let second = probe.must("CreateInstanceProfile", &create).await?;
    let (first, second) = (
        first.text("InstanceProfileId"),
        second.text("InstanceProfileId"),
    );
    let is_new = first.is_some() && first != second;
    probe.note(
        "the profile that is created again has another id",
        &is_new.to_string(),
    );
    Ok(())
}

pub(super) async fn role(probe: &mut Probe) -> Result<(), Trouble> {
    let (one, other) = (probe.role("in-profile").await?, probe.role("second").await?);
    let profile = probe.profile("of-role").await?;
    let absent = probe.run.name("absent");
    let of = |profile: &str, role: &str| {
        Params::from(&[("InstanceProfileName", profile), ("RoleName", role)])
    };
    let (add, remove) = ("AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile");
    probe
        .see("add an absent role", add, of(&profile, &absent))
        .await?;
    probe
        .see("add to an absent profile", add, of(&absent, &one))
        .await?;
    probe
        .see("remove from an absent profile", remove, of(&absent, &one))
        .await?;
    probe
        .see(
            "remove a role that is not in it",
            remove,
            of(&profile, &one),
        )
        .await?;
    probe.see("add", add, of(&profile, &one)).await?;
    probe
        .see("add the same role again", add, of(&profile, &one))
        .await?;
    probe
        .see("add a second role", add, of(&profile, &other))
        .await?;
    let this = [("InstanceProfileName", profile.as_str())];
    probe
        .ask(
            Ask::new("read", "GetInstanceProfile", &this)
                .showing(|answer| format!("roles {:?}", answer.texts("RoleName"))),
        )
        .await?;
    probe
        .ask(
            Ask::new(
                "of a role",
                "ListInstanceProfilesForRole",
                &[("RoleName", one.as_str())],
            )
            .showing(|answer| format!("profiles {:?}", answer.texts("InstanceProfileName"))),
        )
        .await?;
    probe
        .see("delete with a role", "DeleteInstanceProfile", &this)
        .await?;
    probe
        .see("remove another role", remove, of(&profile, &other))
        .await?;
    probe.see("remove", remove, of(&profile, &one)).await?;
    probe
        .see("remove again", remove, of(&profile, &one))
        .await?;
    probe
        .see("delete without a role", "DeleteInstanceProfile", &this)
        .await?;
    Ok(())
}
