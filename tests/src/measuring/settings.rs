//! The settings on which a measurement depends.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::service::command_of;

const SETTINGS: [&str; 3] = [
    "ENGINE_ROLES_LEASE",
    "ENGINE_ROLES_CONSISTENCY_WINDOW",
    "ENGINE_ROLES_CALL_TIMEOUT",
];

/// Returns the settings that a binary has in this environment. A default is read from the binary's
/// `--help`, and null where the help does not have the setting.
///
/// # Panics
/// When the binary can't be run.
pub(super) fn of(binary: &Path, environment: &BTreeMap<String, String>) -> Value {
    let help = command_of(binary, &["serve", "--help"], &BTreeMap::new()).output();
    let help = String::from_utf8_lossy(&help.expect("the binary can be run").stdout).into_owned();
    let settings = SETTINGS.iter().map(|name| {
        let value = match environment.get(*name) {
            Some(value) => Some(value.as_str()),
            None => default_in(&help, name),
        };
        ((*name).to_owned(), value.into())
    });
    Value::Object(settings.collect::<Map<_, _>>())
}

fn default_in<'a>(help: &'a str, name: &str) -> Option<&'a str> {
    let line = help
        .lines()
        .find(|line| line.contains(&format!("{name}=")))?;
    let (_, rest) = line.split_once("[default: ")?;
    Some(rest.split_once(']')?.0)
}
