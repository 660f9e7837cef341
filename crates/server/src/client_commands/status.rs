//! The command `status`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use engine_roles_contract::{AuditStatus, Readiness, ReadinessStatus, Version};
use serde_json::{Value, json};

use super::bindings;
use super::connection::{ConnectionArgs, Session};
use super::exit::{EXIT_CODES, Exit};
use super::failure::Failure;
use super::screen::{Colour, print_line};
use super::table::{Cell, Table};
use super::wire::{NONE, optional_time, word};

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The arguments of `status`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct StatusArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Prints the readiness and the version of a service, and how many bindings it has.
pub(crate) fn run(args: &StatusArgs) -> ExitCode {
    args.connection
        .run(async |session: &Session| status(session).await)
}

async fn status(session: &Session) -> Result<Exit, Failure> {
    let readiness = session.client.readiness().await?;
    // A service without this path is older than this program.
    let version = match session.client.version().await {
        Ok(answer) => Some(answer.body),
        Err(error) if error.code().is_some() => None,
        Err(error) => return Err(error.into()),
    };
    let is_unready = readiness.body.status.is(&ReadinessStatus::Unready);
    // An unready service has no database to count in.
    let counted = if session.has_key && !is_unready {
        Some(bindings::counts(session).await)
    } else {
        None
    };
    let counts = counted.as_ref().and_then(|counted| counted.as_ref().ok());
    if session.screen.is_json() {
        let readiness: Value = serde_json::from_str(&readiness.text).unwrap_or_default();
        let report = json!({
            "address": session.address, "readiness": readiness, "version": version,
            "client_version": VERSION, "bindings": counts,
        });
        print_line(&report.to_string())?;
    } else {
        table(session, &readiness.body, version.as_ref(), counts).print(session.screen)?;
    }
    match counted {
        Some(Err(failure)) => Err(failure),
        _ if is_unready => Ok(Exit::Failed),
        _ => Ok(Exit::Done),
    }
}

fn table(
    session: &Session,
    readiness: &Readiness,
    version: Option<&Version>,
    counts: Option<&BTreeMap<String, u64>>,
) -> Table {
    let mut table = Table::new();
    table.member("address", &session.address);
    let colour = match readiness.status.known() {
        Some(ReadinessStatus::Ready) => Some(Colour::Green),
        Some(ReadinessStatus::Degraded) => Some(Colour::Yellow),
        Some(ReadinessStatus::Unready) => Some(Colour::Red),
        None => None,
    };
    table.member("status", Cell::coloured(word(&readiness.status), colour));
    table.member("database", word(&readiness.database));
    table.member("reconciler", word(&readiness.reconciler));
    table.member("aws", word(&readiness.aws));
    table.member("aws answered", optional_time(readiness.aws_last_success));
    let is_broken = readiness.audit.is(&AuditStatus::Broken);
    let audit = word(&readiness.audit);
    table.member(
        "audit log",
        Cell::coloured(audit, is_broken.then_some(Colour::Red)),
    );
    if let Some(reason) = &readiness.audit_reason {
        table.member("audit log broken", reason);
    }
    for missing in readiness.missing.iter().flatten() {
        let text = format!("{} (AWS denied {})", missing.feature, missing.permission);
        table.member("feature off", Cell::coloured(text, Some(Colour::Yellow)));
    }
    if let Some(count) = readiness.other_account_bindings.filter(|count| *count > 0) {
        let text = format!("{count} bindings");
        table.member("other account", Cell::coloured(text, Some(Colour::Red)));
    }
    let release = version.map_or_else(|| NONE.to_owned(), |version| version.version.clone());
    table.member("version", release);
    table.member("this program", VERSION);
    table.member("bindings", counts.map_or_else(|| NONE.to_owned(), in_words));
    table
}

fn in_words(counts: &BTreeMap<String, u64>) -> String {
    let total: u64 = counts.values().sum();
    if total == 0 {
        return "0".to_owned();
    }
    let parts: Vec<String> = counts
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    format!("{total} ({})", parts.join(", "))
}
