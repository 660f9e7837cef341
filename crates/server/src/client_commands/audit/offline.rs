//! What the commands have in common that work with nothing but files.

use std::fmt::Display;
use std::fs;
use std::io::{self, Read, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use engine_roles_transparency::{KeyKind, TransparencyError, TrustedKeys, VerifierKey};

use crate::print;

/// The longest text that is read from standard input, in bytes: longer than any note and any request
/// to a witness.
const LONGEST_INPUT: u64 = 1024 * 1024;

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum OfflineError {
    /// Flags contradict each other.
    #[error("{0}")]
    Usage(String),
    /// A file can't be used.
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    /// A file is not what it should be.
    #[error("{0}")]
    NotVerified(String),
    /// Standard output can't be written.
    #[error("standard output can't be written: {0}")]
    Output(#[from] io::Error),
}

impl OfflineError {
    /// Returns the error for a file that can't be used.
    pub(super) fn file(path: &Path, reason: &dyn Display) -> Self {
        Self::File {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// Prints why the command failed, and returns its exit code.
    pub(super) fn report(&self) -> ExitCode {
        print::error_line(format_args!("engine-roles: {self}"));
        match self {
            Self::Usage(_) | Self::File { .. } | Self::Output(_) => ExitCode::from(2),
            Self::NotVerified(_) => ExitCode::FAILURE,
        }
    }
}

/// Returns the exit code of a command, and prints why it failed.
pub(super) fn exit_code(outcome: Result<(), OfflineError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

/// Returns the text of a file, or of standard input for `-`.
pub(super) fn read(path: &Path) -> Result<String, OfflineError> {
    text(path, read_bytes(path)?)
}

/// Returns the contents of a file, or of standard input for `-`.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, OfflineError> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        let read = stdin().take(LONGEST_INPUT).read_to_end(&mut bytes);
        read.map(|_| bytes)
    } else {
        fs::read(path)
    };
    bytes.map_err(|error| OfflineError::file(path, &error))
}

/// Returns the contents of a file as text.
///
/// # Errors
/// When they are not UTF-8.
pub(super) fn text(path: &Path, bytes: Vec<u8>) -> Result<String, OfflineError> {
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        OfflineError::NotVerified(format!("line {line} of {} is not UTF-8", path.display()))
    })
}

/// Reads the public keys of a log.
pub(super) fn read_keys(path: &Path) -> Result<TrustedKeys, OfflineError> {
    let keys = read(path)?.parse();
    keys.map_err(|error: TransparencyError| OfflineError::file(path, &error))
}

/// Reads the public keys of witnesses. A file has one or more.
pub(super) fn read_witness_keys(paths: &[PathBuf]) -> Result<Vec<VerifierKey>, OfflineError> {
    let mut all = Vec::new();
    for path in paths {
        let keys = VerifierKey::read_lines(&read(path)?);
        let keys = keys.map_err(|error| OfflineError::file(path, &error))?;
        if keys.is_empty() || keys.iter().any(|key| key.kind() != KeyKind::Witness) {
            let reason = "the file has to have the public keys of witnesses, and no others";
            return Err(OfflineError::file(path, &reason));
        }
        all.extend(keys);
    }
    Ok(all)
}

/// Adds witnesses to the keys of a log.
pub(super) fn with_witnesses(
    log: &TrustedKeys,
    witnesses: &[VerifierKey],
) -> Result<TrustedKeys, OfflineError> {
    let keys = log.keys().chain(witnesses).cloned();
    TrustedKeys::new(keys).map_err(|error| OfflineError::NotVerified(error.to_string()))
}
