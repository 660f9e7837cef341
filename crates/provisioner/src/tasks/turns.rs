//! Whose turn a sweep is.

use std::sync::Arc;
use std::time::Duration;

use engine_roles_domain::account::Scope;
use engine_roles_store::{Store, StoreError, Sweep};

use crate::aws::OtherAccounts;

/// Takes turns at sweeps of the whole account: one replica, once an interval.
pub(crate) struct SweepTurns {
    pub(crate) store: Store,
    pub(crate) other_accounts: Arc<OtherAccounts>,
}

impl SweepTurns {
    /// Takes the turn at a sweep, if it is due. Nobody has a turn while live bindings belong to
    /// another account, since what exists in this one may then be another installation's.
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
        // The last count may be an interval old.
        Ok(self.other_accounts.count(here).await? == 0)
    }
}
