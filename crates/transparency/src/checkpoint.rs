//! Checkpoints (C2SP tlog-checkpoint): the signed head of a log.

use crate::key::{KeyName, SigningKey};
use crate::note::Note;
use crate::proof::ConsistencyProof;
use crate::{MAX_SIZE, TransparencyError, TreeHash};

/// What a checkpoint states: the log with this origin has this many entries, and its tree this root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The unique name of the log. It is also the name of the keys that sign for the log.
    pub origin: KeyName,
    /// The number of entries.
    pub size: u64,
    /// The root of the tree of these entries.
    pub root: TreeHash,
}

impl Checkpoint {
    /// Parses the text of a note. Extension lines are checked for their form and ignored.
    ///
    /// The result must not be trusted before a signature of the note was verified:
    /// [`crate::TrustedKeys::verify`] does both.
    ///
    /// # Errors
    /// When the text is not as C2SP tlog-checkpoint, "Note text", says, when the origin can't be the
    /// name of a key, or when the size is greater than [`MAX_SIZE`].
    pub fn parse(text: &str) -> Result<Self, TransparencyError> {
        let malformed = |reason| TransparencyError::MalformedCheckpoint { reason };
        let lines = text.strip_suffix('\n');
        let mut lines = lines
            .ok_or_else(|| malformed("it does not end with a line break"))?
            .split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("it has fewer than three lines"));
        };
        let origin = origin
            .parse()
            .map_err(|_| malformed("the origin can't be the name of a key"))?;
        let is_decimal = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
        if !is_decimal || (size.starts_with('0') && size != "0") {
            return Err(malformed("the size is not a number without leading zeros"));
        }
        let size = size.parse().ok().filter(|size| *size <= MAX_SIZE);
        let size = size.ok_or_else(|| malformed("the size is too large"))?;
        let root: TreeHash = root
            .parse()
            .map_err(|_| malformed("the root is not the base64 of 32 bytes"))?;
        if lines.any(str::is_empty) {
            return Err(malformed("an extension line is empty"));
        }
        if size == 0 && root != TreeHash::of_empty_tree() {
            return Err(malformed("the root is not that of an empty log"));
        }
        Ok(Self { origin, size, root })
    }

    /// Returns the text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Signs the checkpoint with the keys of the log. During a rotation of keys, the old and the new
    /// key sign.
    ///
    /// A log must not sign a checkpoint that is inconsistent with one that it signed before (C2SP
    /// tlog-checkpoint, "Signatures"): [`Checkpoint::extends`] comes first.
    ///
    /// # Errors
    /// When a key has another name than the origin, or when there is no key.
    pub fn sign(&self, keys: &[&SigningKey]) -> Result<Note, TransparencyError> {
        for key in keys {
            if *key.verifier().name() != self.origin {
                return Err(TransparencyError::OtherOrigin {
                    found: key.verifier().name().to_string(),
                    expected: self.origin.to_string(),
                });
            }
        }
        Note::sign(self.text(), keys)
    }

    /// Checks that this checkpoint may follow an earlier one of the same log: the tree has the
    /// earlier tree's entries at its beginning. Where the sizes are equal, or the earlier log was
    /// empty, the proof has no hashes.
    ///
    /// # Errors
    /// - [`TransparencyError::OtherOrigin`]: the earlier checkpoint is of another log.
    /// - [`TransparencyError::Shorter`]: entries are missing at the end, for example after a restore
    ///   of the database.
    /// - [`TransparencyError::RootDiffers`]: the log has as many entries, but others.
    /// - [`TransparencyError::ProofDoesNotMatch`]: the log was rewritten, or the proof is one of
    ///   other sizes.
    pub fn extends(
        &self,
        earlier: &Self,
        proof: &ConsistencyProof,
    ) -> Result<(), TransparencyError> {
        if self.origin != earlier.origin {
            return Err(TransparencyError::OtherOrigin {
                found: earlier.origin.to_string(),
                expected: self.origin.to_string(),
            });
        }
        if self.size < earlier.size {
            return Err(TransparencyError::Shorter {
                old: earlier.size,
                new: self.size,
            });
        }
        if self.size == earlier.size {
            let size = self.size;
            let is_equal = self.root == earlier.root;
            return is_equal
                .then_some(())
                .ok_or(TransparencyError::RootDiffers { size });
        }
        if (proof.old_size, proof.new_size) != (earlier.size, self.size) {
            return Err(TransparencyError::ProofDoesNotMatch);
        }
        proof.verify(&earlier.root, &self.root)
    }
}
