//! The settings in effect, and variables that no setting has.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use serde::Serialize;

/// The beginning of the names of this program's variables.
const OURS: &str = "ENGINE_ROLES_";
/// Variables of this program's tests and development tools, which the program itself does not read.
const OF_TOOLS: &str = "ENGINE_ROLES_TEST_";

/// Makes an empty variable count as not set, for every argument of every command.
pub(crate) fn without_empty_variables(command: Command) -> Command {
    command
        .mut_args(|argument| {
            let variable = argument.get_env().and_then(std::env::var_os);
            if variable.is_some_and(|value| value.is_empty()) {
                argument.env(Resettable::Reset)
            } else {
                argument
            }
        })
        .mut_subcommands(without_empty_variables)
}

/// Returns the names of this program's variables that are set although no setting has them. `command`
/// knows all variables, the empty ones too.
pub(crate) fn unknown_variables(command: &Command) -> Vec<String> {
    let known = variables(command);
    let set = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let mut unknown: Vec<String> = set
        .filter(|name| name.starts_with(OURS) && !name.starts_with(OF_TOOLS))
        .filter(|name| !known.contains(name))
        .collect();
    unknown.sort();
    unknown
}

fn variables(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(clap::Arg::get_env);
    let own = own.map(|name| name.to_string_lossy().into_owned());
    let below = command.get_subcommands().flat_map(variables);
    own.chain(below).collect()
}

/// A setting that has another value than its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Setting {
    /// The name of its flag, without the hyphens.
    pub(crate) name: String,
    /// Where the value comes from: `flag` or `variable`.
    pub(crate) source: &'static str,
    /// The value; none for a secret.
    pub(crate) value: Option<String>,
}

/// Returns the settings of a command that were set, and where.
pub(crate) fn set_values(command: &Command, matches: &ArgMatches) -> Vec<Setting> {
    let set = command.get_arguments().filter_map(|argument| {
        let name = argument.get_long()?.to_owned();
        let id = argument.get_id().as_str();
        let source = match matches.value_source(id)? {
            ValueSource::CommandLine => "flag",
            ValueSource::EnvVariable => "variable",
            _ => return None,
        };
        let values = matches.try_get_raw(id).ok().flatten();
        let texts = values.map(|values| {
            let values: Vec<_> = values.map(OsStr::to_string_lossy).collect();
            values.join(",")
        });
        let value = texts.filter(|_| !argument.is_hide_env_values_set());
        Some(Setting {
            name,
            source,
            value,
        })
    });
    set.collect()
}

/// Returns each setting of a command with its value, in one line. A secret shows only whether it is
/// set: those are the arguments whose variable's value `--help` hides.
pub(crate) fn in_effect(command: &Command, matches: &ArgMatches) -> String {
    let settings = command.get_arguments().filter_map(|argument| {
        let name = argument.get_long()?;
        let id = argument.get_id().as_str();
        // An argument without a value, such as `--help`.
        let values = matches.try_get_raw(id).ok()?;
        let Some(values) = values else {
            return Some(format!("{name}=(not set)"));
        };
        if argument.is_hide_env_values_set() {
            return Some(format!("{name}=(set)"));
        }
        let values: Vec<_> = values.map(OsStr::to_string_lossy).collect();
        Some(format!("{name}={}", values.join(",")))
    });
    settings.collect::<Vec<_>>().join(" ")
}
