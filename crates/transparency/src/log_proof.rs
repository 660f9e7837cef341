//! The proof of one event as a text that can be verified without the log (C2SP tlog-proof).

use std::fmt;
use std::str::FromStr;

use crate::hash::TreeHash;
use crate::note::Note;
use crate::proof::InclusionProof;
use crate::trust::{TrustedKeys, VerifiedCheckpoint};
use crate::{MAX_SIZE, TransparencyError, base64};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The longest inclusion proof: one hash for each level of a tree with [`MAX_SIZE`] leaves.
const MAX_HASHES: usize = 63;

/// An inclusion proof with the checkpoint that it leads to. Whoever has the event, this text and the
/// log's public key needs nothing else.
///
/// The line `extra` of the format is never written. Where it is read, it is ignored, because nothing
/// signs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogProof {
    index: u64,
    hashes: Vec<TreeHash>,
    checkpoint: Note,
}

impl LogProof {
    /// Puts a proof and a signed checkpoint of the same size together.
    #[must_use]
    pub fn new(proof: InclusionProof, checkpoint: Note) -> Self {
        Self {
            index: proof.index,
            hashes: proof.hashes,
            checkpoint,
        }
    }

    /// Returns the number of the leaf; the first is 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Checks that a log whose keys are trusted has an event: its canonical bytes.
    ///
    /// # Errors
    /// When the checkpoint is not verified, see [`TrustedKeys::verify`], or when the proof does not
    /// lead from the event to its root.
    pub fn verify(
        &self,
        keys: &TrustedKeys,
        event: &[u8],
    ) -> Result<VerifiedCheckpoint, TransparencyError> {
        let verified = keys.verify(&self.checkpoint)?;
        let proof = InclusionProof {
            index: self.index,
            size: verified.checkpoint().size,
            hashes: self.hashes.clone(),
        };
        proof.verify(&TreeHash::of_leaf(event), &verified.checkpoint().root)?;
        Ok(verified)
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{HEADER}\nindex {}", self.index)?;
        for hash in &self.hashes {
            writeln!(formatter, "{hash}")?;
        }
        write!(formatter, "\n{}", self.checkpoint)
    }
}

impl FromStr for LogProof {
    type Err = TransparencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = |reason| TransparencyError::MalformedProof { reason };
        let (proof, checkpoint) = text
            .split_once("\n\n")
            .ok_or_else(|| malformed("no empty line precedes the checkpoint"))?;
        let mut lines = proof.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(malformed("it does not begin with the name of the format"));
        }
        if let Some(unsigned) = lines.next_if(|line| line.starts_with("extra ")) {
            let bytes = unsigned.strip_prefix("extra ").and_then(base64::decode);
            bytes.ok_or_else(|| malformed("the extra data is not base64"))?;
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.ok_or_else(|| malformed("the index is missing"))?;
        let number = index.parse().ok().filter(|number: &u64| {
            // Of the spellings that are parsed, only the one that is written.
            *number < MAX_SIZE && number.to_string() == index
        });
        let number = number.ok_or_else(|| malformed("the index is not a number"))?;
        let hashes = lines.take(MAX_HASHES + 1).map(str::parse);
        let hashes = hashes.collect::<Result<Vec<_>, _>>()?;
        if hashes.len() > MAX_HASHES {
            return Err(malformed("it has too many hashes"));
        }
        Ok(Self {
            index: number,
            hashes,
            checkpoint: checkpoint.parse()?,
        })
    }
}
