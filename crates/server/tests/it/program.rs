//! The program that the tests run.

use std::process::{Command, Output};

/// Runs the binary without variables that would be settings, except those given.
pub(crate) fn engine_roles(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine-roles"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["ENGINE_ROLES_", "AWS_", "DATABASE_URL"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .expect("the binary can be run")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A database that does not answer.
pub(crate) const DATABASE: (&str, &str) = (
    "DATABASE_URL",
    "postgres://engine:unlikely-password@127.0.0.1:9/none",
);
/// A valid API key.
pub(crate) const KEY: (&str, &str) = (
    "ENGINE_ROLES_INIT_API_KEY",
    "abcdefghijABCDEFGHIJ0123456789abcdefghijABCDEFGHIJ0123456789abcd",
);
