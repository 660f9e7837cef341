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

/// Runs the command. The exit code is 1 when the command failed; clap exits with 2 when the command
/// line is invalid.
pub fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Serve(args) => serve::run(&args),
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
            // Printed, not logged, so that the caller sees it at every log level.
            eprintln!("engine-roles: {error:#}");
            ExitCode::FAILURE
        }
    }
}
