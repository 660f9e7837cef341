//! The AWS account in which the service works: as configured, and as AWS reports it for the present
//! credentials.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine_roles_domain::account::{OtherAccount, Scope};
use engine_roles_iam::CallerError;
use tokio::sync::Mutex as AsyncMutex;

/// How long a failed question to STS is not repeated.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Why the account of the present credentials is not known.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the account of this service's credentials is not known: {reason}")]
pub struct NotConfirmed {
    reason: String,
}

/// The account that is configured, and the account that AWS last reported.
#[derive(Debug)]
pub(crate) struct WorkAccount {
    configured: Option<Scope>,
    reported: Mutex<Reported>,
    /// Held while STS is asked, so that concurrent questions are one call.
    asking: AsyncMutex<Option<(Instant, NotConfirmed)>>,
}

#[derive(Clone, Debug, Default)]
struct Reported {
    scope: Option<Scope>,
    /// Whether the report is about the present credentials.
    is_current: bool,
}

impl WorkAccount {
    pub(crate) fn new(configured: Option<Scope>) -> Self {
        Self {
            configured,
            reported: Mutex::default(),
            asking: AsyncMutex::default(),
        }
    }

    /// Returns the account that AWS last reported, or else the configured one.
    pub(crate) fn known(&self) -> Option<Scope> {
        let reported = self.lock().scope.clone();
        reported.or_else(|| self.configured.clone())
    }

    /// Checks that the last report is the configured account.
    pub(crate) fn must_be_configured(&self) -> Result<(), OtherAccount> {
        match (&self.configured, &self.lock().scope) {
            (Some(configured), Some(now)) if configured != now => Err(OtherAccount::Configured {
                configured: configured.clone(),
                now: now.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Records what AWS reported for the present credentials.
    pub(crate) fn report(&self, scope: Scope) {
        *self.lock() = Reported {
            scope: Some(scope),
            is_current: true,
        };
    }

    /// The credentials were renewed, so they may belong to another account now.
    pub(crate) fn forget(&self) {
        self.lock().is_current = false;
    }

    /// Returns the account of the present credentials. Asks with `ask` if AWS has not reported it for
    /// them yet.
    pub(crate) async fn confirmed(
        &self,
        ask: impl Future<Output = Result<Scope, CallerError>>,
    ) -> Result<Scope, NotConfirmed> {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let mut last_failure = self.asking.lock().await;
        if let Some(current) = self.current() {
            return Ok(current);
        }
        if let Some((at, failure)) = &*last_failure
            && at.elapsed() < PAUSE_AFTER_FAILURE
        {
            return Err(failure.clone());
        }
        match ask.await {
            Ok(scope) => {
                self.report(scope.clone());
                Ok(scope)
            }
            Err(error) => {
                let reason = match error {
                    CallerError::Call(error) => error.describe(),
                    unreadable @ CallerError::Unreadable => unreadable.to_string(),
                };
                let failure = NotConfirmed { reason };
                *last_failure = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    fn current(&self) -> Option<Scope> {
        let reported = self.lock();
        reported.scope.clone().filter(|_| reported.is_current)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Reported> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
