//! The command `role access`.

use clap::Args;
use engine_roles_contract::Access;
use serde_json::Value;

use super::connection::{ConnectionArgs, Session};
use super::exit::Exit;
use super::failure::Failure;
use super::screen::{Colour, Screen, print_line};
use super::table::{Cell, Table};
use super::wire::{decision, time, word};

/// The arguments of `role access`.
#[derive(Debug, Args)]
pub(super) struct AccessArgs {
    /// Name of the cluster
    cluster: String,
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
}

/// Prints what a cluster's role can reach.
pub(super) async fn run(session: &Session, args: &AccessArgs) -> Result<Exit, Failure> {
    let answer = session.client.role(&args.cluster).access().await?;
    let screen = session.screen;
    if screen.is_json() {
        print_line(answer.text.trim_end())?;
        return Ok(Exit::Done);
    }
    // The decisions are read from the JSON, whose members later versions may add to.
    let json: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    summary(&answer.body, &json).print(screen)?;
    print_line("")?;
    decisions(&json).print(screen)?;
    reasons(&json, screen)?;
    Ok(Exit::Done)
}

fn summary(access: &Access, json: &Value) -> Table {
    let mut table = Table::new();
    table.member("cluster", &access.cluster);
    table.member("mode", word(&access.mode));
    table.member("role", text(&json["role"]["name"]));
    let profile = &access.instance_profile;
    table.member("instance profile", &profile.name);
    let contains = word(&profile.contains).replace('_', " ");
    let expected = contains == "expected role";
    let colour = if expected { Colour::Green } else { Colour::Red };
    table.member("profile contains", Cell::coloured(contains, Some(colour)));
    if let Some(detail) = &profile.detail {
        table.member("", detail);
    }
    for document in &access.documents {
        let kind = word(&document.kind);
        let unread = document.unread.as_ref();
        let unread = unread.map_or_else(String::new, |why| format!(" (not read: {why})"));
        table.member("document", format!("{kind} {}{unread}", document.name));
    }
    for unread in &access.unread {
        table.member("not read", Cell::coloured(unread, Some(Colour::Yellow)));
    }
    table.member("evaluated", time(access.evaluated_at));
    table
}

fn decisions(json: &Value) -> Table {
    let mut table = Table::with_heading(["ACCESS TO", "DECISION", "BECAUSE OF"]);
    let own = json["own_secrets"].as_array().map(Vec::as_slice);
    for secret in own.unwrap_or_default() {
        let resource = text(&secret["resource"]);
        table.row([
            resource.into(),
            decision(&text(&secret["decision"]), true),
            by(secret).into(),
        ]);
    }
    for (name, member) in [
        ("other clusters' secrets", "other_secrets"),
        ("anything else", "anything_else"),
    ] {
        let area = &json[member];
        let found = decision(&text(&area["decision"]), false);
        table.row([name.into(), found, by(area).into()]);
        for grant in area["grants"].as_array().into_iter().flatten() {
            let what = format!(
                "  {} on {}",
                text(&grant["action"]),
                text(&grant["resource"])
            );
            let certainty = text(&grant["certainty"]);
            table.row([what.into(), certainty.into(), text(&grant["by"]).into()]);
        }
    }
    table
}

/// Returns the statement that decides.
fn by(entry: &Value) -> String {
    match (&entry["by"], entry["decision"].as_str()) {
        (Value::String(by), _) => by.clone(),
        (_, Some("denied")) => "no statement allows it".to_owned(),
        (_, Some("indeterminate")) => "see below".to_owned(),
        _ => String::new(),
    }
}

/// Prints why decisions are indeterminate, each reason once.
fn reasons(json: &Value, screen: Screen) -> Result<(), Failure> {
    let own = json["own_secrets"].as_array().into_iter().flatten();
    let areas = [&json["other_secrets"], &json["anything_else"]];
    let entries = own.chain(areas);
    let reasons = entries.flat_map(|entry| entry["because"].as_array().into_iter().flatten());
    let mut table = Table::new();
    let mut seen = Vec::new();
    for reason in reasons.map(text) {
        if !seen.contains(&reason) {
            table.member("indeterminate", &reason);
            seen.push(reason);
        }
    }
    if seen.is_empty() {
        return Ok(());
    }
    print_line("")?;
    table.print(screen)
}

fn text(value: &Value) -> String {
    word(value)
}
