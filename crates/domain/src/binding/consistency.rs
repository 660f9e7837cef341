//! Whether IAM's answers about what exists and what does not exist can be believed yet.
//!
//! IAM's reads lag behind its writes for seconds, and a write of ours that was never answered may
//! still take effect. Both end one consistency window after the call.
//! Source: IAM user guide, "Changes that I make are not always immediately visible".

use chrono::{DateTime, Utc};

/// The times from which IAM's answers about a binding can be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consistency {
    /// Until this time reads may not show our last answered write. None before the
    /// first answer.
    pub reads_consistent_at: Option<DateTime<Utc>>,
    /// Until this time an unanswered write of ours may still take effect. None where every write
    /// was answered.
    pub writes_resolved_at: Option<DateTime<Utc>>,
}

/// Whether an observation can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// The observation can be believed now.
    Believed,
    /// The observation can't be believed before this time.
    NotBefore(DateTime<Utc>),
}

impl Belief {
    /// Returns whether the observation can be believed now.
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
    /// No answer of AWS ever named the resource: no create call of ours was answered with success.
    NeverObserved,
    /// The resource was created, and a read does not show it.
    NotFound,
    /// AWS answered our delete call with success.
    Deleted,
    /// AWS answered our delete call with `NoSuchEntity`, or denied the delete of a resource that a
    /// read does not show.
    DeleteFoundNothing,
    /// A resource that is not ours exists under the name, and we leave it.
    LeftBehind,
    /// The resource still exists, as far as we know.
    Present,
}

impl Consistency {
    /// Returns whether reads can be trusted: they show all our answered writes, and none of our
    /// writes can still take effect.
    pub fn trusts_reads(&self, now: DateTime<Utc>) -> Belief {
        Belief::from(self.reads_consistent_at.max(self.writes_resolved_at), now)
    }

    /// Returns whether none of our writes can still take effect.
    pub fn writes_resolved(&self, now: DateTime<Utc>) -> Belief {
        Belief::from(self.writes_resolved_at, now)
    }

    /// Returns whether a resource can be believed absent. `self` holds the times from before the
    /// calls that gave the evidence.
    ///
    /// | evidence | believed |
    /// |---|---|
    /// | deleted by an answered call | at once |
    /// | never observed | when no write can still take effect |
    /// | not found, delete found nothing, left behind | when reads can be trusted |
    /// | present | never: `NotBefore` has the time at which another attempt makes sense |
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

    /// Returns the times that hold after an answered write.
    #[must_use]
    pub fn after_answered_write(self, consistent_at: DateTime<Utc>) -> Self {
        Self {
            reads_consistent_at: Some(consistent_at),
            ..self
        }
    }

    /// Returns the times that hold after an unanswered write, or after a write that the holder of
    /// a lost lease may have sent.
    #[must_use]
    pub fn after_unanswered_write(self, resolved_at: DateTime<Utc>) -> Self {
        Self {
            writes_resolved_at: self.writes_resolved_at.max(Some(resolved_at)),
            ..self
        }
    }
}
