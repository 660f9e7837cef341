//! Tags of roles and instance profiles.

use crate::params::Params;
use crate::probe::{Ask, Probe};
use crate::trouble::Trouble;

pub(super) async fn limits(probe: &mut Probe) -> Result<(), Trouble> {
    let role = probe.role("tagged").await?;
    let one = |key: &str, value: &str| Params::from(&[("RoleName", role.as_str())]).tag(key, value);
    let (key, value) = ("k".repeat(128), "v".repeat(256));
    let (long_key, long_value) = (format!("{key}k"), format!("{value}v"));
    for (what, key, value) in [
        ("the longest key and value", key.as_str(), value.as_str()),
        ("an empty value", "empty", ""),
        ("a key that is too long", &long_key, ""),
        ("a value that is too long", "k", &long_value),
        ("an empty key", "", "v"),
        ("all other characters", "Az09 _.:/=+-@", "Az09 _.:/=+-@"),
        ("letters that are not ASCII", "gr\u{f6}\u{df}e", "\u{5927}"),
        ("a key with a star", "a*", "v"),
        ("a key with a comma", "a,b", "v"),
        ("a value with a star", "k", "a*"),
        ("a value with a question mark", "k", "a?"),
        ("a value with a tab", "k", "a\tb"),
        ("a reserved key", "aws:x", "v"),
        ("a reserved key in capitals", "AWS:x", "v"),
        ("a key that begins like a reserved one", "awsome", "v"),
    ] {
        probe.see(what, "TagRole", one(key, value)).await?;
    }
    let twice = one("Twice", "1").tag("twice", "2");
    probe
        .see("two keys that differ by case", "TagRole", &twice)
        .await?;
    let none = [("RoleName", role.as_str())];
    probe.see("no tags", "TagRole", &none).await?;
    let name = probe.run.name("many-tags");
    // One more is the tag by which the suite finds its resources.
    let numbered = |count: usize| {
        let role = Params::role(&probe.run, &name);
        (1..count).fold(role, |role, number| role.tag(&format!("k{number:02}"), "v"))
    };
    let (many, most) = (numbered(51), numbered(50));
    probe
        .see("create with 51 tags", "CreateRole", &many)
        .await?;
    probe
        .see("create with 50 tags", "CreateRole", &most)
        .await?;
    let more = Params::from(&[("RoleName", name.as_str())]).tag("one-more", "v");
    probe.see("tag 51", "TagRole", &more).await?;
    let replaced = Params::from(&[("RoleName", name.as_str())]).tag("k01", "w");
    probe.see("replace one of 50", "TagRole", &replaced).await?;
    Ok(())
}

pub(super) async fn changes(probe: &mut Probe) -> Result<(), Trouble> {
    let (role, profile) = (probe.role("tags").await?, probe.profile("tags").await?);
    for (kind, parameter, name) in [
        ("Role", "RoleName", &role),
        ("InstanceProfile", "InstanceProfileName", &profile),
    ] {
        let this = Params::from(&[(parameter, name.as_str())]);
        let (tag, untag) = (format!("Tag{kind}"), format!("Untag{kind}"));
        let read = format!("Get{kind}");
        let (before, after) = (format!("{kind}: tags"), format!("{kind}: tags after"));
        let seen = |what| {
            Ask::new(what, &read, &this).showing(|answer| {
                let mut tags = answer.tags();
                tags.sort();
                format!("{tags:?}")
            })
        };
        probe
            .see(&format!("{kind}: tag"), &tag, this.clone().tag("Team", "1"))
            .await?;
        probe
            .see(
                &format!("{kind}: other letter case"),
                &tag,
                this.clone().tag("team", "2"),
            )
            .await?;
        probe.ask(seen(&before)).await?;
        let key = this.clone().with("TagKeys.member.1", "TEAM");
        probe
            .see(&format!("{kind}: untag in capitals"), &untag, &key)
            .await?;
        probe.ask(seen(&after)).await?;
        let absent = this.clone().with("TagKeys.member.1", "absent");
        probe
            .see(&format!("{kind}: untag an absent key"), &untag, &absent)
            .await?;
        let other = probe.run.name("absent");
        let other = Params::from(&[(parameter, other.as_str())]);
        probe
            .see(
                &format!("{kind}: tag an absent one"),
                &tag,
                other.clone().tag("k", "v"),
            )
            .await?;
        let key = other.with("TagKeys.member.1", "k");
        probe
            .see(&format!("{kind}: untag an absent one"), &untag, &key)
            .await?;
    }
    Ok(())
}
