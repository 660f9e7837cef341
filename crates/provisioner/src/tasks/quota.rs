//! Reads the account's quotas.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::info;

use crate::aws::{AccountQuota, Gateway, OtherAccounts, Terms};
use crate::tasks::task::{ACCOUNT_POLL, FirstRun, NextRun, Task};

/// How long the task waits for the account's call budget.
const BUDGET_WAIT: Duration = Duration::from_mins(1);

/// Reads the account's quotas, so that a request can be rejected before a provision begins when a
/// quota is used up.
pub(crate) struct ReadQuota {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) quota: Arc<AccountQuota>,
    pub(crate) other_accounts: Arc<OtherAccounts>,
    pub(crate) first_run: FirstRun,
}

impl Task for ReadQuota {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            let Some(scope) = self.gateway.own_account() else {
                return NextRun::After(ACCOUNT_POLL);
            };
            if self
                .other_accounts
                .last_count()
                .is_some_and(|count| count > 0)
            {
                return NextRun::AfterInterval;
            }
            let usage = self
                .quota
                .read(Terms::sweep(&scope.account, BUDGET_WAIT))
                .await;
            if self.first_run.take() {
                let is_known = usage.is_some();
                info!(is_known, "account quota read for the first time");
            }
            NextRun::AfterInterval
        }
        .boxed()
    }
}
