//! Which keys are trusted, and what they have signed.

use std::fmt;
use std::str::FromStr;

use crate::TransparencyError;
use crate::checkpoint::Checkpoint;
use crate::key::{KeyKind, KeyName, VerifierKey};
use crate::note::{Note, NoteSignature};

/// The keys of one log, and of the witnesses whose cosignatures are looked at.
///
/// As text: one verifier key a line, see [`VerifierKey::read_lines`]. A log has several keys while
/// they are rotated, or to verify checkpoints from before a rotation. They all have the log's origin
/// as their name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKeys {
    origin: KeyName,
    log: Vec<VerifierKey>,
    witnesses: Vec<VerifierKey>,
}

/// A statement of a witness: at this time, the checkpoint was the largest consistent one of the log
/// that the witness had observed (C2SP tlog-cosignature).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// The key of the witness, which has its name.
    pub witness: VerifierKey,
    /// When the witness signed, in seconds since the Unix epoch. It may be in the future.
    pub timestamp: u64,
}

/// A checkpoint that a trusted key of the log has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    signed_by: Vec<VerifierKey>,
    cosignatures: Vec<Cosignature>,
}

impl VerifiedCheckpoint {
    /// Returns what the checkpoint states.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns the log's keys that have signed, each once.
    #[must_use]
    pub fn signed_by(&self) -> &[VerifierKey] {
        &self.signed_by
    }

    /// Returns the verified cosignatures of trusted witnesses. The caller decides how many are
    /// enough and whether a time is recent enough.
    #[must_use]
    pub fn cosignatures(&self) -> &[Cosignature] {
        &self.cosignatures
    }
}

impl TrustedKeys {
    /// Trusts these keys.
    ///
    /// # Errors
    /// When no key is a log's, or when the log's keys have different names.
    pub fn new(keys: impl IntoIterator<Item = VerifierKey>) -> Result<Self, TransparencyError> {
        let keys = keys.into_iter();
        let (log, witnesses): (Vec<_>, Vec<_>) = keys.partition(|key| key.kind() == KeyKind::Log);
        let first = log.first().ok_or(TransparencyError::InvalidVerifierKey {
            reason: "none of the keys is a log's",
        })?;
        let origin = first.name().clone();
        if let Some(other) = log.iter().find(|key| *key.name() != origin) {
            return Err(TransparencyError::OtherOrigin {
                found: other.name().to_string(),
                expected: origin.to_string(),
            });
        }
        Ok(Self {
            origin,
            log,
            witnesses,
        })
    }

    /// Returns the origin of the log.
    #[must_use]
    pub const fn origin(&self) -> &KeyName {
        &self.origin
    }

    /// Returns all keys, those of the log first.
    pub fn keys(&self) -> impl Iterator<Item = &VerifierKey> {
        self.log.iter().chain(&self.witnesses)
    }

    /// Trusts the same keys of the log, and this witness alone.
    #[must_use]
    pub(crate) fn with_witness(&self, witness: VerifierKey) -> Self {
        Self {
            origin: self.origin.clone(),
            log: self.log.clone(),
            witnesses: vec![witness],
        }
    }

    /// Verifies the signatures of a checkpoint and reads it. Signatures by unknown keys are ignored,
    /// also where only the name or only the id is that of a known key.
    ///
    /// # Errors
    /// - [`TransparencyError::WrongSignature`]: a known key has not made the signature that bears its
    ///   name and id. One is enough to reject the note (C2SP signed-note, "Signatures").
    /// - [`TransparencyError::NotSigned`]: no known key of the log has signed. Cosignatures alone are
    ///   not enough.
    /// - [`TransparencyError::MalformedCheckpoint`], [`TransparencyError::OtherOrigin`]: a known key
    ///   has signed something else than a checkpoint of this log.
    pub fn verify(&self, note: &Note) -> Result<VerifiedCheckpoint, TransparencyError> {
        let mut signed_by = Vec::new();
        let mut cosignatures = Vec::new();
        for signature in note.signatures() {
            if let Some(key) = self.log.iter().find(|key| signature.is_by(key)) {
                check_signed(key, note.text().as_bytes(), signature.bytes())?;
                if !signed_by.contains(key) {
                    signed_by.push(key.clone());
                }
            } else if let Some(key) = self.witnesses.iter().find(|key| signature.is_by(key)) {
                let cosignature = verify_cosignature(key, note.text(), signature)?;
                if !cosignatures.contains(&cosignature) {
                    cosignatures.push(cosignature);
                }
            }
        }
        if signed_by.is_empty() {
            return Err(TransparencyError::NotSigned {
                origin: self.origin.to_string(),
            });
        }
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin != self.origin {
            return Err(TransparencyError::OtherOrigin {
                found: checkpoint.origin.to_string(),
                expected: self.origin.to_string(),
            });
        }
        Ok(VerifiedCheckpoint {
            checkpoint,
            signed_by,
            cosignatures,
        })
    }

    /// Adds the cosignatures that a witness answered with to a checkpoint of this log. An earlier
    /// cosignature by the same witness is replaced. Lines by unknown keys are ignored.
    ///
    /// The lines are those of C2SP tlog-witness, `add-checkpoint`: one or more signature lines, each
    /// with a line break.
    ///
    /// # Errors
    /// When a line is malformed, when a cosignature by a known witness is wrong, when there is none
    /// by a known witness, or when the checkpoint can't be verified itself. The note is unchanged
    /// then.
    pub fn add_cosignatures(
        &self,
        note: &mut Note,
        lines: &str,
    ) -> Result<Vec<Cosignature>, TransparencyError> {
        self.verify(note)?;
        let mut changed = note.clone();
        let mut added = Vec::new();
        for line in lines.lines() {
            let signature: NoteSignature = line.parse()?;
            let known = self.witnesses.iter().find(|key| signature.is_by(key));
            if let Some(key) = known {
                added.push(verify_cosignature(key, note.text(), &signature)?);
                changed.remove_signatures_by(key);
                changed.add(signature)?;
            }
        }
        if added.is_empty() {
            return Err(TransparencyError::MalformedNote {
                reason: "none of the lines is the cosignature of a known witness",
            });
        }
        *note = changed;
        Ok(added)
    }
}

impl FromStr for TrustedKeys {
    type Err = TransparencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(VerifierKey::read_lines(text)?)
    }
}

impl fmt::Display for TrustedKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys().try_for_each(|key| writeln!(formatter, "{key}"))
    }
}

/// Returns what a witness signs (C2SP tlog-cosignature, "Ed25519 signed message").
pub(crate) fn cosigned_message(timestamp: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {timestamp}\n{text}")
}

fn verify_cosignature(
    key: &VerifierKey,
    text: &str,
    signature: &NoteSignature,
) -> Result<Cosignature, TransparencyError> {
    let wrong = || TransparencyError::WrongSignature {
        name: key.name().to_string(),
    };
    let parts = signature.bytes().split_first_chunk::<8>();
    let (timestamp, bytes) = parts.ok_or_else(wrong)?;
    let timestamp = u64::from_be_bytes(*timestamp);
    if i64::try_from(timestamp).is_err() {
        return Err(wrong());
    }
    check_signed(key, cosigned_message(timestamp, text).as_bytes(), bytes)?;
    Ok(Cosignature {
        witness: key.clone(),
        timestamp,
    })
}

fn check_signed(
    key: &VerifierKey,
    message: &[u8],
    signature: &[u8],
) -> Result<(), TransparencyError> {
    if key.has_signed(message, signature) {
        return Ok(());
    }
    Err(TransparencyError::WrongSignature {
        name: key.name().to_string(),
    })
}
