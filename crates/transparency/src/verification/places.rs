//! The places of changes, from the events that do not match the leaf hash of their number.

use std::collections::HashMap;

use super::{Certainty, Finding, Located};
use crate::hash::TreeHash;

/// An event that does not have the leaf hash of its number.
#[derive(Debug)]
pub(super) struct Mismatch {
    pub(super) seq: u64,
    /// The leaf hash in the export.
    pub(super) expected: TreeHash,
    /// The hash of the event; none where there is no event.
    pub(super) found: Option<TreeHash>,
}

/// What checkpoints prove.
#[derive(Clone, Copy)]
pub(super) struct Proof {
    /// The events up to this number are those that were logged.
    pub(super) events: u64,
    /// The leaf hashes up to this number are those of the log.
    pub(super) leaves: u64,
    /// Whether there may be more mismatches than were kept.
    pub(super) is_partial: bool,
}

/// Returns what was done to the events. The mismatches are in the order of their numbers.
pub(super) fn locate(mismatches: &[Mismatch], proof: Proof) -> Vec<Located> {
    let mut findings = Vec::new();
    let (damaged, mismatches) =
        mismatches.split_at(mismatches.partition_point(|one| one.seq <= proof.events));
    findings.extend(damaged.iter().map(|one| Located {
        finding: Finding::WrongLeaf { seq: one.seq },
        certainty: Certainty::Proved,
    }));

    let logged: HashMap<TreeHash, u64> = mismatches
        .iter()
        .map(|one| (one.expected, one.seq))
        .collect();
    let present: HashMap<TreeHash, u64> = mismatches
        .iter()
        .filter_map(|one| Some((one.found?, one.seq)))
        .collect();
    let mut runs = Runs {
        proof,
        findings,
        removed: None,
        moved: None,
    };
    for one in mismatches {
        let seq = one.seq;
        let is_lost = !present.contains_key(&one.expected);
        let logged_as = one.found.and_then(|found| logged.get(&found)).copied();
        if is_lost && (one.found.is_none() || logged_as.is_some()) {
            runs.removed(seq);
        }
        match logged_as {
            Some(other) if present.get(&one.expected) == Some(&other) => {
                if seq < other {
                    runs.add(
                        Finding::Swapped {
                            first: seq,
                            second: other,
                        },
                        other,
                    );
                }
            }
            Some(other) => runs.moved(seq, other),
            None if one.found.is_none() => {}
            // Where not all mismatches are known, the event may have been logged with a number that
            // was not kept.
            None if is_lost || proof.is_partial => runs.add(Finding::Changed { seq }, seq),
            None => runs.add(Finding::Inserted { seq }, seq),
        }
    }
    runs.finish()
}

/// Joins consecutive numbers to which the same was done.
struct Runs {
    proof: Proof,
    findings: Vec<Located>,
    removed: Option<(u64, u64)>,
    moved: Option<(u64, u64, i64)>,
}

impl Runs {
    /// Adds a finding that concerns numbers up to `last`.
    fn add(&mut self, finding: Finding, last: u64) {
        let certainty = if last <= self.proof.leaves {
            Certainty::Proved
        } else {
            Certainty::Suspected
        };
        self.findings.push(Located { finding, certainty });
    }

    fn removed(&mut self, seq: u64) {
        self.removed = match self.removed.take() {
            Some((first, last)) if last + 1 == seq => Some((first, seq)),
            other => {
                self.add_removed(other);
                Some((seq, seq))
            }
        };
    }

    fn moved(&mut self, seq: u64, logged_as: u64) {
        let by = logged_as.cast_signed() - seq.cast_signed();
        self.moved = match self.moved.take() {
            Some((first, last, same)) if last + 1 == seq && same == by => Some((first, seq, by)),
            other => {
                self.add_moved(other);
                Some((seq, seq, by))
            }
        };
    }

    fn add_removed(&mut self, run: Option<(u64, u64)>) {
        if let Some((first, last)) = run {
            self.add(Finding::Removed { first, last }, last);
        }
    }

    fn add_moved(&mut self, run: Option<(u64, u64, i64)>) {
        if let Some((first, last, by)) = run {
            let logged = last.saturating_add_signed(by);
            self.add(Finding::Moved { first, last, by }, last.max(logged));
        }
    }

    fn finish(mut self) -> Vec<Located> {
        let (removed, moved) = (self.removed.take(), self.moved.take());
        self.add_removed(removed);
        self.add_moved(moved);
        self.findings
    }
}
