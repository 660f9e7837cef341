//! The characters and lengths of names and paths.

use crate::params::Params;
use crate::probe::Probe;
use crate::rules::roles::READ_SECRETS;
use crate::trouble::Trouble;

pub(super) async fn names(probe: &mut Probe) -> Result<(), Trouble> {
    let start = probe.run.name("n");
    let filled = |length: usize| format!("{start}{}", "x".repeat(length - start.len()));
    let with = |end: &str| format!("{start}{end}");
    let bad = [
        ("empty", String::new()),
        ("with a space", with(" b")),
        ("with a slash", with("/b")),
        ("with a star", with("*")),
        ("with a question mark", with("?")),
        ("with a variable", with("${a}")),
        ("with a colon", with(":")),
        ("with a letter that is not ASCII", with("\u{e4}")),
        ("with a line break", with("\n")),
    ];
    for (what, name) in &bad {
        let role = Params::role(&probe.run, name);
        probe
            .see(&format!("role {what}"), "CreateRole", &role)
            .await?;
        let profile = Params::profile(&probe.run, name);
        probe
            .see(
                &format!("instance profile {what}"),
                "CreateInstanceProfile",
                &profile,
            )
            .await?;
        let policy = Params::policy(&probe.run, name, READ_SECRETS);
        probe
            .see(&format!("policy {what}"), "CreatePolicy", &policy)
            .await?;
    }
    for (what, name) in [
        ("role of 64 characters", filled(64)),
        ("role of 65 characters", filled(65)),
        ("role with all other characters", with("Az09+=,.@-_")),
    ] {
        let role = Params::role(&probe.run, &name);
        probe.see(what, "CreateRole", &role).await?;
    }
    for (what, name) in [
        ("instance profile of 128 characters", filled(128)),
        ("instance profile of 129 characters", filled(129)),
        (
            "instance profile with all other characters",
            with("Az09+=,.@-_"),
        ),
    ] {
        let profile = Params::profile(&probe.run, &name);
        probe.see(what, "CreateInstanceProfile", &profile).await?;
    }
    Ok(())
}

pub(super) async fn paths(probe: &mut Probe) -> Result<(), Trouble> {
    let path = probe.run.path();
    let inner = path.trim_matches('/').to_owned();
    let filled = |length: usize| format!("{path}{}/", "x".repeat(length - path.len() - 1));
    let good = [
        ("with two slashes", format!("{path}/")),
        ("with other characters", format!("{path}!~*/")),
        ("of 512 characters", filled(512)),
    ];
    let bad = [
        ("empty", String::new()),
        ("without slashes", inner.clone()),
        ("without the first slash", format!("{inner}/")),
        ("without the last slash", format!("/{inner}")),
        ("with a space", format!("{path} /")),
        ("with a letter that is not ASCII", format!("{path}\u{e4}/")),
        ("of 513 characters", filled(513)),
    ];
    for (number, (what, path)) in good.iter().chain(&bad).enumerate() {
        let name = probe.run.name(&format!("path{number}"));
        let role = Params::role(&probe.run, &name).with("Path", path);
        probe
            .see(&format!("role, path {what}"), "CreateRole", &role)
            .await?;
    }
    let name = probe.run.name("no-path");
    let role = Params::role(&probe.run, &name).without("Path");
    let created = probe
        .see("role without a path", "CreateRole", &role)
        .await?;
    let shown = created.text("Path").unwrap_or_default();
    probe.note("the path of a role without one", &shown);
    Ok(())
}
