//! What a verification found.

use std::fmt;

/// Something in an export that is not as the checkpoints say. All numbers are those of events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The bytes of an event are not those that were logged.
    Changed {
        /// The event.
        seq: u64,
    },
    /// Events that were logged are nowhere in the export.
    Removed {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// An event that was not logged has the number of one that was.
    Inserted {
        /// The number.
        seq: u64,
    },
    /// Two events have each other's number.
    Swapped {
        /// The smaller number.
        first: u64,
        /// The greater number.
        second: u64,
    },
    /// Consecutive events were logged with other numbers: each number is `by` less than the logged
    /// one, or greater where `by` is negative.
    Moved {
        /// The first of the numbers that the events have now.
        first: u64,
        /// The last of them.
        last: u64,
        /// The logged number less the number that an event has now.
        by: i64,
    },
    /// The event is as it was logged, but the leaf hash in the export is not: the tiles or the export
    /// were damaged.
    WrongLeaf {
        /// The event.
        seq: u64,
    },
    /// The export has neither events nor leaf hashes for these numbers. Whether the events that
    /// follow are as they were logged can't be proved.
    Missing {
        /// The first number.
        first: u64,
        /// The last number.
        last: u64,
    },
    /// A number is not greater than the one before: a line was repeated or sorted wrongly. The line
    /// was not read.
    OutOfOrder {
        /// The number.
        seq: u64,
        /// The greatest number before.
        after: u64,
    },
    /// The export begins after an event that it has to have.
    BeginsLate {
        /// The first missing number.
        first: u64,
        /// The last missing number.
        last: u64,
    },
    /// The export ends before the checkpoint.
    Cut {
        /// The first missing number.
        first: u64,
        /// The last missing number, which is the size of the checkpoint.
        last: u64,
    },
    /// The tree is not that of a checkpoint, and nothing in the export shows where it began to
    /// differ.
    RootDiffers {
        /// The size of the last checkpoint before whose tree is the export's: the events up to this
        /// number are in order. 0 where there is none.
        after: u64,
        /// The size of the first checkpoint whose tree is another.
        until: u64,
    },
    /// The log's key has signed two checkpoints of the same size with different roots.
    Forked {
        /// The size.
        size: u64,
    },
}

impl Finding {
    /// Returns the number by which findings are sorted.
    pub(super) const fn place(&self) -> u64 {
        match self {
            Self::Changed { seq }
            | Self::Inserted { seq }
            | Self::WrongLeaf { seq }
            | Self::OutOfOrder { seq, .. } => *seq,
            Self::Removed { first, .. }
            | Self::Swapped { first, .. }
            | Self::Moved { first, .. }
            | Self::Missing { first, .. }
            | Self::BeginsLate { first, .. }
            | Self::Cut { first, .. } => *first,
            Self::RootDiffers { until, .. } => *until,
            Self::Forked { size } => *size,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { seq } => write!(f, "event {seq} was changed"),
            Self::Removed { first, last } => {
                write!(f, "{} removed", Events(*first, *last))
            }
            Self::Inserted { seq } => write!(f, "event {seq} was inserted; it was not logged"),
            Self::Swapped { first, second } => {
                write!(f, "events {first} and {second} were swapped")
            }
            Self::Moved { first, last, by } => {
                let logged = |seq: &u64| seq.saturating_add_signed(*by);
                let events = Events(*first, *last);
                let (from, to) = (logged(first), logged(last));
                write!(f, "{events} moved; logged as {}", Numbers(from, to))
            }
            Self::WrongLeaf { seq } => write!(
                f,
                "the leaf hash of event {seq} is wrong; the event is as it was logged"
            ),
            Self::Missing { first, last } => {
                let numbers = Numbers(*first, *last);
                write!(f, "the export has nothing for {numbers}")
            }
            Self::OutOfOrder { seq, after } => write!(
                f,
                "number {seq} comes after {after}: a line was repeated or moved"
            ),
            Self::BeginsLate { first, last } => {
                let numbers = Numbers(*first, *last);
                write!(f, "the beginning is missing: the export lacks {numbers}")
            }
            Self::Cut { first, last } => {
                let numbers = Numbers(*first, *last);
                write!(f, "the end was cut off: the export lacks {numbers}")
            }
            Self::RootDiffers { after, until } => write!(
                f,
                "the log was rewritten after number {after} and up to {until}: the tree is not that \
                 of the checkpoint with size {until}"
            ),
            Self::Forked { size } => write!(
                f,
                "two checkpoints of size {size} with different roots are signed"
            ),
        }
    }
}

/// `event 7 was` or `events 7 to 9 were`.
struct Events(u64, u64);

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(first, last) if first == last => write!(f, "event {first} was"),
            Self(first, last) => write!(f, "events {first} to {last} were"),
        }
    }
}

/// `number 7` or `numbers 7 to 9`.
struct Numbers(u64, u64);

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(first, last) if first == last => write!(f, "number {first}"),
            Self(first, last) => write!(f, "numbers {first} to {last}"),
        }
    }
}

/// How certain the place of a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// A signed checkpoint proves it.
    Proved,
    /// The export contradicts itself at this place, but its leaf hashes are not those of a
    /// checkpoint. There may be other changes that the export does not show.
    Suspected,
}

/// A finding with its certainty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// What was found, and where.
    pub finding: Finding,
    /// How certain the place is.
    pub certainty: Certainty,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.certainty {
            Certainty::Proved => self.finding.fmt(f),
            Certainty::Suspected => write!(f, "{} (not proved by a checkpoint)", self.finding),
        }
    }
}

/// The result of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was found, in the order of the numbers.
    pub findings: Vec<Located>,
    /// How many findings, or events that do not match their leaf hash, were not kept.
    pub more: u64,
    /// The number of the last event before the export; 0 where the export begins with the first.
    pub start: u64,
    /// The size of the largest checkpoint.
    pub size: u64,
    /// The events after the start and up to this number are proved to be those that were logged;
    /// none where not even the start is.
    pub proved: Option<u64>,
    /// How many events come after the largest checkpoint. Nothing proves them yet.
    pub beyond: u64,
    /// The sizes of checkpoints from before the start, which could not be compared.
    pub before_start: Vec<u64>,
}

impl Report {
    /// Returns whether all events up to the largest checkpoint are there and are those that were
    /// logged. Where the export has no such event, nothing is verified.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let is_proved = self.proved == Some(self.size) && self.start < self.size;
        self.findings.is_empty() && self.more == 0 && is_proved
    }
}
