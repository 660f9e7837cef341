//! Whether live bindings belong to another account than the one in which this service works.

use std::sync::{Mutex, PoisonError};

use engine_roles_domain::account::{OtherAccount, Scope};
use engine_roles_domain::binding::Rejection;
use engine_roles_store::{Store, StoreError};

use crate::error::ProvisionerError;

/// Counts the live bindings of other accounts. This process records none, so a count stays valid until
/// another replica or an operator changes a binding.
pub(crate) struct OtherAccounts {
    store: Store,
    /// The last count, and for which account; none before the bindings were ever counted.
    counted: Mutex<Option<(Scope, i64)>>,
}

impl OtherAccounts {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            counted: Mutex::default(),
        }
    }

    /// Returns the last count; none before the bindings were ever counted.
    pub(crate) fn last_count(&self) -> Option<i64> {
        self.counted().map(|(_, count)| count)
    }

    /// Returns the last count if it was made for this account.
    pub(crate) fn count_for(&self, here: &Scope) -> Option<i64> {
        let counted = self.counted().filter(|(account, _)| account == here);
        counted.map(|(_, count)| count)
    }

    /// Returns whether the bindings were ever counted.
    pub(crate) fn is_counted(&self) -> bool {
        self.counted().is_some()
    }

    /// Returns whether the bindings were counted and the last count was 0.
    pub(crate) fn is_known_to_be_none(&self) -> bool {
        self.last_count() == Some(0)
    }

    /// Counts the bindings again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn count(&self, here: &Scope) -> Result<i64, StoreError> {
        let count = self.store.count_of_other_accounts(here).await?;
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some((here.clone(), count));
        Ok(count)
    }

    /// Checks that no live binding belonged to another account at the last count.
    ///
    /// # Errors
    /// When a binding did, or the database does not answer.
    pub(crate) async fn must_have_none(&self, here: &Scope) -> Result<(), ProvisionerError> {
        let count = match self.counted() {
            Some((account, count)) if account == *here => count,
            _ => self.count(here).await?,
        };
        if count == 0 {
            return Ok(());
        }
        let now = here.clone();
        Err(Rejection::from(OtherAccount::Namespace { now }).into())
    }

    fn counted(&self) -> Option<(Scope, i64)> {
        let counted = self.counted.lock();
        counted.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
