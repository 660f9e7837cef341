//! The console names entries of the runbook, and the page about the console shows its pictures.

use std::collections::BTreeSet;
use std::path::Path;

use engine_roles_e2e::Installation;
use regex::Regex;

use super::browser::Browser;
use super::keys;

const SOURCE: &str = include_str!("../../../../crates/api/src/console/needs_person.rs");
const RUNBOOK: &str = include_str!("../../../../docs/runbook.md");
/// `docs/console.md`.
const PAGE: &str = include_str!("../../../../docs/console.md");

#[test]
fn each_entry_of_the_runbook_that_the_console_names_exists() {
    let headings: BTreeSet<&str> = RUNBOOK
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let named = Regex::new(r#"Entry\("([^"]+)"\)"#).expect("a pattern");
    let named: BTreeSet<&str> = named
        .captures_iter(SOURCE)
        .map(|found| found.extract::<1>().1[0])
        .collect();
    assert!(named.len() > 10, "{named:?}");
    let missing: Vec<_> = named.difference(&headings).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_page_shows_exactly_the_pictures_that_exist_and_each_is_small() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images");
    let files = std::fs::read_dir(folder).expect("a folder").map(|file| {
        let file = file.expect("a file");
        let size = file.metadata().expect("a size").len();
        (file.file_name().to_string_lossy().into_owned(), size)
    });
    let pictures: Vec<_> = files
        .filter(|(name, _)| name.starts_with("console-"))
        .collect();
    for (name, size) in &pictures {
        assert!(*size < 150_000, "{name} has {size} bytes");
        assert!(
            PAGE.contains(&format!("](images/{name})")),
            "{name} is not shown"
        );
    }
    assert_eq!(PAGE.matches("](images/").count(), pictures.len());
}

#[tokio::test]
async fn the_documented_key_signs_in_and_shows_every_page() {
    let installation = Installation::build().rarely_checked().start().await;
    let mut lines = PAGE.lines();
    let command = lines.find_map(|line| line.strip_prefix("engine-roles keys "));
    let arguments: Vec<&str> = command.expect("a command").split(' ').collect();
    let key = keys(&installation, &arguments);
    let browser = Browser::of(&installation, 0);
    browser.sign_in(&key).await;
    for path in ["/console", "/console/clusters", "/console/audit"] {
        browser.get(path).await.expect(200);
    }
}
