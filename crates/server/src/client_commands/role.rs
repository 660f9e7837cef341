//! The command `role`.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use engine_roles_contract::State;
use tokio::time::Instant;

use super::access::{self, AccessArgs};
use super::binding;
use super::bindings::{self, FindArgs, ListArgs};
use super::connection::{ConnectionArgs, Session};
use super::exit::{EXIT_CODES, Exit};
use super::failure::Failure;
use super::plan::{self, PlanArgs};
use super::progress;
use super::role_change::{self, DeleteArgs, PutArgs, unsettled};
use super::wait::{Deadline, is_in_progress, until_settled};

/// The arguments of `role`.
#[derive(Debug, Args)]
pub struct RoleArgs {
    #[command(subcommand)]
    action: RoleAction,
}

#[derive(Debug, Subcommand)]
enum RoleAction {
    /// Show the role of a cluster
    #[command(after_help = EXIT_CODES)]
    Get(GetArgs),
    /// Provision a role for a cluster, or change it
    #[command(after_help = EXIT_CODES)]
    Put(Box<PutArgs>),
    /// Tear the role of a cluster down
    #[command(after_help = EXIT_CODES)]
    Delete(DeleteArgs),
    /// Show what `role put` with the same flags would do; changes nothing
    #[command(after_help = EXIT_CODES)]
    Plan(Box<PlanArgs>),
    /// Show what the role of a cluster can reach
    #[command(after_help = EXIT_CODES)]
    Access(AccessArgs),
    /// List the newest binding of each cluster
    #[command(after_help = EXIT_CODES)]
    List(Box<ListArgs>),
    /// Find the clusters to which a role belongs or belonged
    #[command(after_help = EXIT_CODES)]
    Find(FindArgs),
}

/// The arguments of `role get`.
#[derive(Debug, Args)]
struct GetArgs {
    /// Name of the cluster
    cluster: String,
    /// Wait at most this long until nothing is in progress; the exit code then tells whether the role
    /// is as requested (0), not (1), or still in progress (4)
    #[arg(long, value_name = "DURATION", value_parser = crate::values::duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Runs a command about roles.
pub(crate) fn run(args: &RoleArgs) -> ExitCode {
    match &args.action {
        RoleAction::Get(args) => {
            let get = async |session: &Session| get(session, args).await;
            args.connection.run(get)
        }
        RoleAction::Put(args) => {
            let put = async |session: &Session| role_change::put(session, args).await;
            args.connection.run(put)
        }
        RoleAction::Delete(args) => {
            let delete = async |session: &Session| role_change::delete(session, args).await;
            args.connection.run(delete)
        }
        RoleAction::Plan(args) => {
            let plan = async |session: &Session| plan::run(session, args).await;
            args.connection.run(plan)
        }
        RoleAction::Access(args) => {
            let access = async |session: &Session| access::run(session, args).await;
            args.connection.run(access)
        }
        RoleAction::List(args) => {
            let list = async |session: &Session| bindings::list(session, args).await;
            args.connection.run(list)
        }
        RoleAction::Find(args) => {
            let find = async |session: &Session| bindings::find(session, args).await;
            args.connection.run(find)
        }
    }
}

async fn get(session: &Session, args: &GetArgs) -> Result<Exit, Failure> {
    let role = session.client.role(&args.cluster);
    let Some(limit) = args.wait else {
        binding::print(&role.get().await?, session.screen)?;
        return Ok(Exit::Done);
    };
    let deadline = Deadline::after(limit);
    let text = format!("waiting for the role of cluster {}", args.cluster);
    let reading = role.get();
    let first = progress::during(session.screen, &text, Instant::now(), reading).await?;
    let last = until_settled(session, &role, &text, Ok(first), deadline).await?;
    binding::print(&last, session.screen)?;
    if is_in_progress(&last) {
        return Ok(Exit::InProgress);
    }
    match (last.body.state.known(), &last.body.last_error) {
        (Some(State::Active | State::Deleted), None) => Ok(Exit::Done),
        _ => Err(Failure::Outcome(unsettled(&last.body))),
    }
}
