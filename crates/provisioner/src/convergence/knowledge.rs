//! What a worker knows about AWS beyond the record of its binding.

/// How often a worker observes again at once because of a surprise; then it backs off.
const MAX_SURPRISES: u32 = 2;

/// What a worker knows about AWS beyond the record of its binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// Nothing was ever sent for the binding, so nothing of it exists and nothing need be read.
    NothingSent,
    /// What is recorded may be used where IAM's reads lag behind.
    Recorded,
    /// An answer contradicted what was believed: AWS is read before anything else is sent.
    MustObserve {
        /// How often that happened under this intent.
        surprises: u32,
    },
    /// IAM answered that something of our name exists, and no read has shown it: it may be ours,
    /// made by a create of which we know nothing. AWS is read before anything else is sent.
    Unconfirmed {
        /// How often a surprise happened under this intent.
        surprises: u32,
    },
}

impl Knowledge {
    /// Something was sent for the binding.
    pub(crate) fn after_sending(self) -> Self {
        match self {
            Self::NothingSent => Self::Recorded,
            other => other,
        }
    }

    /// IAM answered a create with `EntityAlreadyExists`.
    pub(crate) fn after_already_exists(self) -> Self {
        Self::Unconfirmed {
            surprises: self.surprises(),
        }
    }

    /// AWS was read for a plan. `still_creates` says that the plan creates something, so that what
    /// IAM says exists may be what no read shows.
    pub(crate) fn after_planning(self, still_creates: bool) -> Self {
        match self {
            Self::Unconfirmed { surprises } if !still_creates => Self::MustObserve { surprises },
            other => other,
        }
    }

    /// An answer contradicted what was believed. Returns none when that happened too often to
    /// observe again at once.
    pub(crate) fn after_surprise(self) -> Option<Self> {
        let surprises = self.surprises() + 1;
        if surprises > MAX_SURPRISES {
            return None;
        }
        Some(match self {
            Self::Unconfirmed { .. } => Self::Unconfirmed { surprises },
            Self::NothingSent | Self::Recorded | Self::MustObserve { .. } => {
                Self::MustObserve { surprises }
            }
        })
    }

    /// Returns whether AWS has to be read, whatever is recorded.
    pub(crate) fn must_observe(self) -> bool {
        matches!(self, Self::MustObserve { .. } | Self::Unconfirmed { .. })
    }

    /// Returns whether something may exist at AWS that no read has shown.
    pub(crate) fn is_unconfirmed(self) -> bool {
        matches!(self, Self::Unconfirmed { .. })
    }

    fn surprises(self) -> u32 {
        match self {
            Self::NothingSent | Self::Recorded => 0,
            Self::MustObserve { surprises } | Self::Unconfirmed { surprises } => surprises,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Knowledge::{MustObserve, NothingSent, Recorded, Unconfirmed};

    #[test]
    fn nothing_sent_ends_with_the_first_call() {
        assert_eq!(NothingSent.after_sending(), Recorded);
        assert!(!Recorded.must_observe());
        let surprised = MustObserve { surprises: 1 };
        assert_eq!(surprised.after_sending(), surprised);
    }

    #[test]
    fn the_third_surprise_under_one_intent_is_not_observed_at_once() {
        let first = NothingSent.after_surprise().expect("the first");
        assert_eq!(first, MustObserve { surprises: 1 });
        let second = first.after_surprise().expect("the second");
        assert_eq!(second, MustObserve { surprises: 2 });
        assert_eq!(second.after_surprise(), None);
    }

    #[test]
    fn what_exists_stays_unconfirmed_until_a_read_leaves_nothing_to_create() {
        let unconfirmed = Recorded.after_already_exists();
        assert!(unconfirmed.is_unconfirmed() && unconfirmed.must_observe());
        let observed = unconfirmed.after_surprise().expect("the first");
        assert_eq!(observed, Unconfirmed { surprises: 1 });
        assert_eq!(observed.after_planning(true), observed);
        let confirmed = observed.after_planning(false);
        assert!(!confirmed.is_unconfirmed());
    }
}
