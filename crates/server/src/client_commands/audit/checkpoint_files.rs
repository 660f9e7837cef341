//! Which of the files that `audit verify` is given are checkpoints of the log.

use std::path::{Path, PathBuf};

use engine_roles_transparency::{Note, TrustedKeys, VerifiedCheckpoint};

use super::offline::{OfflineError, read_bytes, text};

/// The checkpoints of one log, out of files that may be all of a directory.
pub(super) struct CheckpointFiles {
    pub(super) checkpoints: Vec<VerifiedCheckpoint>,
    /// What to print about the files that are not checkpoints of this log.
    pub(super) skipped: Vec<String>,
}

impl CheckpointFiles {
    /// Reads and verifies checkpoints. A checkpoint of another log is skipped, and so is what is none: the
    /// directory may have the checkpoints of an earlier origin. A file whose first line is the origin of this
    /// log has to be a checkpoint that one of the keys has signed.
    ///
    /// # Errors
    /// When a file can't be read, a checkpoint of this log is not verified, or there is none.
    pub(super) fn read(paths: &[PathBuf], keys: &TrustedKeys) -> Result<Self, OfflineError> {
        let origin = keys.origin();
        let mut files = Self {
            checkpoints: Vec::new(),
            skipped: Vec::new(),
        };
        for path in paths {
            if path.is_dir() {
                files.skip(path, "it is a directory");
                continue;
            }
            let bytes = read_bytes(path)?;
            let first_line = bytes.split(|byte| *byte == b'\n').next();
            if first_line == Some(origin.as_str().as_bytes()) {
                files.checkpoints.push(verified(path, bytes, keys)?);
            } else if text(path, bytes).is_ok_and(|text| text.parse::<Note>().is_ok()) {
                files.skip(path, "it is of another log");
            } else {
                files.skip(path, "it is no checkpoint");
            }
        }
        if files.checkpoints.is_empty() {
            files.skipped.push(format!(
                "none of the files is a checkpoint of the log {origin}"
            ));
            return Err(OfflineError::NotVerified(files.skipped.join("\n")));
        }
        Ok(files)
    }

    fn skip(&mut self, path: &Path, reason: &str) {
        self.skipped
            .push(format!("{} is skipped: {reason}", path.display()));
    }
}

/// Verifies what a file has: a checkpoint of this log.
///
/// # Errors
/// When it is something else, or none of the keys has signed it.
pub(super) fn verified(
    path: &Path,
    bytes: Vec<u8>,
    keys: &TrustedKeys,
) -> Result<VerifiedCheckpoint, OfflineError> {
    let note = text(path, bytes)?.parse();
    let verified = note.and_then(|note: Note| keys.verify(&note));
    verified.map_err(|error| {
        OfflineError::NotVerified(format!("the checkpoint {}: {error}", path.display()))
    })
}
