//! The command `audit verify`, which needs nothing but files.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, value_parser};
use engine_roles_transparency::{
    ExportedEvent, Frontier, LogVerifier, Note, Report, TransparencyError, TreeHash, TrustedKeys,
    VerifiedCheckpoint,
};

use super::super::progress::Count;
use super::super::screen::{Format, Screen};
use super::checkpoint_files::{CheckpointFiles, verified};
use super::differences::Differences;
use super::lines::Lines;
use super::offline::{OfflineError, read_bytes, read_keys, with_witnesses};
use super::quorum::QuorumArgs;
use crate::audit_export::{FORMAT, Head, Line};
use crate::print;

/// The part of `--help` about exit codes.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  verified: all events from the first one (--first, --first-after) up to the largest checkpoint are there and are those that were
     logged
  1  not verified: what was found is printed, each with its place
  2  the command line is invalid, or a file can't be read or written";

/// The arguments of `audit verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Export of the audit log, as `audit export` prints it; `-` for standard input
    #[arg(value_name = "FILE")]
    export: PathBuf,
    /// Checkpoint of the log that was kept outside of the service; the more are given, the closer is
    /// the place of a change. Files that are not of this log are skipped
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    checkpoint: Vec<PathBuf>,
    /// File with the public keys of the log, one on each line
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Number of the first event that the export has to have, greater than 1 where older events have
    /// expired
    #[arg(long, value_name = "SEQ", default_value_t = 1, value_parser = value_parser!(u64).range(1..))]
    first: u64,
    /// Checkpoint of the log after whose last event the export has to begin, instead of `--first`: it is
    /// verified, and compared with the export, as the others are
    #[arg(long, value_name = "FILE", conflicts_with = "first")]
    first_after: Option<PathBuf>,
    #[command(flatten)]
    quorum: QuorumArgs,
}

/// Verifies an export, and prints what was found.
pub(super) fn run(args: &VerifyArgs) -> ExitCode {
    match verify(args) {
        Ok(is_clean) if is_clean => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => error.report(),
    }
}

fn verify(args: &VerifyArgs) -> Result<bool, OfflineError> {
    let quorum = args.quorum.quorum()?;
    let keys = with_witnesses(&read_keys(&args.key)?, &quorum.keys)?;
    let files = CheckpointFiles::read(&args.checkpoint, &keys)?;
    for line in files.skipped {
        print::line(line)?;
    }
    let mut checkpoints = files.checkpoints;
    let mut first = args.first;
    if let Some(path) = &args.first_after {
        let before = verified(path, read_bytes(path)?, &keys)?;
        first = before.checkpoint().size.saturating_add(1);
        checkpoints.push(before);
    }
    check_first(first, &checkpoints)?;
    for line in quorum.check(&checkpoints)? {
        print::line(line)?;
    }
    let mut lines = Lines::open(&args.export)?;
    verify_lines(&mut lines, &keys, &checkpoints, first)
}

/// Checks that the checkpoints prove something of what is asked for: they reach the first event, or the
/// one before it where the log has no later event.
fn check_first(first: u64, checkpoints: &[VerifiedCheckpoint]) -> Result<(), OfflineError> {
    let sizes = checkpoints.iter().map(|one| one.checkpoint().size);
    let largest = sizes.max().unwrap_or(0);
    if first <= largest.saturating_add(1) {
        return Ok(());
    }
    Err(OfflineError::NotVerified(format!(
        "the largest checkpoint has size {largest}: nothing is proved of events from {first} on"
    )))
}

fn verify_lines(
    lines: &mut Lines<'_>,
    keys: &TrustedKeys,
    checkpoints: &[VerifiedCheckpoint],
    first_event: u64,
) -> Result<bool, OfflineError> {
    let head = lines.next()?.unwrap_or_default();
    let head: Head = serde_json::from_str(&head).map_err(|_| lines.malformed())?;
    if head.format != FORMAT {
        return Err(lines.malformed());
    }
    let not_verified = |error: TransparencyError| OfflineError::NotVerified(error.to_string());
    let hashes = head.frontier.iter().map(|hash| hash.parse());
    let hashes: Vec<TreeHash> = hashes.collect::<Result<_, _>>().map_err(not_verified)?;
    let frontier = Frontier::from_hashes(head.start, hashes).map_err(not_verified)?;
    let Some((first, others)) = checkpoints.split_first() else {
        return Err(OfflineError::NotVerified(
            "no checkpoint is given".to_owned(),
        ));
    };
    let verifier = LogVerifier::new(frontier, first, others).map_err(not_verified)?;
    let mut verifier = verifier.beginning_with(first_event);
    let mut wrong = Vec::new();
    match own_checkpoint(&head, keys) {
        Ok(Some(own)) => verifier = verifier.bringing(&own).map_err(not_verified)?,
        Ok(None) => {}
        Err(reason) => wrong.push(reason),
    }
    let screen = Screen::new(Format::Table);
    let mut progress = Count::new(screen, "events verified", verifier.size());
    let mut differences = Differences::default();
    while let Some(text) = lines.next()? {
        let line: Line = serde_json::from_str(&text).map_err(|_| lines.malformed())?;
        let leaf = line.leaf.as_deref().map(str::parse).transpose();
        verifier.push(&ExportedEvent {
            seq: line.seq,
            event: line.event.as_deref().map(str::as_bytes),
            leaf: leaf.map_err(|_| lines.malformed())?,
        });
        differences.compare(&line);
        progress.at(verifier.last());
    }
    drop(progress);
    if verifier.last() != head.size {
        let (size, last) = (head.size, verifier.last());
        wrong.push(format!(
            "the first line of the export says that its last event is {size}, but it is {last}"
        ));
    }
    let report = verifier.finish();
    Ok(print(&report, &differences, &wrong)?)
}

/// Returns the checkpoint that the first line of an export has.
fn own_checkpoint(head: &Head, keys: &TrustedKeys) -> Result<Option<VerifiedCheckpoint>, String> {
    let Some(text) = &head.checkpoint else {
        return Ok(None);
    };
    let own = text.parse().and_then(|note: Note| keys.verify(&note));
    let own = own.map_err(|error| format!("the checkpoint in the export: {error}"))?;
    let (size, stated) = (head.size, own.checkpoint().size);
    if stated != size {
        return Err(format!(
            "the checkpoint in the export has size {stated}, but the export says that its last event is {size}"
        ));
    }
    Ok(Some(own))
}

/// Prints what was found, and returns whether all is as it should be.
fn print(report: &Report, differences: &Differences, wrong: &[String]) -> io::Result<bool> {
    for reason in wrong {
        print::line(reason)?;
    }
    for found in &report.findings {
        print::line(found)?;
    }
    if report.more > 0 {
        print::line(format_args!("{} more findings", report.more))?;
    }
    differences.print()?;
    for size in &report.before_start {
        print::line(format_args!(
            "the checkpoint with size {size} is from before the export and was not compared"
        ))?;
    }
    if report.start >= report.size {
        let size = report.size;
        print::line(format_args!(
            "the export has no event up to the largest checkpoint, with size {size}"
        ))?;
    } else if report.start > 0 {
        print::line(format_args!(
            "events 1 to {} are not in the export",
            report.start
        ))?;
    }
    if report.beyond > 0 {
        let (beyond, size) = (report.beyond, report.size);
        print::line(format_args!(
            "{beyond} events come after the largest checkpoint, with size {size}: not proved"
        ))?;
    }
    let is_clean = report.is_clean() && differences.is_empty() && wrong.is_empty();
    if is_clean {
        let (first, last) = (report.start + 1, report.size);
        print::line(format_args!(
            "verified: events {first} to {last} are those that were logged"
        ))?;
    } else if let Some(proved) = report.proved.filter(|proved| *proved > report.start) {
        print::line(format_args!(
            "not verified; proved up to event {proved} of {}",
            report.size
        ))?;
    } else {
        print::line("not verified; no event is proved")?;
    }
    Ok(is_clean)
}
