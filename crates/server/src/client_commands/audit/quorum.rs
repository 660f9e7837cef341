//! The witnesses whose cosignatures `audit verify` demands.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use engine_roles_transparency::{Cosignature, KeyName, VerifiedCheckpoint, VerifierKey};

use super::offline::{OfflineError, read_witness_keys};

/// The arguments about witnesses.
#[derive(Debug, Args)]
pub(super) struct QuorumArgs {
    /// File with the public keys of witnesses that have to have cosigned the largest checkpoint; can be
    /// repeated
    #[arg(long, value_name = "FILE")]
    witness_key: Vec<PathBuf>,
    /// How many of the witnesses have to have cosigned the largest checkpoint [default: all of them]
    #[arg(long, value_name = "COUNT", requires = "witness_key")]
    quorum: Option<usize>,
}

/// Witnesses, and how many of them are enough.
pub(super) struct Quorum {
    pub(super) keys: Vec<VerifierKey>,
    names: BTreeSet<KeyName>,
    count: usize,
}

impl QuorumArgs {
    /// Reads the keys of the witnesses.
    ///
    /// # Errors
    /// When a file does not have such keys, or there are fewer witnesses than are demanded.
    pub(super) fn quorum(&self) -> Result<Quorum, OfflineError> {
        let keys = read_witness_keys(&self.witness_key)?;
        let names: BTreeSet<KeyName> = keys.iter().map(|key| key.name().clone()).collect();
        let count = self.quorum.unwrap_or(names.len());
        if !self.witness_key.is_empty() && !(1..=names.len()).contains(&count) {
            let most = names.len();
            let message = format!("--quorum: must be from 1 to the number of witnesses, {most}");
            return Err(OfflineError::Usage(message));
        }
        Ok(Quorum { keys, names, count })
    }
}

impl Quorum {
    /// Returns what to print about the witnesses that have cosigned the largest checkpoint. The same
    /// checkpoint may be given in several files, each with other cosignatures.
    ///
    /// # Errors
    /// When too few witnesses have cosigned.
    pub(super) fn check(
        &self,
        checkpoints: &[VerifiedCheckpoint],
    ) -> Result<Vec<String>, OfflineError> {
        let size = |one: &&VerifiedCheckpoint| one.checkpoint().size;
        let Some(largest) = checkpoints.iter().max_by_key(size) else {
            return Ok(Vec::new());
        };
        let same = checkpoints
            .iter()
            .filter(|one| one.checkpoint() == largest.checkpoint());
        let found: Vec<&Cosignature> = same
            .flat_map(VerifiedCheckpoint::cosignatures)
            .filter(|one| self.names.contains(one.witness.name()))
            .collect();
        let by: BTreeSet<&KeyName> = found.iter().map(|one| one.witness.name()).collect();
        if by.len() < self.count {
            let missing = self.names.iter().filter(|name| !by.contains(name));
            let missing: Vec<&str> = missing.map(KeyName::as_str).collect();
            return Err(OfflineError::NotVerified(format!(
                "too few witnesses have cosigned the checkpoint with size {}: {} of {} that are \
                 needed; cosignatures are missing by {}",
                largest.checkpoint().size,
                by.len(),
                self.count,
                missing.join(", ")
            )));
        }
        Ok(found.into_iter().map(shown).collect())
    }
}

fn shown(cosignature: &Cosignature) -> String {
    let witness = cosignature.witness.name();
    let at = i64::try_from(cosignature.timestamp).ok();
    let at = at.and_then(|at| DateTime::<Utc>::from_timestamp(at, 0));
    let at = at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
    let at = at.unwrap_or_else(|| "an impossible time".to_owned());
    format!("cosigned by {witness} at {at}")
}
