//! The compose file of `docker/` passes every setting of `serve` on, and the files of all kinds of
//! deployment name only settings that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use engine_roles_e2e::Installation;
use engine_roles_e2e::service::command;
use serde_json::Value;

/// Returns the names in a text that begin with `ENGINE_ROLES_`.
fn settings(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_ascii_uppercase() || c == '_'))
        .filter(|word| word.starts_with("ENGINE_ROLES_"))
        .collect()
}

/// Returns the variables that the compose file passes on: those of a line that only names a variable.
/// A comment or the value of another variable may name one, too, but passes nothing on.
fn passed_on(compose: &str) -> BTreeSet<&str> {
    let lines = compose
        .lines()
        .filter_map(|line| line.trim().split_once(':'));
    lines
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("ENGINE_ROLES_"))
        .collect()
}

#[test]
fn a_variable_that_only_a_comment_or_a_value_names_is_not_passed_on() {
    let compose = "      # Must be longer than ENGINE_ROLES_LEASE (default: 60s).\n      \
                   OTHER: ${ENGINE_ROLES_DRIFT:-repair}\n      ENGINE_ROLES_ORPHANS:\n";
    assert_eq!(passed_on(compose), BTreeSet::from(["ENGINE_ROLES_ORPHANS"]));
}

/// Returns the settings in the help of `serve`.
fn help() -> String {
    let help = command(&["serve", "--help"], &BTreeMap::new()).output();
    let help = help.expect("the binary can be run").stdout;
    String::from_utf8(help).expect("the help is text")
}

#[test]
fn the_files_of_a_deployment_name_only_settings_that_exist() {
    let help = help();
    let mut known = settings(&help);
    // Variables of Compose, of the units, and of the image.
    known.extend([
        "ENGINE_ROLES_IMAGE",
        "ENGINE_ROLES_POSTGRES_IMAGE",
        "ENGINE_ROLES_PUBLISH",
        "ENGINE_ROLES_USER",
    ]);
    for file in [
        "Dockerfile",
        "docker/cloudformation/ai-unlimited-fragment.yaml",
        "docker/cloudformation/by-itself.yaml",
        "docker/systemd/engine-roles.service",
        "docker/systemd/engine-roles-postgres.service",
        "docs/deployment.md",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let text = std::fs::read_to_string(path).expect("the file can be read");
        let named = settings(&text);
        let unknown: Vec<&&str> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
}

#[test]
fn compose_passes_every_setting_of_serve_on() {
    let compose = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker/compose.yaml");
    let compose = std::fs::read_to_string(compose).expect("the compose file can be read");
    let help = help();
    let known = settings(&help);
    assert!(known.len() > 20, "the help names its variables: {known:?}");
    let passed_on = passed_on(&compose);
    for setting in [
        "ENGINE_ROLES_ATTESTATION",
        "ENGINE_ROLES_CALL_BURST",
        "ENGINE_ROLES_CALL_RATE",
        "ENGINE_ROLES_PROBES",
    ] {
        assert!(known.contains(setting), "{setting} is not in the help");
    }
    let missing = known.difference(&passed_on);
    // A file has to be mounted first, so a compose file of the administrator's own names it.
    let missing: Vec<&&str> = missing.filter(|name| !name.ends_with("_FILE")).collect();
    assert!(missing.is_empty(), "compose.yaml lacks {missing:?}");
}

#[test]
fn the_file_with_secrets_in_files_has_only_settings_that_exist_and_no_secret() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker/secrets-files.yaml");
    let text = std::fs::read_to_string(path).expect("the file can be read");
    let lines = text.lines().filter_map(|line| line.trim().split_once(": "));
    let variables: BTreeMap<&str, &str> = lines.collect();
    let help = help();
    let files = variables.iter().filter(|(name, _)| name.ends_with("_FILE"));
    let files: Vec<(&&str, &&str)> = files.collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for (name, file) in files {
        // The variable of Postgres's image is none of ours.
        assert!(
            *name == "POSTGRES_PASSWORD_FILE" || help.contains(&format!("[env: {name}")),
            "{name}"
        );
        assert!(file.starts_with("/run/secrets/engine-roles-"), "{file}");
        let secret = name.trim_end_matches("_FILE");
        assert_eq!(variables.get(secret), Some(&"\"\""), "{secret}");
    }
}

#[tokio::test]
async fn the_variables_of_the_file_with_secrets_in_files_reach_the_database_and_the_key() {
    let installation = Installation::build().rarely_checked().start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, format!("{text}\n")).expect("a file");
        path.to_str().expect("text").to_owned()
    };
    let url = file("database-url", &installation.environment()["DATABASE_URL"]);
    let key = file("init-api-key", installation.key());
    let output = installation.run(
        &["check", "--output", "json"],
        &[
            ("DATABASE_URL", ""),
            ("DATABASE_URL_FILE", &url),
            ("PGPASSWORD", ""),
            ("ENGINE_ROLES_INIT_API_KEY", ""),
            ("ENGINE_ROLES_INIT_API_KEY_FILE", &key),
        ],
    );
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let lines = report["checks"].as_array().expect("lines");
    for name in ["configuration", "database"] {
        let mut lines = lines.iter().filter(|line| line["name"] == name);
        let line = lines.next().expect("a line");
        assert_eq!(line["verdict"], "ok", "{line}");
    }
    assert!(!report.to_string().contains(installation.key()), "{report}");
}
