//! The witnesses whose cosignatures `audit verify` demands.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use engine_roles_transparency::{Cosignature, VerifiedCheckpoint, VerifierKey};

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
    witnesses: Vec<Witness>,
    count: usize,
}

/// The keys of one witness. It may have several, of one name, while they are replaced. One key with
/// several names is one witness too: whoever has the key cosigns with each of the names.
struct Witness(Vec<VerifierKey>);

impl Witness {
    fn has(&self, key: &VerifierKey) -> bool {
        let is_same = |own: &VerifierKey| own.name() == key.name() || own.is_same_key(key);
        self.0.iter().any(is_same)
    }

    fn names(&self) -> String {
        let names: BTreeSet<&str> = self.0.iter().map(|key| key.name().as_str()).collect();
        names.into_iter().collect::<Vec<_>>().join(" or ")
    }
}

impl QuorumArgs {
    /// Reads the keys of the witnesses.
    ///
    /// # Errors
    /// When a file does not have such keys, or there are fewer witnesses than are demanded.
    pub(super) fn quorum(&self) -> Result<Quorum, OfflineError> {
        let keys = read_witness_keys(&self.witness_key)?;
        let witnesses = witnesses(&keys);
        let most = witnesses.len();
        let count = self.quorum.unwrap_or(most);
        if !self.witness_key.is_empty() && !(1..=most).contains(&count) {
            let message = format!("--quorum: must be from 1 to the number of witnesses, {most}");
            return Err(OfflineError::Usage(message));
        }
        Ok(Quorum {
            keys,
            witnesses,
            count,
        })
    }
}

/// Returns whose keys they are.
fn witnesses(keys: &[VerifierKey]) -> Vec<Witness> {
    let mut all: Vec<Witness> = Vec::new();
    for key in keys {
        // A key can show that two are the same witness.
        let same = all.extract_if(.., |witness| witness.has(key));
        let mut own: Vec<VerifierKey> = same.flat_map(|witness| witness.0).collect();
        own.push(key.clone());
        all.push(Witness(own));
    }
    all
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
        let found: Vec<&Cosignature> = same.flat_map(VerifiedCheckpoint::cosignatures).collect();
        let has_cosigned =
            |witness: &&Witness| found.iter().any(|one| witness.0.contains(&one.witness));
        let (by, missing): (Vec<&Witness>, Vec<&Witness>) =
            self.witnesses.iter().partition(has_cosigned);
        if by.len() < self.count {
            let missing: Vec<String> = missing.into_iter().map(Witness::names).collect();
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

#[cfg(test)]
mod tests {
    use engine_roles_transparency::KeyKind;

    use super::*;

    fn key(name: &str, public: u8) -> VerifierKey {
        let name = name.parse().expect("a name");
        VerifierKey::new(name, KeyKind::Witness, [public; 32])
    }

    #[test]
    fn keys_with_one_name_and_names_with_one_key_are_one_witness() {
        for (keys, count) in [
            (vec![], 0),
            (vec![key("a", 1), key("b", 2)], 2),
            (vec![key("a", 1), key("a", 1)], 1),
            (vec![key("a", 1), key("b", 1)], 1),
            (vec![key("a", 1), key("a", 2)], 1),
            (vec![key("a", 1), key("b", 2), key("c", 3), key("a", 2)], 2),
        ] {
            assert_eq!(witnesses(&keys).len(), count, "{keys:?}");
        }
        let one = witnesses(&[key("b", 1), key("a", 1)]);
        assert_eq!(one[0].names(), "a or b");
    }
}
