//! Whether what IAM shows, and what it does not show, can be believed yet.
//!
//! IAM's reads lag behind its writes for seconds, and a write of ours that was never answered may
//! still take effect. Both end one consistency window after the call.
//! Source: IAM user guide, "Changes that I make are not always immediately visible".

use chrono::{DateTime, Utc};

/// From when on IAM's answers about a binding can be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consistency {
    /// Until then reads may not show our last answered write.
    pub reads_consistent_at: Option<DateTime<Utc>>,
    /// Until then a write of ours that was not answered may still take effect.
    pub writes_resolved_at: Option<DateTime<Utc>>,
}

/// Whether something can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// It can be believed now.
    Believed,
    /// It can't be believed before this time.
    NotBefore(DateTime<Utc>),
}

impl Belief {
    /// Returns whether it can be believed now.
    pub fn is_believed(self) -> bool {
        self == Self::Believed
    }

    fn from(time: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        match time {
            Some(time) if time > now => Self::NotBefore(time),
            _ => Self::Believed,
        }
    }
}

/// What is known about a resource that should not exist any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// No answer of AWS ever named it: every create of ours that was answered made nothing.
    NeverObserved,
    /// It was made, and a read does not show it.
    NotFound,
    /// AWS answered our delete with success.
    Deleted,
    /// AWS answered our delete with `NoSuchEntity`, or denied a delete of something that a read
    /// does not show.
    DeleteFoundNothing,
    /// Something that is not ours exists under its name and stays there.
    LeftBehind,
    /// It still exists, as far as is known.
    Present,
}

impl Consistency {
    /// Returns whether what IAM shows can be trusted: reads show all our answered writes, and
    /// none of our writes can still take effect.
    pub fn trusts_reads(&self, now: DateTime<Utc>) -> Belief {
        Belief::from(self.reads_consistent_at.max(self.writes_resolved_at), now)
    }

    /// Returns whether none of our writes can still take effect.
    pub fn writes_resolved(&self, now: DateTime<Utc>) -> Belief {
        Belief::from(self.writes_resolved_at, now)
    }

    /// Returns whether it can be believed that a resource is absent. `self` is as it was before
    /// the calls that gave the evidence.
    ///
    /// | evidence | believed |
    /// |---|---|
    /// | deleted by an answered call | at once |
    /// | never observed | when no write can still take effect |
    /// | not found, delete found nothing, left behind | when reads can be trusted |
    /// | present | never: `NotBefore` the time at which it is worth another attempt |
    pub fn believes_absence(&self, evidence: Evidence, now: DateTime<Utc>) -> Belief {
        match evidence {
            Evidence::Deleted => Belief::Believed,
            Evidence::NeverObserved => self.writes_resolved(now),
            Evidence::NotFound | Evidence::DeleteFoundNothing | Evidence::LeftBehind => {
                self.trusts_reads(now)
            }
            Evidence::Present => Belief::NotBefore(match self.trusts_reads(now) {
                Belief::Believed => now,
                Belief::NotBefore(time) => time,
            }),
        }
    }

    /// Returns the times after an answered write.
    #[must_use]
    pub fn after_answered_write(self, consistent_at: DateTime<Utc>) -> Self {
        Self {
            reads_consistent_at: Some(consistent_at),
            ..self
        }
    }

    /// Returns the times after a write that was not answered, or that may have been sent by
    /// somebody whose lease was lost.
    #[must_use]
    pub fn after_unanswered_write(self, resolved_at: DateTime<Utc>) -> Self {
        Self {
            writes_resolved_at: self.writes_resolved_at.max(Some(resolved_at)),
            ..self
        }
    }
}
