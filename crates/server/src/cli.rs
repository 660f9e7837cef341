//! The command line.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::check::{self, CheckArgs};
use crate::client_commands::{
    self, AuditArgs, HealthcheckArgs, LogLevelArgs, LoginArgs, RoleArgs, StatusArgs,
};
use crate::command_errors::{self, Invalid};
use crate::command_groups;
use crate::config::ServeArgs;
use crate::database;
use crate::error_chain::chain;
use crate::json_lines;
use crate::keys::{self, KeysArgs};
use crate::migrate::{self, MigrateArgs};
use crate::openapi;
use crate::orphans::{self, OrphansArgs};
use crate::policy::{self, Outcome, PolicyArgs};
use crate::print;
use crate::serve;
use crate::setting_names;
use crate::settings;
use crate::shell::{self, CompletionsArgs, ManArgs};
use crate::telemetry::{self, LogArgs};

/// Provides an AWS IAM role for each AI Unlimited engine cluster, and removes it on request.
#[derive(Debug, Parser)]
#[command(name = "engine-roles", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// The part of the help of a command that does not ask a running service.
const DIRECTLY: &str = "This command works on the database, and on AWS, directly and not through a running \
                        service: give it the settings of the service.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service
    Serve(Box<ServeArgs>),
    /// Bring the database schema up to date, then exit
    #[command(after_help = DIRECTLY)]
    Migrate(MigrateArgs),
    /// Show whether the service could work here: settings, database, AWS identity and permissions, keys, TLS
    #[command(after_help = DIRECTLY)]
    Check(CheckArgs),
    /// Make, list or revoke API keys
    #[command(after_help = DIRECTLY)]
    Keys(KeysArgs),
    /// List, adopt or remove resources that no binding accounts for
    #[command(after_help = DIRECTLY)]
    Orphans(OrphansArgs),
    /// Show whether a service is ready, its version, and how many bindings it has
    Status(StatusArgs),
    /// Exit with 0 if a service on this machine is well, else with 1; for containers
    Healthcheck(HealthcheckArgs),
    /// Exchange an AWS identity for a token, which is used like an API key
    Login(LoginArgs),
    /// Show or change the log level of a running service, of the one replica that answers
    LogLevel(LogLevelArgs),
    /// Show, provision, change, tear down, list or find roles of clusters
    Role(RoleArgs),
    /// Follow, export or verify the audit log
    Audit(AuditArgs),
    /// List, render or check policy documents
    Policy(PolicyArgs),
    /// Print the OpenAPI document
    Openapi,
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print a manual page in roff, or write all pages
    Man(ManArgs),
}

impl Command {
    /// Returns how a command logs; none for a command that only prints.
    fn log(&self) -> Option<&LogArgs> {
        match self {
            Self::Serve(args) => Some(&args.log),
            Self::Migrate(args) => Some(&args.log),
            Self::Check(args) => Some(&args.serve.log),
            Self::Keys(args) => Some(&args.log),
            Self::Orphans(args) => Some(&args.serve.log),
            Self::Status(_)
            | Self::Healthcheck(_)
            | Self::Login(_)
            | Self::LogLevel(_)
            | Self::Role(_)
            | Self::Audit(_)
            | Self::Policy(_)
            | Self::Openapi
            | Self::Completions(_)
            | Self::Man(_) => None,
        }
    }
}

/// The exit code for an invalid command line or setting, which is clap's own.
const INVALID: u8 = 2;

/// Reads the command line and the environment, in which an empty variable counts as not set, and runs
/// the command.
pub fn main() -> ExitCode {
    let mut command = settings::without_empty_variables(program());
    let mut wrong = Vec::new();
    let parsed = loop {
        match command_errors::parse(&command, &program()) {
            Ok(matches) => break Cli::from_arg_matches(&matches).map(|cli| (cli, matches)),
            // The report of `check` names each wrong variable.
            Err(Invalid {
                error,
                variable: Some(variable),
            }) if is_check() => {
                wrong.push(command_errors::in_one_line(&error));
                command = command_errors::without_variable(command, &variable);
            }
            Err(Invalid { error, .. }) => break Err(error),
        }
    };
    let (mut cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) if error.use_stderr() && telemetry::is_json_asked_for(&command) => {
            print_as_json(
                "command line or setting is invalid",
                error.to_string().trim(),
            );
            return ExitCode::from(INVALID);
        }
        // The help and the version are such an error, too.
        Err(error) => error.exit(),
    };
    // Also an empty variable, which `command` does not know any more, has a name.
    setting_names::remember(&program(), &matches);
    if let (Command::Serve(args), Some((name, matches))) = (&cli.command, matches.subcommand()) {
        let unknown = settings::unknown_variables(&program());
        let serve = command.find_subcommand(name);
        let in_effect = serve.map(|serve| settings::in_effect(serve, matches));
        args.start_telemetry();
        serve::announce(&in_effect.unwrap_or_default(), &unknown);
    }
    if let (Command::Check(args), Some((name, matches))) = (&mut cli.command, matches.subcommand())
    {
        let check = command.find_subcommand(name);
        args.given = check::Given {
            settings: check.map(|check| settings::set_values(check, matches)),
            unknown: settings::unknown_variables(&program()),
            wrong,
        };
    }
    run(cli)
}

/// Returns whether the command is `check`, before the command line is parsed.
fn is_check() -> bool {
    std::env::args_os().nth(1).is_some_and(|it| it == "check")
}

/// Returns the description of the command line.
fn program() -> clap::Command {
    command_groups::in_groups(Cli::command())
}

/// Runs the command. The exit code is 1 when the command failed; clap exits with 2 when the command
/// line is invalid.
pub fn run(cli: Cli) -> ExitCode {
    let is_json = cli.command.log().is_some_and(LogArgs::is_json);
    let is_service = matches!(cli.command, Command::Serve(_));
    let outcome = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Orphans(args) => orphans::run(&args),
        Command::Policy(args) => match policy::run(&args) {
            Ok(Outcome::Done) => Ok(()),
            // The findings are printed already.
            Ok(Outcome::Invalid) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Openapi => openapi::run(),
        Command::Completions(args) => shell::completions(&args, program()),
        Command::Man(args) => shell::man(&args, program()),
        // These print their errors themselves, and have more exit codes.
        Command::Status(args) => return client_commands::status(&args),
        Command::Healthcheck(args) => return client_commands::healthcheck(&args),
        Command::Login(args) => return client_commands::login(&args),
        Command::LogLevel(args) => return client_commands::log_level(&args),
        Command::Role(args) => return client_commands::role(&args),
        Command::Audit(args) => return client_commands::audit(&args),
    };
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    let place = database::settings_behind(&error);
    let place = place.map(|settings| format!("; the database is that of {settings}"));
    let error = chain(error.as_ref()) + place.as_deref().unwrap_or_default();
    // Printed and not logged, so that the error is seen at every log level.
    match (is_json, is_service) {
        (false, _) => print::error_line(format_args!("engine-roles: {error}")),
        (true, true) => print_as_json("service ended with an error", &error),
        (true, false) => print_as_json("command ended with an error", &error),
    }
    ExitCode::FAILURE
}

/// Prints an error in the form of a line of the log.
fn print_as_json(message: &str, error: &str) {
    print::error_line(json_lines::of_error(message, error));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_of_the_command_line_has_no_secret() {
        let serve = [
            "engine-roles",
            "serve",
            "--database-url=postgres://user:hidden-1@host/database",
            "--database-direct-url=postgres://user:hidden-2@host/database",
            "--init-api-key=hidden-3",
        ];
        let status = ["engine-roles", "status", "--api-key=hidden-4"];
        for arguments in [&serve[..], &status] {
            let cli = Cli::try_parse_from(arguments).expect("a command line");
            let shown = format!("{cli:?}");
            assert!(shown.contains("REDACTED"), "{shown}");
            assert!(!shown.contains("hidden"), "{shown}");
        }
    }
}
