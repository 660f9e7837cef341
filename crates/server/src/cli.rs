//! The command line.

use std::process::ExitCode;
use std::time::SystemTime;

use serde_json::json;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::check::{self, CheckArgs};
use crate::config::ServeArgs;
use crate::migrate::{self, MigrateArgs};
use crate::openapi;
use crate::orphans::{self, OrphansArgs};
use crate::policy::{self, Outcome, PolicyArgs};
use crate::serve;
use crate::settings;

/// Provides an AWS IAM role for each AI Unlimited engine cluster, and removes it on request.
#[derive(Debug, Parser)]
#[command(name = "engine-roles", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service
    Serve(Box<ServeArgs>),
    /// Bring the database schema up to date, then exit
    Migrate(MigrateArgs),
    /// Show what the service's AWS identity may do and which permissions it lacks; changes nothing
    Check(CheckArgs),
    /// List, adopt or remove roles and instance profiles of this installation that its database
    /// does not contain
    Orphans(OrphansArgs),
    /// List, render or check policy documents
    Policy(PolicyArgs),
    /// Print the OpenAPI document
    Openapi,
}

/// Reads the command line and the environment, in which an empty variable counts as not set, and runs
/// the command.
pub fn main() -> ExitCode {
    let command = settings::without_empty_variables(Cli::command());
    let matches = command.clone().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let (Command::Serve(args), Some((name, matches))) = (&cli.command, matches.subcommand()) {
        let unknown = settings::unknown_variables(&command);
        let serve = command.find_subcommand(name);
        let in_effect = serve.map(|serve| settings::in_effect(serve, matches));
        args.start_logging();
        serve::announce(&in_effect.unwrap_or_default(), &unknown);
    }
    run(cli)
}

/// Runs the command. The exit code is 1 when the command failed; clap exits with 2 when the command
/// line is invalid.
pub fn run(cli: Cli) -> ExitCode {
    let mut report: fn(&anyhow::Error) = report_as_text;
    let outcome = match cli.command {
        Command::Serve(args) => {
            if args.log.is_json() {
                report = report_as_json;
            }
            serve::run(&args)
        }
        Command::Migrate(args) => migrate::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Orphans(args) => orphans::run(&args),
        Command::Policy(args) => match policy::run(&args) {
            Ok(Outcome::Done) => Ok(()),
            // The findings are printed already.
            Ok(Outcome::Invalid) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Openapi => openapi::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

// Both print and do not log, so that the error is seen at every log level.

fn report_as_text(error: &anyhow::Error) {
    eprintln!("engine-roles: {error:#}");
}

/// Prints the error in the form of a line of the log.
fn report_as_json(error: &anyhow::Error) {
    let line = json!({
        "timestamp": humantime::format_rfc3339_micros(SystemTime::now()).to_string(),
        "level": "ERROR",
        "message": "service ended with an error",
        "error": format!("{error:#}"),
        "target": "engine_roles::serve",
    });
    eprintln!("{line}");
}
