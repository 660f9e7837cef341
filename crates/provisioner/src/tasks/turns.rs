//! Which replica runs a sweep.

use std::sync::Arc;
use std::time::Duration;

use engine_roles_domain::account::Scope;
use engine_roles_store::{Store, StoreError, Sweep};

use crate::aws::OtherAccounts;

/// Decides which replica runs a sweep of the whole account: one replica, once per interval.
pub(crate) struct SweepTurns {
    pub(crate) store: Store,
    pub(crate) other_accounts: Arc<OtherAccounts>,
}

impl SweepTurns {
    /// Returns whether the service has worked so long that it can decide about a turn. The first sweep
    /// of an installation is due one interval after the first decision.
    pub(crate) fn can_be_decided(&self) -> bool {
        self.other_accounts.is_counted()
    }

    /// Returns whether this replica must run a sweep now. No replica runs one while live bindings
    /// belong to another account, because the resources in this account may then belong to another
    /// installation.
    pub(crate) async fn take(
        &self,
        sweep: Sweep,
        interval: Duration,
        here: &Scope,
    ) -> Result<bool, StoreError> {
        if !self.other_accounts.is_known_to_be_none() {
            return Ok(false);
        }
        if !self.store.take_turn(sweep, interval).await? {
            return Ok(false);
        }
        // The last count may be one interval old.
        Ok(self.other_accounts.count(here).await? == 0)
    }
}
