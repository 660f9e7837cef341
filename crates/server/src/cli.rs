//! The command line.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use engine_roles_store::StoreError;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, DatabaseArgs, ServeArgs};
use crate::policy::{Outcome, PolicyArgs};
use crate::print;
use crate::serve::Server;
use crate::telemetry::{self, LogArgs};

/// Gives every AI Unlimited engine exactly the AWS role it needs, and takes it away again.
#[derive(Debug, Parser)]
#[command(name = "engine-roles", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
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

/// What `migrate` needs.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// What `check` needs.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// How the findings are printed
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    /// The service's own settings.
    #[command(flatten)]
    pub(crate) serve: Box<ServeArgs>,
}

/// How something is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a reader.
    Text,
    /// For a program.
    Json,
}

/// What `orphans` needs.
#[derive(Debug, Args)]
pub struct OrphansArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: OrphansAction,
    /// The service's own settings.
    #[command(flatten)]
    pub(crate) serve: Box<ServeArgs>,
}

/// What is done about orphans.
#[derive(Debug, Subcommand)]
pub(crate) enum OrphansAction {
    /// Print what the last sweep found
    List,
    /// Write one down as its cluster's live role, and bring it to what its policy shows
    Adopt {
        /// Its name
        name: String,
    },
    /// Remove one
    Remove {
        /// Its name
        name: String,
    },
}

/// Does what the command line says. Exit code 1 says that it failed, 2 that it was asked wrongly.
pub fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Serve(args) => {
            args.start_logging();
            serve(&args)
        }
        Command::Migrate(args) => {
            telemetry::start(&args.log);
            migrate(&args)
        }
        Command::Check(args) => {
            args.serve.start_logging();
            crate::check::run(&args)
        }
        Command::Orphans(args) => {
            args.serve.start_logging();
            crate::orphans::run(&args)
        }
        Command::Policy(args) => match crate::policy::run(&args) {
            Ok(Outcome::Done) => Ok(()),
            // All has been said already.
            Ok(Outcome::Faulty) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Openapi => crate::openapi::print(),
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

fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    let config = Config::new(args)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let server = Server::bind(config).await?;
            let stop = CancellationToken::new();
            tokio::spawn(stop_on_signal(stop.clone()));
            server.run(stop).await?;
            Ok(())
        })
}

fn migrate(args: &MigrateArgs) -> anyhow::Result<()> {
    let store = args.database.store()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        store.migrate().await?;
        Ok::<_, StoreError>(())
    })?;
    Ok(print::line("the database schema is up to date")?)
}

async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals can't be heard; the service will only stop when it is killed");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
    }
    stop.cancel();
}
