//! The command `audit add-cosignature`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use engine_roles_transparency::{Note, WitnessRequest};

use super::offline::{OfflineError, exit_code, read, read_keys, read_witness_keys, with_witnesses};
use crate::print;

/// The part of `--help` about exit codes.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  added: the checkpoint with the cosignatures is printed
  1  not added: a signature or a cosignature is wrong, or none is by a known witness
  2  the command line is invalid, or a file can't be read or written";

/// The arguments of `audit add-cosignature`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct AddCosignatureArgs {
    /// Checkpoint of the log, as `audit checkpoint` prints it, with or without `--old`
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// What a witness answered: one or more lines with cosignatures; `-` for standard input. A later
    /// cosignature of a witness replaces an earlier one
    #[arg(value_name = "COSIGNATURE", required = true)]
    cosignatures: Vec<PathBuf>,
    /// File with the public keys of the log, one on each line
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// File with the public keys of witnesses; can be repeated. Lines of other witnesses are left out
    #[arg(long, value_name = "FILE", required = true)]
    witness_key: Vec<PathBuf>,
}

/// Prints the checkpoint with the cosignatures.
pub(super) fn run(args: &AddCosignatureArgs) -> ExitCode {
    exit_code(add(args).and_then(|note| Ok(print::line(note.to_string().trim_end())?)))
}

fn add(args: &AddCosignatureArgs) -> Result<Note, OfflineError> {
    let keys = with_witnesses(
        &read_keys(&args.key)?,
        &read_witness_keys(&args.witness_key)?,
    )?;
    let not_added = |path: &PathBuf| {
        let path = path.display().to_string();
        move |error| OfflineError::NotVerified(format!("{path}: {error}"))
    };
    let text = read(&args.checkpoint)?;
    // The first line of a checkpoint is its origin, which has no space.
    let note = if text.starts_with("old ") {
        let request = text.parse::<WitnessRequest>();
        request.map(WitnessRequest::into_checkpoint)
    } else {
        text.parse()
    };
    let mut note: Note = note.map_err(not_added(&args.checkpoint))?;
    keys.verify(&note).map_err(not_added(&args.checkpoint))?;
    for path in &args.cosignatures {
        let added = keys.add_cosignatures(&mut note, &read(path)?);
        added.map_err(not_added(path))?;
    }
    Ok(note)
}
