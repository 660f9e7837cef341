//! The messages of denials, which name the layer that denied.

use crate::params::Params;
use crate::probe::{Ask, Probe};
use crate::scoped::{Scoped, allow, assume, create, deny, policy};
use crate::trouble::Trouble;

const READ: &str = "iam:GetRole";
const OTHER: &str = "iam:ListRolePolicies";

pub(super) async fn layers(probe: &mut Probe) -> Result<(), Trouble> {
    let target = probe.role("target").await?;
    let this = [("RoleName", target.as_str())];
    let own = probe.arn(&format!("role{}*", probe.run.path()));
    let statements = [
        allow(&[READ, OTHER], &own),
        deny(&["iam:ListAttachedRolePolicies"]),
    ];
    let plain = create(probe, &Scoped::new("identity", &statements)).await?;
    let session = assume(probe, &plain, None).await?;
    for (what, action) in [
        ("allowed", "GetRole"),
        ("no identity-based policy allows", "ListRoleTags"),
        (
            "an identity-based policy denies",
            "ListAttachedRolePolicies",
        ),
    ] {
        probe
            .ask(Ask::new(what, action, &this).by(&session))
            .await?;
    }
    let absent = probe.run.name("absent");
    let ask = Ask::new(
        "an absent role, whose path is not known",
        "GetRole",
        &[("RoleName", absent.as_str())],
    );
    probe.ask(ask.by(&session)).await?;

    let only_other = policy(&[allow(&[OTHER], "*")]);
    let all_but = policy(&[allow(&["iam:*"], "*"), deny(&[READ])]);
    for (what, document) in [
        ("no session policy allows", &only_other),
        ("a session policy denies", &all_but),
    ] {
        let session = assume(probe, &plain, Some(document)).await?;
        probe
            .ask(Ask::new(what, "GetRole", &this).by(&session))
            .await?;
    }
    for (short, what, document) in [
        ("implicit", "no permissions boundary allows", &only_other),
        ("explicit", "a permissions boundary denies", &all_but),
    ] {
        let boundary = probe.policy(&format!("b-{short}"), document).await?;
        let short = format!("bounded-{short}");
        let mut scoped = Scoped::new(&short, &statements);
        scoped.boundary = Some(&boundary);
        let role = create(probe, &scoped).await?;
        let session = assume(probe, &role, None).await?;
        probe
            .ask(Ask::new(what, "GetRole", &this).by(&session))
            .await?;
        let neither = "neither identity-based policy nor boundary allows";
        if short.ends_with("implicit") {
            probe
                .ask(Ask::new(neither, "ListRoleTags", &this).by(&session))
                .await?;
            let session = assume(probe, &role, Some(&only_other)).await?;
            let both = "neither boundary nor session policy allows";
            probe
                .ask(Ask::new(both, "GetRole", &this).by(&session))
                .await?;
        }
    }
    Ok(())
}

pub(super) async fn passing(probe: &mut Probe) -> Result<(), Trouble> {
    let (passed, profile) = (probe.role("passed").await?, probe.profile("passed").await?);
    let actions = [
        "iam:AddRoleToInstanceProfile",
        "iam:CreateRole",
        "iam:CreateInstanceProfile",
    ];
    let own = ["role", "instance-profile"].map(|kind| {
        let path = probe.run.path();
        allow(&actions, &probe.arn(&format!("{kind}{path}*")))
    });
    let role = create(probe, &Scoped::new("passer", &own)).await?;
    let session = assume(probe, &role, None).await?;
    let member = [
        ("InstanceProfileName", profile.as_str()),
        ("RoleName", passed.as_str()),
    ];
    let ask = Ask::new("without iam:PassRole", "AddRoleToInstanceProfile", &member);
    probe.ask(ask.by(&session)).await?;
    let tagged = Params::role(&probe.run, &probe.run.name("tagged-by-scoped"));
    let ask = Ask::new(
        "create with tags, without iam:TagRole",
        "CreateRole",
        &tagged,
    );
    probe.ask(ask.by(&session)).await?;
    let tagged = Params::profile(&probe.run, &probe.run.name("tagged-by-scoped"));
    let ask = Ask::new("the same for a profile", "CreateInstanceProfile", &tagged);
    probe.ask(ask.by(&session)).await?;

    let absent = probe.own_arn("role", &probe.run.name("absent"));
    let of_ec2 = probe.own_arn("role", &passed);
    for (what, arn, name, seconds) in [
        ("assume an absent role", &absent, "aws-test", "900"),
        (
            "assume a role that trusts only EC2",
            &of_ec2,
            "aws-test",
            "900",
        ),
        ("a session name with a space", &role, "a b", "900"),
        ("a session name of one character", &role, "a", "900"),
        ("a session that is too short", &role, "aws-test", "899"),
        (
            "a session longer than the role's",
            &role,
            "aws-test",
            "3601",
        ),
    ] {
        let params = [
            ("RoleArn", arn.as_str()),
            ("RoleSessionName", name),
            ("DurationSeconds", seconds),
        ];
        probe.see(what, "AssumeRole", &params).await?;
    }
    let malformed = [
        ("RoleArn", role.as_str()),
        ("RoleSessionName", "aws-test"),
        ("Policy", "{"),
    ];
    probe
        .see("a session policy that is no JSON", "AssumeRole", &malformed)
        .await?;
    Ok(())
}
