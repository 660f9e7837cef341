//! The compose file of `docker/` passes every setting of `serve` on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use engine_roles_e2e::service::command;

/// Returns the names in a text that begin with `ENGINE_ROLES_`.
fn settings(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_ascii_uppercase() || c == '_'))
        .filter(|word| word.starts_with("ENGINE_ROLES_"))
        .collect()
}

#[test]
fn compose_passes_every_setting_of_serve_on() {
    let compose = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker/compose.yaml");
    let compose = std::fs::read_to_string(compose).expect("the compose file can be read");
    let help = command(&["serve", "--help"], &BTreeMap::new()).output();
    let help = help.expect("the binary can be run").stdout;
    let help = String::from_utf8(help).expect("the help is text");
    let known = settings(&help);
    assert!(known.len() > 20, "the help names its variables: {known:?}");
    let passed_on = settings(&compose);
    let missing = known.difference(&passed_on);
    // A file has to be mounted first, so a compose file of the administrator's own names it.
    let missing: Vec<&&str> = missing.filter(|name| !name.ends_with("_FILE")).collect();
    assert!(missing.is_empty(), "compose.yaml lacks {missing:?}");
}
