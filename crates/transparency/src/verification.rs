//! The verification of an export of the log against signed checkpoints, event by event.

mod finding;
mod places;

pub use finding::{Certainty, Finding, Located, Report};

use places::Mismatch;

use crate::checkpoint::Checkpoint;
use crate::frontier::Frontier;
use crate::hash::TreeHash;
use crate::key::KeyName;
use crate::trust::VerifiedCheckpoint;
use crate::{TransparencyError, leaf_index};

/// The most findings, and the most events that do not match their leaf hash, that a verification
/// keeps. The others are counted.
pub const MAX_FINDINGS: usize = 4096;

/// One event of an export.
#[derive(Clone, Copy, Debug)]
pub struct ExportedEvent<'a> {
    /// The number of the event; the first of a log is 1.
    pub seq: u64,
    /// The canonical bytes; none where the log has no event with this number any more.
    pub event: Option<&'a [u8]>,
    /// The leaf hash that the tree has for this number, read from the tiles and not computed from the
    /// event; none where the export does not have it.
    pub leaf: Option<TreeHash>,
}

/// Verifies an export while it is read, in memory that does not grow with the export.
///
/// # What an export has to have
///
/// - The [`Frontier`] of the events before its first one. An export from the first event on needs
///   none. Where older events have expired, the tiles still have the frontier.
/// - For each number the canonical bytes of the event, or that the event is gone.
/// - For each number the leaf hash **from the tiles**. The root alone shows that something is wrong,
///   not where; the leaf hashes show where.
///
/// Nothing of this has to be trusted. Two trees are computed: one from the events, one from the leaf
/// hashes of the export. The checkpoints decide which of them is the log's.
///
/// # What is found, and where
///
/// | what was done | what is found | place |
/// |---|---|---|
/// | an event was changed | [`Finding::Changed`] | the event |
/// | an event was removed, and its leaf hash kept | [`Finding::Removed`] | the event |
/// | an event was removed and the later ones were numbered anew | [`Finding::Removed`], [`Finding::Moved`] | the event |
/// | an event was inserted or repeated | [`Finding::Inserted`], [`Finding::Moved`] | the number |
/// | events were swapped | [`Finding::Swapped`] | both |
/// | lines of the export were removed or sorted | [`Finding::Missing`], [`Finding::OutOfOrder`] | the numbers |
/// | the end was cut off | [`Finding::Cut`] | the first missing number |
/// | the beginning was cut off, and the frontier computed anew | [`Finding::BeginsLate`] | the numbers |
/// | events and tiles were rewritten | [`Finding::RootDiffers`] | between two checkpoints |
/// | the log's key signed two histories | [`Finding::Forked`] | the size |
///
/// Where the tiles were rewritten too, nothing of the old leaf hashes is left, so the place is only
/// known as well as there are checkpoints from before and after it: the more checkpoints are given,
/// the closer. The same is true of an export without leaf hashes. What comes after the largest
/// checkpoint is not proved by anything, and only counted.
#[derive(Debug)]
pub struct LogVerifier {
    origin: KeyName,
    start: u64,
    /// The number of the first event that the export has to have.
    first: u64,
    /// The size of the largest of the checkpoints that the events have to reach.
    size: u64,
    /// The number of the last event that was read or skipped.
    last: u64,
    checkpoints: Vec<Milestone>,
    /// How many of the checkpoints were compared or passed.
    passed: usize,
    /// The tree of the events.
    events: Chain,
    /// The tree of the leaf hashes.
    leaves: Chain,
    mismatches: Vec<Mismatch>,
    findings: Vec<Located>,
    more: u64,
    beyond: u64,
    /// Whether the export has nothing for some numbers.
    has_gap: bool,
}

/// The tree of a checkpoint, and how the two trees of the export compare with it.
#[derive(Debug)]
struct Milestone {
    size: u64,
    root: TreeHash,
    events: Comparison,
    leaves: Comparison,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    NotMade,
    Equal,
    Different,
}

/// A tree that is computed from hashes as long as none is missing.
#[derive(Debug)]
enum Chain {
    Whole(Frontier),
    Broken,
}

impl Chain {
    fn push(&mut self, leaf: Option<TreeHash>) {
        let pushed = match (&mut *self, leaf) {
            (Self::Whole(frontier), Some(leaf)) => frontier.push(leaf).is_ok(),
            _ => false,
        };
        if !pushed {
            *self = Self::Broken;
        }
    }

    fn compare(&self, root: &TreeHash) -> Comparison {
        match self {
            Self::Whole(frontier) if frontier.root() == *root => Comparison::Equal,
            Self::Whole(_) => Comparison::Different,
            Self::Broken => Comparison::NotMade,
        }
    }
}

impl Milestone {
    fn of(checkpoint: &Checkpoint) -> Self {
        Self {
            size: checkpoint.size,
            root: checkpoint.root,
            events: Comparison::NotMade,
            leaves: Comparison::NotMade,
        }
    }

    fn is_equal(&self) -> bool {
        self.events == Comparison::Equal || self.leaves == Comparison::Equal
    }

    fn is_different(&self) -> bool {
        let made = [self.events, self.leaves];
        !self.is_equal() && made.contains(&Comparison::Different)
    }
}

impl LogVerifier {
    /// Begins a verification. `start` is the frontier of the events before the first of the export.
    /// The events have to reach the largest of the checkpoints; the others narrow down the place of a
    /// change, and show a history that was rewritten and signed again with the log's key.
    ///
    /// # Errors
    /// When the checkpoints are of different logs, or when all of them are older than the start.
    pub fn new(
        start: Frontier,
        checkpoint: &VerifiedCheckpoint,
        others: &[VerifiedCheckpoint],
    ) -> Result<Self, TransparencyError> {
        let origin = &checkpoint.checkpoint().origin;
        let mut all = vec![checkpoint.checkpoint()];
        for other in others.iter().map(VerifiedCheckpoint::checkpoint) {
            check_origin(origin, &other.origin)?;
            all.push(other);
        }
        all.sort_by_key(|checkpoint| (checkpoint.size, checkpoint.root));
        all.dedup();
        let largest = all.last().map_or(0, |checkpoint| checkpoint.size);
        if largest < start.size() {
            return Err(TransparencyError::Shorter {
                old: start.size(),
                new: largest,
            });
        }
        let mut verifier = Self {
            origin: origin.clone(),
            start: start.size(),
            first: 1,
            size: largest,
            last: start.size(),
            checkpoints: all.iter().map(|one| Milestone::of(one)).collect(),
            passed: 0,
            events: Chain::Whole(start.clone()),
            leaves: Chain::Whole(start),
            mismatches: Vec::new(),
            findings: Vec::new(),
            more: 0,
            beyond: 0,
            has_gap: false,
        };
        for pair in all.windows(2) {
            if pair[0].size == pair[1].size {
                verifier.find(Finding::Forked { size: pair[0].size });
            }
        }
        verifier.compare();
        Ok(verifier)
    }

    /// Lets the export begin with this event or an earlier one. Otherwise it has to begin with event 1:
    /// whoever hands over an export can leave out its beginning and compute the frontier of what is left
    /// out, and every hash fits. Only somebody who knows which events have expired can tell the two apart.
    #[must_use]
    pub const fn beginning_with(mut self, first: u64) -> Self {
        self.first = first;
        self
    }

    /// Compares the export also with the checkpoint that it brings along. It may be larger than the others:
    /// the export has to reach it then, but the events after the others do not count as proved. This comes
    /// before the first event.
    ///
    /// # Errors
    /// When the checkpoint is of another log than the others.
    pub fn bringing(mut self, own: &VerifiedCheckpoint) -> Result<Self, TransparencyError> {
        let own = own.checkpoint();
        check_origin(&self.origin, &own.origin)?;
        let is_before = |one: &Milestone| (one.size, one.root) < (own.size, own.root);
        let place = self.checkpoints.partition_point(is_before);
        let is_of_size = |one: &&Milestone| one.size == own.size;
        if self
            .checkpoints
            .iter()
            .filter(is_of_size)
            .any(|one| one.root == own.root)
        {
            return Ok(self);
        }
        if self.checkpoints.iter().any(|one| is_of_size(&one)) {
            self.find(Finding::Forked { size: own.size });
        }
        self.checkpoints.insert(place, Milestone::of(own));
        self.passed = 0;
        self.compare();
        Ok(self)
    }

    /// Returns the number up to which the export has to have events: the size of the largest
    /// checkpoint.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the number of the last event that was read, for a display of the progress.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Takes the next event of the export.
    pub fn push(&mut self, line: &ExportedEvent<'_>) {
        let index = leaf_index(line.seq).filter(|index| *index >= self.last);
        let Some(index) = index else {
            self.find(Finding::OutOfOrder {
                seq: line.seq,
                after: self.last,
            });
            return;
        };
        if index > self.last {
            self.skip_to(index);
        }
        self.last = line.seq;
        if line.seq > self.size() {
            self.beyond += 1;
        }
        if line.seq > self.reach() {
            return;
        }
        let found = line.event.map(TreeHash::of_leaf);
        self.events.push(found);
        self.leaves.push(line.leaf);
        match (line.leaf, found) {
            (None, None) => self.find(Finding::Missing {
                first: line.seq,
                last: line.seq,
            }),
            (Some(expected), found) if found != Some(expected) => self.keep(Mismatch {
                seq: line.seq,
                expected,
                found,
            }),
            _ => {}
        }
        self.compare();
    }

    /// Ends the verification.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let (size, reach) = (self.size(), self.reach());
        if self.first <= self.start {
            self.find(Finding::BeginsLate {
                first: self.first,
                last: self.start,
            });
        }
        if self.last < reach {
            self.find(Finding::Cut {
                first: self.last + 1,
                last: reach,
            });
        }
        let first_different = self.checkpoints.iter().find(|one| one.is_different());
        if let Some(until) = first_different.map(|one| one.size) {
            let before = self.checkpoints.iter();
            let before = before.filter(|one| one.size < until && one.is_equal());
            let after = before.map(|one| one.size).max().unwrap_or(0);
            self.find(Finding::RootDiffers { after, until });
        }
        let greatest = |is_equal: fn(&Milestone) -> bool| {
            let equal = self.checkpoints.iter().filter(|one| is_equal(one));
            equal.map(|one| one.size).max()
        };
        let events = greatest(|one| one.events == Comparison::Equal);
        let proved = self
            .checkpoints
            .iter()
            .filter(|one| one.events == Comparison::Equal && one.size <= size);
        let proved = proved.map(|one| one.size).max();
        let leaves = greatest(|one| one.leaves == Comparison::Equal);
        let proof = places::Proof {
            events: events.unwrap_or(0),
            leaves: leaves.unwrap_or(0),
            is_partial: self.more > 0 || self.last < reach || self.has_gap,
        };
        self.findings
            .extend(places::locate(&self.mismatches, proof));
        self.findings.sort_by_key(|located| located.finding.place());
        let before = self.checkpoints.iter().map(|one| one.size);
        Report {
            findings: self.findings,
            more: self.more,
            start: self.start,
            size,
            proved,
            beyond: self.beyond,
            before_start: before.filter(|size| *size < self.start).collect(),
        }
    }

    /// Returns the number up to which events are compared: the size of the largest checkpoint, also of the
    /// one that the export brings along.
    fn reach(&self) -> u64 {
        self.checkpoints.last().map_or(0, |last| last.size)
    }

    /// Passes over numbers that the export does not have.
    fn skip_to(&mut self, index: u64) {
        let last = index.min(self.reach());
        if self.last < last {
            self.find(Finding::Missing {
                first: self.last + 1,
                last,
            });
            self.events = Chain::Broken;
            self.leaves = Chain::Broken;
            self.has_gap = true;
        }
        self.last = index;
    }

    /// Compares the trees with the checkpoints of the size that was reached.
    fn compare(&mut self) {
        while let Some(next) = self.checkpoints.get_mut(self.passed) {
            if next.size > self.last {
                return;
            }
            if next.size == self.last {
                next.events = self.events.compare(&next.root);
                next.leaves = self.leaves.compare(&next.root);
            }
            self.passed += 1;
        }
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            // The numbers of the export, and signed checkpoints, leave no doubt about these.
            let certainty = Certainty::Proved;
            self.findings.push(Located { finding, certainty });
        } else {
            self.more += 1;
        }
    }

    fn keep(&mut self, mismatch: Mismatch) {
        if self.mismatches.len() < MAX_FINDINGS {
            self.mismatches.push(mismatch);
        } else {
            self.more += 1;
        }
    }
}

fn check_origin(expected: &KeyName, found: &KeyName) -> Result<(), TransparencyError> {
    if found == expected {
        return Ok(());
    }
    Err(TransparencyError::OtherOrigin {
        found: found.to_string(),
        expected: expected.to_string(),
    })
}
