//! Confirms the AWS account in which the service works.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use engine_roles_domain::account::Scope;
use futures::FutureExt;
use futures::future::BoxFuture;
use metrics::gauge;
use tokio::sync::Mutex;
use tracing::{error, info, warn};

use crate::aws::{Gateway, OtherAccounts};
use crate::backoff::full_jitter;
use crate::tasks::task::{NextRun, Task};

const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Short, so that work goes on within seconds once the credentials are valid again.
const LAST_RETRY: Duration = Duration::from_secs(8);

/// Asks STS for the account of the present credentials: until it answers, and then at every interval.
pub(crate) struct ConfirmAccount {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) other_accounts: Arc<OtherAccounts>,
    pub(crate) attempts: AtomicU32,
    /// The account that was last confirmed.
    pub(crate) last: Mutex<Option<Scope>>,
}

impl Task for ConfirmAccount {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            if self.is_in_other_account() {
                // AWS accepts these credentials, so only this shows that they were corrected.
                self.gateway.renew_credentials().await;
            }
            match self.gateway.confirm_account_again().await {
                Ok(scope) => {
                    self.attempts.store(0, Ordering::Relaxed);
                    self.note(scope).await;
                    let is_other = self.is_in_other_account();
                    let value = f64::from(u8::from(is_other));
                    gauge!("engine_roles_aws_state", "state" => "other_account").set(value);
                    if is_other {
                        return NextRun::After(LAST_RETRY);
                    }
                    NextRun::AfterInterval
                }
                Err(error) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "account of the service could not be read from STS"
                    );
                    let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
                    NextRun::After(full_jitter(FIRST_RETRY, LAST_RETRY, attempt))
                }
            }
        }
        .boxed()
    }
}

impl ConfirmAccount {
    fn is_in_other_account(&self) -> bool {
        let has_others = self.other_accounts.last_count();
        has_others.is_some_and(|count| count > 0)
            || self.gateway.must_be_configured_account().is_err()
    }

    /// Logs a new account, and counts the bindings of other accounts anew.
    async fn note(&self, scope: Scope) {
        let mut last = self.last.lock().await;
        if last.as_ref() == Some(&scope) {
            return;
        }
        let (account, partition) = (&scope.account, scope.partition);
        info!(%account, %partition, "account of the service is known");
        if let Err(error) = self.gateway.must_be_configured_account() {
            error!(
                error = &error as &dyn std::error::Error,
                "credentials belong to another account than the configured one"
            );
        }
        match self.other_accounts.count(&scope).await {
            Ok(_) => *last = Some(scope),
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "live bindings of other accounts could not be counted"
            ),
        }
    }
}
