//! What an export shows of the table that `GET /v1/audit` reads, where that is not what was logged.

use std::{fmt, io};

use crate::audit_export::{Line, LongDetail, Shown};
use crate::print;

/// How many differences are printed.
const MOST_SHOWN: usize = 100;

/// The events of which the service shows something else than what was logged.
#[derive(Default)]
pub(super) struct Differences {
    first: Vec<Difference>,
    count: usize,
}

struct Difference {
    seq: u64,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Changed,
    Removed,
    DetailChanged,
    DetailMissing,
    DetailUnproved,
}

impl Differences {
    /// Keeps what a line has that is not as it was logged. An event with a digest in the place of its
    /// detail is proved by the tree; the digest then proves the detail.
    pub(super) fn compare(&mut self, line: &Line) {
        let is_shown = match &line.shown {
            Shown::Same => true,
            Shown::Other(Some(_)) => {
                self.add(line.seq, Kind::Changed);
                true
            }
            Shown::Other(None) => {
                self.add(line.seq, Kind::Removed);
                false
            }
        };
        match line.long_detail() {
            LongDetail::Changed => self.add(line.seq, Kind::DetailChanged),
            LongDetail::Missing if is_shown => self.add(line.seq, Kind::DetailMissing),
            LongDetail::Unproved => self.add(line.seq, Kind::DetailUnproved),
            LongDetail::Missing | LongDetail::None | LongDetail::Same => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Prints the first differences, and how many more there are.
    ///
    /// # Errors
    /// When standard output can't be written.
    pub(super) fn print(&self) -> io::Result<()> {
        for difference in &self.first {
            print::line(difference)?;
        }
        let rest = self.count - self.first.len();
        if rest > 0 {
            print::line(format_args!(
                "{rest} more differences in the table that GET /v1/audit reads"
            ))?;
        }
        Ok(())
    }

    fn add(&mut self, seq: u64, kind: Kind) {
        self.count += 1;
        if self.first.len() < MOST_SHOWN {
            self.first.push(Difference { seq, kind });
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seq = self.seq;
        match self.kind {
            Kind::Changed => {
                write!(
                    f,
                    "event {seq} was changed in the table that GET /v1/audit reads"
                )
            }
            Kind::Removed => {
                write!(
                    f,
                    "event {seq} was removed from the table that GET /v1/audit reads"
                )
            }
            Kind::DetailChanged => write!(
                f,
                "the detail of event {seq} was changed in the table that GET /v1/audit reads"
            ),
            Kind::DetailMissing => write!(f, "the detail of event {seq} is not in the export"),
            Kind::DetailUnproved => write!(
                f,
                "the line of event {seq} has a detail beside the event, which nothing proves"
            ),
        }
    }
}
