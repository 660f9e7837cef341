//! The commands of a witness: `audit witness-key` and `audit cosign`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use engine_roles_transparency::{TransparencyError, WitnessKey, WitnessRequest};
use secrecy::{ExposeSecret, SecretString};

use super::offline::{OfflineError, exit_code, read, read_keys};
use super::witness_state::WitnessState;
use crate::print;

/// The part of `--help` about exit codes.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  cosigned: the cosignature is printed
  1  not cosigned: the log has not signed the checkpoint, the checkpoint does not extend the one
     that was cosigned last, or this witness has not cosigned the one in the state file
  2  the command line is invalid, or a file can't be read or written";

/// The key of a witness.
#[derive(Debug, Args)]
pub(super) struct WitnessArgs {
    /// File with the witness's Ed25519 key (PEM, PKCS#8)
    #[arg(long, value_name = "FILE")]
    private_key: PathBuf,
    /// Name of the witness, such as a URL without its scheme
    #[arg(long, value_name = "NAME")]
    name: String,
}

/// The arguments of `audit cosign`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct CosignArgs {
    /// Checkpoint with its proof, as `audit checkpoint --old` prints them; `-` for standard input
    #[arg(value_name = "REQUEST")]
    request: PathBuf,
    /// File with the public keys of the log, one on each line
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    witness: WitnessArgs,
    /// File with the checkpoint of this log that this witness cosigned last; it is replaced by the new
    /// one
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Cosign the first checkpoint of a log: the state file does not exist yet
    #[arg(long)]
    first: bool,
}

impl WitnessArgs {
    fn key(&self) -> Result<WitnessKey, OfflineError> {
        let name = self.name.trim().parse();
        let name = name.map_err(|error| OfflineError::Usage(format!("--name: {error}")))?;
        let pem = SecretString::from(read(&self.private_key)?);
        WitnessKey::from_pem(name, pem.expose_secret().as_bytes())
            .map_err(|error| OfflineError::file(&self.private_key, &error))
    }
}

/// Prints the public key of a witness.
pub(super) fn run_witness_key(args: &WitnessArgs) -> ExitCode {
    exit_code(args.key().and_then(|key| Ok(print::line(key.verifier())?)))
}

/// Cosigns a checkpoint, and prints the cosignature.
pub(super) fn run(args: &CosignArgs) -> ExitCode {
    exit_code(cosign(args))
}

fn cosign(args: &CosignArgs) -> Result<(), OfflineError> {
    let log = read_keys(&args.key)?;
    let key = args.witness.key()?;
    let request: WitnessRequest = read(&args.request)?
        .parse()
        .map_err(|error| not_cosigned(&args.request, &error))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(|_| OfflineError::Usage("the clock is wrong".to_owned()))?;
    // Another command waits until this one has replaced the last checkpoint.
    let state = WitnessState::lock(&args.state)?;
    let last = state.read(args.first)?;
    if let Some(last) = &last {
        let verified = key.verify_last(last, &log);
        verified.map_err(|error| not_cosigned(&args.state, &error))?;
    }
    let cosigned = key
        .cosign(&request, &log, last.as_ref(), now.as_secs())
        .map_err(|error| not_cosigned(&args.request, &error))?;
    state.write(&cosigned.checkpoint)?;
    print::line(&cosigned.signature).map_err(|error| {
        let reason = format!(
            "standard output can't be written ({error}); the cosignature is the last line of this file"
        );
        OfflineError::file(&args.state, &reason)
    })
}

fn not_cosigned(file: &Path, error: &TransparencyError) -> OfflineError {
    let file = file.display();
    let advice = match error {
        TransparencyError::OtherOldSize { expected, .. } => {
            format!("; the log's owner gets the right one with `audit checkpoint --old {expected}`")
        }
        _ => String::new(),
    };
    OfflineError::NotVerified(format!("{file}: {error}{advice}"))
}
