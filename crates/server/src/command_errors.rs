//! Errors of the command line that name the variable from which a wrong value came.
//!
//! clap names the flag of a setting, also where its value came from the environment.

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command, Error};

/// The command line and the environment of this process, where they are invalid.
pub(crate) struct Invalid {
    /// Why they are. Names the variable where one is the reason.
    pub(crate) error: Error,
    /// The variable that is the reason; none where it is the command line.
    pub(crate) variable: Option<String>,
}

/// Parses the command line and the environment of this process. `all` is the command with all variables,
/// also those that count as not set.
///
/// # Errors
/// When they are invalid. The help and the version are such errors, too.
pub(crate) fn parse(command: &Command, all: &Command) -> Result<ArgMatches, Invalid> {
    command.clone().try_get_matches().map_err(|error| {
        // A help is no error of a variable.
        let culprit = error.use_stderr().then(|| culprit(command, &error));
        let culprit = culprit.flatten();
        Invalid {
            variable: culprit.and_then(variable),
            error: explained(all, error, culprit),
        }
    })
}

/// Returns the command without a variable, as if it were not set.
pub(crate) fn without_variable(command: Command, name: &str) -> Command {
    command
        .mut_args(|argument| {
            if variable(&argument).as_deref() == Some(name) {
                argument.env(Resettable::Reset)
            } else {
                argument
            }
        })
        .mut_subcommands(|command| without_variable(command, name))
}

/// Returns an error in one line, without the hints at the usage.
pub(crate) fn in_one_line(error: &Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.is_empty());
    let line = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    line.trim_start_matches("error: ").to_owned()
}

/// Returns the argument whose variable is the reason of an error: without the variable, there would be
/// no error, or another one.
fn culprit<'a>(command: &'a Command, error: &Error) -> Option<&'a Arg> {
    arguments(command).into_iter().find(|argument| {
        let name = variable(argument);
        let is_set = |name: &String| std::env::var_os(name).is_some();
        name.filter(is_set).is_some_and(|name| {
            let parsed = without_variable(command.clone(), &name).try_get_matches();
            parsed.map_or_else(|other| !is_same(&other, error), |_| true)
        })
    })
}

/// Returns whether two errors are about the same. Their hints at the usage may differ.
fn is_same(one: &Error, other: &Error) -> bool {
    let context = |kind| one.get(kind) == other.get(kind);
    one.kind() == other.kind()
        && context(ContextKind::InvalidArg)
        && context(ContextKind::InvalidValue)
}

/// Returns the arguments of a command and of its subcommands.
fn arguments(command: &Command) -> Vec<&Arg> {
    let below = command.get_subcommands().flat_map(arguments);
    command.get_arguments().chain(below).collect()
}

fn variable(argument: &Arg) -> Option<String> {
    let name = argument.get_env()?;
    Some(name.to_string_lossy().into_owned())
}

/// Returns an error that names the variable in the place of the flag, and the variables of flags that are
/// missing. The value of a secret is left out.
fn explained(all: &Command, mut error: Error, culprit: Option<&Arg>) -> Error {
    let missing = missing(all, &error);
    let Some((culprit, variable)) = culprit.and_then(|it| Some((it, variable(it)?))) else {
        if !missing.is_empty() {
            error.insert(ContextKind::InvalidArg, ContextValue::Strings(missing));
        }
        return error;
    };
    match error.kind() {
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            if culprit.is_hide_env_values_set() {
                let hidden = ContextValue::String("(a secret)".to_owned());
                error.insert(ContextKind::InvalidValue, hidden);
            }
            error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
            error
        }
        ErrorKind::InvalidUtf8 => raw(&error, &format!("{variable}: must be text in UTF-8")),
        ErrorKind::MissingRequiredArgument if !missing.is_empty() => raw(
            &error,
            &format!("{variable} needs {}", missing.join(" and ")),
        ),
        _ => raw(&error, &format!("{variable}: {}", in_one_line(&error))),
    }
}

fn raw(error: &Error, text: &str) -> Error {
    Error::raw(error.kind(), format!("{text}\n"))
}

/// Returns the arguments that an error says are missing, with their variables.
fn missing(all: &Command, error: &Error) -> Vec<String> {
    let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else {
        return Vec::new();
    };
    let with_variable = missing.iter().map(|shown| {
        // Such as `--client-key <FILE>`.
        let flag = shown.split(' ').next().and_then(|it| it.strip_prefix("--"));
        let mut known = arguments(all).into_iter();
        let known = known.find(|argument| flag.is_some() && argument.get_long() == flag);
        match known.and_then(variable) {
            Some(variable) => format!("{shown} ({variable})"),
            None => shown.clone(),
        }
    });
    with_variable.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_one_line_has_the_value_and_its_rule() {
        let command = Command::new("x").arg(
            clap::arg!(--number <N>).value_parser(crate::values::number::<u8>("must be small")),
        );
        let error = command.try_get_matches_from(["x", "--number", "y"]);
        let text = in_one_line(&error.expect_err("no number"));
        assert_eq!(text, "invalid value 'y' for '--number <N>': must be small");
    }
}
