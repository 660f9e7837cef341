//! The names of settings in messages: a setting is named as the user has given it.
//!
//! The texts of this program name a setting by its flag. A user who has set a variable would not find
//! that flag on the command line, so [`Named`] shows the variable in its place.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::sync::OnceLock;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

/// The settings of this process by their flags. Like the command line and the environment that they
/// come from, they stay the same while the process runs.
static SETTINGS: OnceLock<BTreeMap<String, Given>> = OnceLock::new();

/// How a setting was given.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Given {
    /// By its flag.
    Flag,
    /// By this variable.
    Variable(String),
    /// Not at all; with its variable, if there is one.
    Not(Option<String>),
}

/// Remembers for this process how the settings of the command, and of its subcommands, were given.
pub(crate) fn remember(command: &Command, matches: &ArgMatches) {
    let mut settings = BTreeMap::new();
    add(&mut settings, command, matches);
    // A second call, as in a test, changes nothing.
    let _ = SETTINGS.set(settings);
}

fn add(settings: &mut BTreeMap<String, Given>, command: &Command, matches: &ArgMatches) {
    for argument in command.get_arguments() {
        let Some(flag) = argument.get_long() else {
            continue;
        };
        let variable = argument.get_env();
        let variable = variable.map(|name| name.to_string_lossy().into_owned());
        // clap panics at an argument without a value, such as `--help`.
        let id = argument.get_id().as_str();
        let is_known = matches.try_contains_id(id).is_ok();
        let source = is_known.then(|| matches.value_source(id)).flatten();
        let given = match (source, variable) {
            (Some(ValueSource::CommandLine), _) => Given::Flag,
            (Some(ValueSource::EnvVariable), Some(variable)) => Given::Variable(variable),
            (_, variable) => Given::Not(variable),
        };
        settings.insert(format!("--{flag}"), given);
    }
    if let Some((name, matches)) = matches.subcommand()
        && let Some(command) = command.find_subcommand(name)
    {
        add(settings, command, matches);
    }
}

/// Returns whether the user has given a setting, by its flag or its variable.
pub(crate) fn is_given(flag: &str) -> bool {
    let given = SETTINGS.get().and_then(|settings| settings.get(flag));
    matches!(given, Some(Given::Flag | Given::Variable(_)))
}

/// A text of this program about settings. Each flag in it is shown as the variable that the user has
/// set; a setting that is not set is shown with both of its names. A flag stays as it is where the
/// command does not know the flag, or nothing was remembered.
pub(crate) struct Named<T>(pub(crate) T);

impl<T: Display> Display for Named<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        match SETTINGS.get() {
            Some(settings) => f.write_str(&named(&text, settings)),
            None => f.write_str(&text),
        }
    }
}

fn named(text: &str, settings: &BTreeMap<String, Given>) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find("--") {
        let (before, from_flag) = rest.split_at(place);
        shown.push_str(before);
        let is_of_flag = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let end = from_flag.find(|c| !is_of_flag(c));
        let (flag, after) = from_flag.split_at(end.unwrap_or(from_flag.len()));
        match settings.get(flag) {
            Some(Given::Variable(variable)) => shown.push_str(variable),
            Some(Given::Not(Some(variable))) => {
                shown.extend([flag, " (", variable, ")"]);
            }
            Some(Given::Flag | Given::Not(None)) | None => shown.push_str(flag),
        }
        rest = after;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_named_as_it_was_given() {
        let settings = [
            ("--one", Given::Flag),
            ("--two", Given::Variable("X_TWO".to_owned())),
            ("--two-more", Given::Not(Some("X_MORE".to_owned()))),
            ("--three", Given::Not(None)),
        ];
        let settings = settings.map(|(flag, given)| (flag.to_owned(), given));
        let settings = BTreeMap::from(settings);
        for (text, expected) in [
            ("--one: is wrong", "--one: is wrong"),
            ("--two: is wrong", "X_TWO: is wrong"),
            (
                "needs --two-more, or --three",
                "needs --two-more (X_MORE), or --three",
            ),
            ("a -- b --four --two", "a -- b --four X_TWO"),
            ("--two-", "--two-"),
            ("", ""),
        ] {
            assert_eq!(named(text, &settings), expected, "{text}");
        }
    }

    #[test]
    fn where_nothing_is_remembered_a_flag_stays_a_flag() {
        assert_eq!(Named("--lease").to_string(), "--lease");
        assert!(!is_given("--lease"));
    }
}
