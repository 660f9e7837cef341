//! A bound on the work that one question about policies may take.

/// The most steps that one question takes. A step is about as much work as comparing two characters
/// of patterns; looking up a statement counts as several, and a reported grant as
/// [`STEPS_PER_GRANT`].
pub(crate) const MOST_STEPS: u64 = 200_000_000;

/// The policies are too large, or their patterns too intricate, to evaluate: the answer would take
/// more steps than the limit. A role within IAM's quotas takes a small part of it, unless its
/// policies were written to be hard to evaluate.
///
/// The number of steps depends on nothing but the documents, so the same documents always give the
/// same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too large to evaluate: this would take more than {limit} steps")]
#[non_exhaustive]
pub struct TooLarge {
    /// The number of steps after which the evaluation stopped.
    pub limit: u64,
}

/// The steps for a reported grant, which takes memory too.
pub(crate) const STEPS_PER_GRANT: usize = 1_000;

/// The steps for a look-up in a sorted list or map.
pub(crate) const STEPS_PER_LOOKUP: usize = 10;

/// Counts steps down to zero.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    left: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Budget {
        Budget { limit, left: limit }
    }

    /// Returns the number of steps that were taken.
    #[cfg(test)]
    pub(crate) fn used(&self) -> u64 {
        self.limit - self.left
    }

    pub(crate) fn unlimited() -> Budget {
        Budget::new(u64::MAX)
    }

    /// # Errors
    /// Returns an error if fewer steps are left.
    pub(crate) fn spend(&mut self, steps: usize) -> Result<(), TooLarge> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        let limit = self.limit;
        self.left = self.left.checked_sub(steps).ok_or(TooLarge { limit })?;
        Ok(())
    }
}
