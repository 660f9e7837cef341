//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::check::{self, CheckArgs};
use crate::config::ServeArgs;
use crate::migrate::{self, MigrateArgs};
use crate::openapi;
use crate::orphans::{self, OrphansArgs};
use crate::policy::{self, Outcome, PolicyArgs};
use crate::serve;

/// Gives every AI Unlimited engine exactly the AWS role it needs, and takes it away again.
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
    /// Bring the database schema up to date, and end
    Migrate(MigrateArgs),
    /// Find out what this identity may do, without changing anything, and what is missing
    Check(CheckArgs),
    /// Roles and instance profiles under our path that no record knows
    Orphans(OrphansArgs),
    /// The policy documents: list them, fill one, look at one
    Policy(PolicyArgs),
    /// Print the OpenAPI document
    Openapi,
}

/// Does what the command line says. Exit code 1 says that it failed, 2 that it was asked wrongly.
pub fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Orphans(args) => orphans::run(&args),
        Command::Policy(args) => match policy::run(&args) {
            Ok(Outcome::Done) => Ok(()),
            // All has been said already.
            Ok(Outcome::Faulty) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Openapi => openapi::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // To the one who called, whatever the log level.
            eprintln!("engine-roles: {error:#}");
            ExitCode::FAILURE
        }
    }
}
