//! Runs the commands as an operator does: with the address and the key of the service, and nothing
//! else.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use engine_roles_e2e::Installation;
use engine_roles_e2e::service::command;
use serde_json::Value;

/// What a command did.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ran {
    pub(super) fn new(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the program prints text");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Returns what was printed to standard output.
    ///
    /// # Panics
    /// When the exit code is another.
    #[track_caller]
    pub(super) fn expect(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:#?}");
        &self.stdout
    }

    /// Returns standard output as JSON.
    ///
    /// # Panics
    /// When the exit code is another, or the output is not JSON.
    #[track_caller]
    pub(super) fn expect_json(&self, code: i32) -> Value {
        let text = self.expect(code);
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Returns the value of a row with two columns.
    ///
    /// # Panics
    /// When there is no such row.
    #[track_caller]
    pub(super) fn member(&self, name: &str) -> &str {
        let rows = self.stdout.lines();
        let mut values = rows.filter_map(|row| row.strip_prefix(name)?.strip_prefix("  "));
        let value = values.next();
        value
            .unwrap_or_else(|| panic!("no {name}: {self:#?}"))
            .trim()
    }
}

/// The environment of an operator of this installation.
pub(super) fn environment(installation: &Installation) -> BTreeMap<String, String> {
    let address = format!("http://{}", installation.replicas[0].address());
    let environment = [
        ("ENGINE_ROLES_ADDR", address.as_str()),
        ("ENGINE_ROLES_API_KEY", installation.key()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    environment.into()
}

/// Returns a command of an operator that is not started yet.
pub(super) fn engine_roles(installation: &Installation, arguments: &[&str]) -> Command {
    command(arguments, &environment(installation))
}

/// Runs a command until its end, on a thread of its own: the sandbox runs on the test's.
pub(super) async fn run(mut command: Command) -> Ran {
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    let output = ran.expect("the task does not panic");
    Ran::new(output.expect("the binary can be run"))
}

/// Runs a command of an operator until its end.
pub(super) async fn operate(installation: &Installation, arguments: &[&str]) -> Ran {
    run(engine_roles(installation, arguments)).await
}

/// Runs a command without any environment of its own.
pub(super) async fn alone(arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    let environment = environment.iter();
    let environment: BTreeMap<String, String> = environment
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    run(command(arguments, &environment)).await
}
