//! What a log sends to a witness, and how a witness answers (C2SP tlog-witness, `add-checkpoint`).

use std::fmt;
use std::str::FromStr;

use crate::TransparencyError;
use crate::hash::TreeHash;
use crate::key::{KeyKind, KeyName, SigningKey, VerifierKey};
use crate::note::{Note, NoteSignature};
use crate::proof::ConsistencyProof;
use crate::trust::{TrustedKeys, VerifiedCheckpoint, cosigned_message};

/// The most hashes of a request: C2SP tlog-witness allows no more.
const MAX_HASHES: usize = 63;

/// A checkpoint with the proof that its log extends the checkpoint that the witness cosigned last. As
/// text, it is the body of `add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessRequest {
    old_size: u64,
    hashes: Vec<TreeHash>,
    checkpoint: Note,
}

/// The private key of a witness.
///
/// It is of another type than [`SigningKey`], because a witness signs another message than a log.
/// `Debug` does not show it.
#[derive(Debug)]
pub struct WitnessKey(SigningKey);

/// The answer of a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// The cosignature. As text, it is the line that the witness answers with.
    pub signature: NoteSignature,
    /// The checkpoint with the cosignature. The witness has to keep it before it answers: it is the
    /// checkpoint that was cosigned last.
    pub checkpoint: Note,
}

impl WitnessRequest {
    /// Puts a proof and a signed checkpoint of its new size together. The old size is that of the
    /// checkpoint that the witness cosigned last, or 0.
    #[must_use]
    pub fn new(proof: ConsistencyProof, checkpoint: Note) -> Self {
        Self {
            old_size: proof.old_size,
            hashes: proof.hashes,
            checkpoint,
        }
    }

    /// Returns the size of the checkpoint that the witness is supposed to have cosigned last.
    #[must_use]
    pub const fn old_size(&self) -> u64 {
        self.old_size
    }

    /// Returns the checkpoint. Its signatures are not verified.
    #[must_use]
    pub fn into_checkpoint(self) -> Note {
        self.checkpoint
    }
}

impl fmt::Display for WitnessRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "old {}", self.old_size)?;
        for hash in &self.hashes {
            writeln!(formatter, "{hash}")?;
        }
        write!(formatter, "\n{}", self.checkpoint)
    }
}

impl FromStr for WitnessRequest {
    type Err = TransparencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = |reason| TransparencyError::MalformedRequest { reason };
        let (proof, checkpoint) = text
            .split_once("\n\n")
            .ok_or_else(|| malformed("no empty line precedes the checkpoint"))?;
        let mut lines = proof.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = old.ok_or_else(|| malformed("the old size is missing"))?;
        // Of the spellings that are parsed, only the one that is written.
        let size = old
            .parse()
            .ok()
            .filter(|size: &u64| size.to_string() == old);
        let old_size = size.ok_or_else(|| malformed("the old size is not a number"))?;
        let hashes = lines.take(MAX_HASHES + 1).map(str::parse);
        let hashes = hashes.collect::<Result<Vec<_>, _>>()?;
        if hashes.len() > MAX_HASHES {
            return Err(malformed("it has too many hashes"));
        }
        Ok(Self {
            old_size,
            hashes,
            checkpoint: checkpoint.parse()?,
        })
    }
}

impl WitnessKey {
    /// Reads the key of the witness with this name, as [`SigningKey::from_pem`] reads the key of a
    /// log.
    ///
    /// # Errors
    /// When the text has no such key. The error does not contain the text.
    pub fn from_pem(name: KeyName, pem: &[u8]) -> Result<Self, TransparencyError> {
        SigningKey::of_kind(KeyKind::Witness, name, pem).map(Self)
    }

    /// Returns the public key.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        self.0.verifier()
    }

    /// Checks a request as C2SP tlog-witness, `add-checkpoint`, says, and cosigns its checkpoint.
    /// `last` is the checkpoint that this witness cosigned last, with the cosignature, and none if it
    /// never cosigned one of this log. The time is in seconds since the Unix epoch.
    ///
    /// The caller keeps the answer's checkpoint before it hands out the signature, and lets no other
    /// request read `last` in between: otherwise, two histories of the log could be cosigned.
    ///
    /// # Errors
    /// - As [`TrustedKeys::verify`] for the request, and as [`WitnessKey::verify_last`].
    /// - [`TransparencyError::OtherOldSize`]: the proof does not begin at the last checkpoint.
    /// - [`TransparencyError::Shorter`], [`TransparencyError::RootDiffers`],
    ///   [`TransparencyError::ProofDoesNotMatch`]: the log does not extend the last checkpoint.
    /// - [`TransparencyError::InvalidTimestamp`]: the time is greater than the format allows.
    pub fn cosign(
        &self,
        request: &WitnessRequest,
        log: &TrustedKeys,
        last: Option<&Note>,
        timestamp: u64,
    ) -> Result<Cosigned, TransparencyError> {
        let current = log.verify(&request.checkpoint)?;
        let current = current.checkpoint();
        let last = last.map(|note| self.verify_last(note, log)).transpose()?;
        let expected = last.as_ref().map_or(0, |last| last.checkpoint().size);
        if request.old_size != expected {
            return Err(TransparencyError::OtherOldSize {
                found: request.old_size,
                expected,
            });
        }
        let proof = ConsistencyProof {
            old_size: request.old_size,
            new_size: current.size,
            hashes: request.hashes.clone(),
        };
        // Nothing is to be proved then, so nothing may be sent.
        let is_bare = proof.old_size == 0 || proof.old_size == proof.new_size;
        if is_bare && !proof.hashes.is_empty() {
            return Err(TransparencyError::ProofDoesNotMatch);
        }
        if let Some(last) = &last {
            current.extends(last.checkpoint(), &proof)?;
        }
        if i64::try_from(timestamp).is_err() {
            return Err(TransparencyError::InvalidTimestamp { timestamp });
        }
        let message = cosigned_message(timestamp, request.checkpoint.text());
        let mut bytes = timestamp.to_be_bytes().to_vec();
        bytes.extend(self.0.sign(message.as_bytes())?);
        let signature = NoteSignature::by(self.verifier(), bytes);
        let mut checkpoint = request.checkpoint.clone();
        checkpoint.remove_signatures_by(self.verifier());
        checkpoint.add(signature.clone())?;
        Ok(Cosigned {
            signature,
            checkpoint,
        })
    }
    /// Verifies the checkpoint that this witness cosigned last. Without its cosignature, somebody else
    /// put the checkpoint there, and the one that was cosigned is not known.
    ///
    /// # Errors
    /// - As [`TrustedKeys::verify`].
    /// - [`TransparencyError::NotCosigned`]: this key has not cosigned the checkpoint with this name.
    pub fn verify_last(
        &self,
        note: &Note,
        log: &TrustedKeys,
    ) -> Result<VerifiedCheckpoint, TransparencyError> {
        let verified = log.with_witness(self.verifier().clone()).verify(note)?;
        if verified.cosignatures().is_empty() {
            return Err(TransparencyError::NotCosigned {
                witness: self.verifier().to_string(),
            });
        }
        Ok(verified)
    }
}
