//! The commands about the audit log.

mod add_cosignature;
mod checkpoint;
mod checkpoint_files;
mod cosign;
mod differences;
mod events;
mod export;
mod lines;
mod ocsf;
mod offline;
mod past;
mod public_key;
mod quorum;
mod verify;
mod witness_state;

use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use engine_roles_contract::AuditQuery;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::connection::{ConnectionArgs, Session};
use super::exit::{EXIT_CODES, Exit};
use super::failure::Failure;
use super::problem;

/// How long one request waits for the next event.
const WAIT: Duration = Duration::from_secs(50);
/// The pause before a request is sent again that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// How many past events are shown by default.
const LINES: u32 = 10;

/// The arguments of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    action: AuditAction,
}

#[derive(Debug, Subcommand)]
enum AuditAction {
    /// Print the last events of the audit log, then each new one, until Ctrl-C
    #[command(after_help = EXIT_CODES)]
    Tail(TailArgs),
    /// Print the whole audit log, with what `audit verify` needs, as lines of JSON
    #[command(after_help = EXIT_CODES)]
    Export(export::ExportArgs),
    /// Verify an export of the audit log with nothing but files
    #[command(after_help = verify::EXIT_CODES)]
    Verify(verify::VerifyArgs),
    /// Print the public keys that verify the checkpoints, one on each line
    PublicKey(public_key::PublicKeyArgs),
    /// Print the signed checkpoint of the audit log, or what a witness needs to cosign it
    Checkpoint(checkpoint::CheckpointArgs),
    /// Be a witness: check that a checkpoint extends the one cosigned last, and print a cosignature
    Cosign(cosign::CosignArgs),
    /// Print the public key of a witness
    WitnessKey(cosign::WitnessArgs),
    /// Print a checkpoint with the cosignatures that witnesses answered with
    AddCosignature(add_cosignature::AddCosignatureArgs),
}

/// The arguments of `audit tail`.
#[derive(Debug, Args)]
struct TailArgs {
    /// Only events of this cluster
    #[arg(long)]
    cluster: Option<String>,
    /// Only events of this action, such as provisioned or `torn_down`
    #[arg(long)]
    action: Option<String>,
    /// Only events that this actor caused: the name of an API key, operator or reconciler
    #[arg(long)]
    actor: Option<String>,
    /// Only events at this time or later: RFC 3339, or a duration before now such as `2h`. Prints all
    /// of them, unless -n limits their number
    #[arg(long, value_name = "TIME", value_parser = super::wire::read_time)]
    since: Option<DateTime<Utc>>,
    /// How many past events to print first [default: 10]
    #[arg(short = 'n', long, value_name = "COUNT")]
    lines: Option<u32>,
    /// Exit after the past events
    #[arg(long)]
    no_follow: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Runs a command about the audit log.
pub(crate) fn run(args: &AuditArgs) -> ExitCode {
    match &args.action {
        AuditAction::Tail(args) => run_tail(args),
        AuditAction::Export(args) => export::run(args),
        AuditAction::Verify(args) => verify::run(args),
        AuditAction::PublicKey(args) => public_key::run(args),
        AuditAction::Checkpoint(args) => checkpoint::run(args),
        AuditAction::Cosign(args) => cosign::run(args),
        AuditAction::WitnessKey(args) => cosign::run_witness_key(args),
        AuditAction::AddCosignature(args) => add_cosignature::run(args),
    }
}

fn run_tail(args: &TailArgs) -> ExitCode {
    args.connection.run(async |session: &Session| {
        let ends = async {
            let mut end = signal(SignalKind::terminate()).map_err(Failure::Output)?;
            tokio::select! {
                _ = end.recv() => {}
                pressed = tokio::signal::ctrl_c() => pressed.map_err(Failure::Output)?,
            }
            Ok(Exit::Done)
        };
        tokio::select! {
            ended = ends => ended,
            ended = tail(session, args) => ended,
        }
    })
}

async fn tail(session: &Session, args: &TailArgs) -> Result<Exit, Failure> {
    let filter = AuditQuery {
        cluster: args.cluster.clone(),
        action: args.action.clone(),
        actor: args.actor.clone(),
        since: args.since,
        ..AuditQuery::default()
    };
    let lines = match (args.lines, args.since) {
        (None, Some(_)) => None,
        (lines, _) => Some(lines.unwrap_or(LINES)),
    };
    let mut after = past::print(session, &filter, lines).await?;
    if args.no_follow {
        return Ok(Exit::Done);
    }
    let mut is_connected = true;
    loop {
        let query = AuditQuery {
            after: Some(after),
            limit: Some(past::LONGEST_PAGE),
            ..filter.clone()
        };
        match session.client.watch_audit(&query, WAIT).await {
            Ok(page) => {
                events::print(&page.body, &page.text, session.screen)?;
                after = page.body.next_after;
                is_connected = true;
            }
            Err(error) => {
                let failure = Failure::from(error);
                if !failure.is_temporary() {
                    return Err(failure);
                }
                if std::mem::take(&mut is_connected) {
                    problem::print(&failure, session.screen);
                }
                sleep(PAUSE).await;
            }
        }
    }
}
