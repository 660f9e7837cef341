//! `docs/runbook.md` has a complete entry for each alert and for each state that needs a person, and its
//! commands work.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use engine_roles_e2e::Installation;
use engine_roles_e2e::service::command;
use serde_json::Value;

use super::shell::{blocks, printed, run, variables};

const PAGE: &str = include_str!("../../../../docs/runbook.md");
const FILE: &str = "documented/runbook.rs";

/// Gives the commands that work on the database and AWS the settings of the service.
const OPERATOR: &str = r#"
engine-roles() {
    case "$1" in
        check | migrate | keys) (. ./service.env; command engine-roles "$@") ;;
        *) command engine-roles "$@" ;;
    esac
}
"#;

/// Words that need nobody.
const NEEDS_NOBODY: [&str; 12] = [
    "ok",
    "unknown",
    "stopping",
    "ready",
    "degraded",
    "unready",
    "provisioning",
    "active",
    "deleting",
    "deleted",
    "fit",
    "declared",
];

/// The entries, each with its heading.
fn entries() -> Vec<(&'static str, &'static str)> {
    let sections = PAGE.split("\n## ").skip(1);
    let sections = sections.filter_map(|section| section.split_once('\n'));
    sections
        .filter(|(heading, _)| *heading != "Which entry")
        .collect()
}

/// Returns the anchor that a renderer gives to a heading.
fn anchor(heading: &str) -> String {
    let characters = heading.to_lowercase();
    let characters = characters.chars().filter_map(|character| match character {
        ' ' => Some('-'),
        '-' | '_' => Some(character),
        _ => character.is_alphanumeric().then_some(character),
    });
    characters.collect()
}

#[test]
fn each_entry_says_what_is_seen_what_it_means_what_to_do_and_when_it_is_over() {
    let entries = entries();
    assert!(entries.len() > 20, "{entries:?}");
    for (heading, text) in entries {
        let mut rest = text;
        for part in [
            "\n**What you see.** ",
            "\n**What it means.** ",
            "\n**What to do.** ",
            "\n**How you know that it is over.** ",
        ] {
            let (_, after) = rest
                .split_once(part)
                .unwrap_or_else(|| panic!("{heading}: no {part:?}, or in another order"));
            rest = after;
        }
    }
}

#[test]
fn each_entry_is_in_a_table_and_each_row_has_an_entry() {
    let (tables, _) = PAGE
        .split_once("\n## No replica answers\n")
        .expect("the tables come first");
    let linked: BTreeSet<&str> = tables
        .split("](#")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .collect();
    let anchors: BTreeSet<String> = entries()
        .iter()
        .map(|(heading, _)| anchor(heading))
        .collect();
    let anchors: BTreeSet<&str> = anchors.iter().map(String::as_str).collect();
    assert_eq!(linked, anchors);
}

#[test]
fn each_word_of_the_interface_that_needs_a_person_has_an_entry() {
    let output = command(&["openapi"], &BTreeMap::new()).output();
    let output = output.expect("the binary can be run");
    let document: Value = serde_json::from_slice(&output.stdout).expect("the document is JSON");
    let schemas = &document["components"]["schemas"];
    let rows: Vec<&str> = PAGE.lines().filter(|line| line.starts_with("| ")).collect();
    for (schema, place) in [
        ("State", "`state`"),
        ("DatabaseStatus", "`database`"),
        ("ReconcilerStatus", "`reconciler`"),
        ("AwsStatus", "`aws`"),
        ("AuditStatus", "`audit`"),
        ("Verdict", "`verdict`"),
    ] {
        let words = schemas[schema]["enum"].as_array().expect(schema);
        let words = words.iter().filter_map(Value::as_str);
        let words: Vec<&str> = words.filter(|word| !NEEDS_NOBODY.contains(word)).collect();
        assert!(
            !words.is_empty(),
            "{schema} has no word that needs a person"
        );
        for word in words {
            let cell = format!("`{word}`");
            let mut rows = rows.iter();
            let start = format!("| {place} ");
            let has_row = rows.any(|row| row.starts_with(&start) && row.contains(&cell));
            assert!(has_row, "no row for {place} {word}");
        }
    }
}

#[tokio::test]
async fn the_commands_of_the_runbook_work() {
    let installation = Installation::build()
        .prepared("prepared-engine-role")
        .start()
        .await;
    let client = installation.client();
    client.provision("demo").await.expect(201);
    let directory = tempfile::tempdir().expect("a directory");
    let mut settings = String::new();
    for (name, value) in installation.environment() {
        let _ = writeln!(settings, "export {name}='{value}'");
    }
    let file = directory.path().join("service.env");
    std::fs::write(file, settings).expect("the file can be written");
    let commands = blocks(PAGE, "sh", FILE);
    assert!(commands.len() > 15, "{commands:?}");
    let commands = format!("{OPERATOR}{}", commands.concat());
    let output = run(&commands, directory.path(), &variables(&installation)).await;
    let printed = printed(&commands, &output);
    for expected in [
        "status        ready",
        "ok       database",
        "state             active",
        "prepared-engine-role",
        "access ended",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    let shown = client.get("demo").await.expect(200).clone();
    assert_eq!(shown["state"], "active", "the last change provisions again");
    for sql in blocks(PAGE, "sql", FILE) {
        installation.database.execute(&sql).await;
    }
    installation.assert_sound().await;
}

#[test]
fn an_anchor_has_no_punctuation() {
    assert_eq!(anchor("AWS can't be reached"), "aws-cant-be-reached");
}
