//! A suite for somebody with an AWS account: it checks every rule that the IAM sandbox models at AWS
//! and in the sandbox, runs the service in the account, and prints each difference. See
//! `tests/aws/README.md`.

mod account;
mod answer;
mod budget;
mod clean_up;
mod journal;
mod observation;
mod params;
mod probe;
mod replica;
mod report;
mod rules;
mod run;
mod scoped;
mod secrets_manager;
mod suite;
mod trouble;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::clean_up::{Swept, Which, clean_up};
use crate::report::Report;
use crate::rules::RULES;
use crate::suite::{Admitted, Ended, Options, admit};
use crate::trouble::Trouble;

/// Compare AWS IAM with the sandbox, and run the service in an AWS account.
///
/// The suite creates roles, instance profiles and policies in the account that `--account` names, and
/// removes them. The exit code is 0 without differences, 1 with differences, 2 if the suite may not run or could not remove everything, 3 if the budget of calls was
/// used up, and 130 after a signal.
#[derive(Debug, Parser)]
#[command(name = "engine-roles-aws-tests")]
struct Args {
    /// The account in which the suite may run: the credentials must belong to it
    #[arg(long, env = "ENGINE_ROLES_AWS_TEST_ACCOUNT", value_name = "ID")]
    account: Option<String>,
    /// The most calls that a run makes before it ends and removes what it created
    #[arg(
        long,
        env = "ENGINE_ROLES_AWS_TEST_CALLS",
        value_name = "N",
        default_value_t = 2_000
    )]
    calls: u64,
    /// How many seconds AWS's reads may lag behind its writes before an answer counts as a difference
    #[arg(
        long,
        env = "ENGINE_ROLES_AWS_TEST_LAG",
        value_name = "SECONDS",
        default_value_t = 30
    )]
    lag: u64,
    /// Check only rules whose names contain this text; can be repeated
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Write everything that was found to this file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Check nothing, and remove what earlier runs have left
    #[arg(long)]
    clean_up: bool,
    /// Print the names of the rules
    #[arg(long)]
    list: bool,
}

/// The suite may not run, or could not do its work.
const REFUSED: u8 = 2;
const OUT_OF_BUDGET: u8 = 3;
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        for rule in RULES {
            println!("{}", rule.name);
        }
        return ExitCode::SUCCESS;
    }
    match work(&args).await {
        Ok(code) => code,
        Err(trouble) => {
            eprintln!("error: {}", trouble.chain());
            ExitCode::from(REFUSED)
        }
    }
}

async fn work(args: &Args) -> Result<ExitCode, Trouble> {
    let options = Options {
        account: args.account.clone(),
        calls: args.calls,
        longest_lag: Duration::from_secs(args.lag),
        only: args.only.clone(),
    };
    let admitted = Box::pin(admit(&options)).await?;
    if args.clean_up {
        let swept = Box::pin(clean_up(&admitted.account, Which::OfAllRuns)).await?;
        return Ok(code_of(print(&swept), ExitCode::SUCCESS));
    }
    let (ended, report, swept) = Box::pin(suite::run(&options, &admitted)).await?;
    let is_clean = print(&swept);
    report.print();
    print_budget(&admitted, options.calls);
    if let Some(path) = &args.report
        && let Err(error) = report.write(path)
    {
        eprintln!("error: {} could not be written: {error}", path.display());
    }
    Ok(code_of(is_clean, result(ended, &report)))
}

fn print_budget(admitted: &Admitted, most: u64) {
    let used = admitted.account.budget.used();
    println!("{used} calls to AWS; the budget is {most}");
}

fn result(ended: Ended, report: &Report) -> ExitCode {
    match ended {
        Ended::Interrupted => {
            println!("the run was interrupted");
            ExitCode::from(INTERRUPTED)
        }
        Ended::OutOfBudget => {
            println!("the run ended early: the budget of calls is used up");
            ExitCode::from(OUT_OF_BUDGET)
        }
        Ended::Completed if report.differences().is_empty() && report.troubles().is_empty() => {
            ExitCode::SUCCESS
        }
        Ended::Completed => ExitCode::FAILURE,
    }
}

fn code_of(is_clean: bool, code: ExitCode) -> ExitCode {
    if is_clean {
        code
    } else {
        ExitCode::from(REFUSED)
    }
}

/// Prints what was removed and what is left. Returns whether nothing is left.
fn print(swept: &Swept) -> bool {
    println!("removed {} resources", swept.removed.len());
    for name in &swept.without_tag {
        println!("left alone, because it has no tag of the suite: {name}");
    }
    for left in &swept.left {
        println!("could not be removed: {left}");
    }
    swept.left.is_empty()
}
