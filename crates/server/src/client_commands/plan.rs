//! The command `role plan`.

use clap::Args;

use super::connection::{ConnectionArgs, Session};
use super::exit::Exit;
use super::failure::Failure;
use super::role_flags::RoleFlags;
use super::screen::{Colour, print_line};
use super::table::{Cell, Table};
use super::wire::word;

/// The arguments of `role plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Name of the cluster
    cluster: String,
    #[command(flatten)]
    flags: RoleFlags,
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
}

/// Prints what `role put` with the same flags would do.
pub(super) async fn run(session: &Session, args: &PlanArgs) -> Result<Exit, Failure> {
    let body = args.flags.body()?;
    let answer = session.client.role(&args.cluster).plan_text(body).await?;
    let screen = session.screen;
    if screen.is_json() {
        print_line(answer.text.trim_end())?;
        return Ok(Exit::Done);
    }
    let plan = answer.body;
    let mut table = Table::new();
    table.member("cluster", &plan.cluster);
    table.member("intent", word(&plan.intent));
    table.member("compared with", word(&plan.basis));
    table.member("mode", word(&plan.spec.mode));
    table.member("name", &plan.name);
    let calls = format!("{} in {} stages", plan.call_count, plan.stage_count);
    table.member("calls to IAM", calls);
    for warning in &plan.warnings {
        table.member("warning", Cell::coloured(warning, Some(Colour::Yellow)));
    }
    table.print(screen)?;
    if plan.steps.is_empty() {
        return Ok(Exit::Done);
    }
    let mut steps = Table::with_heading(["STAGE", "CALL", "TARGET"]);
    for step in &plan.steps {
        let stage = step.stage.to_string();
        steps.row([stage.into(), (&step.action).into(), (&step.target).into()]);
    }
    print_line("")?;
    steps.print(screen)?;
    Ok(Exit::Done)
}
