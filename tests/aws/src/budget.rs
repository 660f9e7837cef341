//! The number of calls that a run may make.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::trouble::Trouble;

/// Counts the calls of a run. Once as many were made as the budget has, no rule makes another one;
/// removing what the run created is not limited.
#[derive(Debug)]
pub(crate) struct Budget {
    most: u64,
    used: AtomicU64,
}

impl Budget {
    pub(crate) fn new(most: u64) -> Self {
        Self {
            most,
            used: AtomicU64::new(0),
        }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Counts calls that were made or are about to be made, whatever the budget has.
    pub(crate) fn count(&self, calls: u64) {
        self.used.fetch_add(calls, Ordering::Relaxed);
    }

    /// Counts one call that is about to be made.
    ///
    /// # Errors
    /// [`Trouble::BudgetUsedUp`]; the call must not be made then.
    pub(crate) fn take(&self) -> Result<(), Trouble> {
        self.check()?;
        self.count(1);
        Ok(())
    }

    /// # Errors
    /// [`Trouble::BudgetUsedUp`].
    pub(crate) fn check(&self) -> Result<(), Trouble> {
        if self.used() >= self.most {
            return Err(Trouble::BudgetUsedUp(self.most));
        }
        Ok(())
    }
}
