//! Determines the AWS account in which the service works.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::{info, warn};

use crate::aws::Gateway;
use crate::backoff::full_jitter;
use crate::tasks::task::{NextRun, Task};

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_mins(1);

/// Asks STS for the account until it answers; a configured account needs no call.
pub(crate) struct FindAccount {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) attempts: AtomicU32,
}

impl Task for FindAccount {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            match self.gateway.account().await {
                Ok(scope) => {
                    let (account, partition) = (&scope.account, scope.partition);
                    info!(%account, %partition, "account of the service is known");
                    NextRun::Never
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
