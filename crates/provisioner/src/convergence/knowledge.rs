//! What a worker knows about AWS beyond the record of its binding.

/// How many times a worker observes again at once after a contradiction. Then it backs off.
const MAX_CONTRADICTIONS: u32 = 2;

/// What a worker knows about AWS beyond the record of its binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// No call was ever sent for the binding, so no resource of it exists and AWS need not be read.
    NothingSent,
    /// The record may be used while IAM's reads lag behind our writes.
    Recorded,
    /// An answer contradicted what the worker assumed: it reads AWS before it sends another call.
    MustObserve {
        /// How many contradictions there were under this intent.
        contradictions: u32,
    },
    /// IAM answered that a resource with our name exists, and no read has found it. The resource
    /// may be ours, created by a call of which we have no record. The worker reads AWS before it
    /// sends another call.
    Unconfirmed {
        /// How many contradictions there were under this intent.
        contradictions: u32,
    },
}

impl Knowledge {
    /// Returns the knowledge after a call was sent for the binding.
    pub(crate) fn after_sending(self) -> Self {
        match self {
            Self::NothingSent => Self::Recorded,
            other => other,
        }
    }

    /// Returns the knowledge after IAM answered a create call with `EntityAlreadyExists`.
    pub(crate) fn after_already_exists(self) -> Self {
        Self::Unconfirmed {
            contradictions: self.contradictions(),
        }
    }

    /// Returns the knowledge after a plan was made from a read of AWS. If the plan creates a resource
    /// (`still_creates`), the read may not have found the resource that exists according to IAM.
    pub(crate) fn after_planning(self, still_creates: bool) -> Self {
        match self {
            Self::Unconfirmed { contradictions } if !still_creates => {
                Self::MustObserve { contradictions }
            }
            other => other,
        }
    }

    /// Returns the knowledge after an answer contradicted what the worker assumed; none when that
    /// happened too often to observe again at once.
    pub(crate) fn after_contradiction(self) -> Option<Self> {
        let contradictions = self.contradictions() + 1;
        if contradictions > MAX_CONTRADICTIONS {
            return None;
        }
        Some(match self {
            Self::Unconfirmed { .. } => Self::Unconfirmed { contradictions },
            Self::NothingSent | Self::Recorded | Self::MustObserve { .. } => {
                Self::MustObserve { contradictions }
            }
        })
    }

    /// Returns whether AWS must be read although the record is complete.
    pub(crate) fn must_observe(self) -> bool {
        matches!(self, Self::MustObserve { .. } | Self::Unconfirmed { .. })
    }

    /// Returns whether a resource may exist at AWS that no read has found.
    pub(crate) fn is_unconfirmed(self) -> bool {
        matches!(self, Self::Unconfirmed { .. })
    }

    fn contradictions(self) -> u32 {
        match self {
            Self::NothingSent | Self::Recorded => 0,
            Self::MustObserve { contradictions } | Self::Unconfirmed { contradictions } => {
                contradictions
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Knowledge::{MustObserve, NothingSent, Recorded, Unconfirmed};

    #[test]
    fn nothing_sent_becomes_recorded_with_the_first_call() {
        assert_eq!(NothingSent.after_sending(), Recorded);
        assert!(!Recorded.must_observe());
        let contradicted = MustObserve { contradictions: 1 };
        assert_eq!(contradicted.after_sending(), contradicted);
    }

    #[test]
    fn after_the_third_contradiction_under_one_intent_the_worker_does_not_observe_at_once() {
        let first = NothingSent.after_contradiction().expect("the first");
        assert_eq!(first, MustObserve { contradictions: 1 });
        let second = first.after_contradiction().expect("the second");
        assert_eq!(second, MustObserve { contradictions: 2 });
        assert_eq!(second.after_contradiction(), None);
    }

    #[test]
    fn an_existing_resource_stays_unconfirmed_until_a_read_leaves_nothing_to_create() {
        let unconfirmed = Recorded.after_already_exists();
        assert!(unconfirmed.is_unconfirmed() && unconfirmed.must_observe());
        let observed = unconfirmed.after_contradiction().expect("the first");
        assert_eq!(observed, Unconfirmed { contradictions: 1 });
        assert_eq!(observed.after_planning(true), observed);
        let confirmed = observed.after_planning(false);
        assert!(!confirmed.is_unconfirmed());
    }
}
