//! Counts the live bindings that belong to other accounts.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::warn;

use crate::aws::{Gateway, OtherAccounts};
use crate::tasks::task::{ACCOUNT_POLL, NextRun, Task};

/// Counts the live bindings that belong to other accounts, for `/readyz` and for requests.
pub(crate) struct CountOtherAccounts {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) other_accounts: Arc<OtherAccounts>,
}

impl Task for CountOtherAccounts {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            let Some(here) = self.gateway.known_account() else {
                return NextRun::After(ACCOUNT_POLL);
            };
            if let Err(error) = self.other_accounts.count(&here).await {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "live bindings of other accounts could not be counted"
                );
            }
            NextRun::AfterInterval
        }
        .boxed()
    }
}
