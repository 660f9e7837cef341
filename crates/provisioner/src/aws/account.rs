//! The AWS account in which the service works: as configured, and as AWS reports it for the present
//! credentials.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine_roles_domain::account::{OtherAccount, Scope};
use engine_roles_iam::CallerError;
use futures::future::BoxFuture;
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

/// What reports an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reporter {
    /// STS, asked who the caller is.
    Sts,
    /// An ARN in an answer of IAM.
    Arn,
}

#[derive(Clone, Debug, Default)]
struct Reported {
    here: Option<Scope>,
    /// Whether the report is about the present credentials.
    is_current: bool,
    /// What each service last reported for the present credentials.
    by_sts: Option<Scope>,
    by_iam: Option<Scope>,
    /// When the credentials were last renewed.
    renewed_at: Option<Instant>,
    /// How often the access key had changed when this was last compared.
    key_changes: u64,
}

impl Reported {
    /// The credentials were renewed, so they may belong to another account now.
    fn forget(&mut self) {
        self.is_current = false;
        self.renewed_at = Some(Instant::now());
        self.by_sts = None;
        self.by_iam = None;
    }
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
        let reported = self.lock().here.clone();
        reported.or_else(|| self.configured.clone())
    }

    /// Checks that the last report is the configured account, and that STS and IAM report the same one.
    pub(crate) fn must_be_configured(&self) -> Result<(), OtherAccount> {
        let reported = self.lock();
        if let (Some(sts), Some(iam)) = (&reported.by_sts, &reported.by_iam)
            && sts != iam
        {
            return Err(OtherAccount::Contradictory {
                sts: sts.clone(),
                iam: iam.clone(),
            });
        }
        match (&self.configured, &reported.here) {
            (Some(configured), Some(now)) if configured != now => Err(OtherAccount::Configured {
                configured: configured.clone(),
                now: now.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Records what AWS reported in the answer to a call that began at `asked_at`. If the credentials
    /// were renewed since then, the report is about the ones before.
    pub(crate) fn report(&self, by: Reporter, scope: Scope, asked_at: Instant) {
        let mut reported = self.lock();
        let is_current = reported.renewed_at.is_none_or(|at| at < asked_at);
        if is_current {
            let last = match by {
                Reporter::Sts => &mut reported.by_sts,
                Reporter::Arn => &mut reported.by_iam,
            };
            *last = Some(scope.clone());
        }
        if is_current || !reported.is_current {
            reported.here = Some(scope);
            reported.is_current = is_current;
        }
    }

    /// The credentials were renewed, so they may belong to another account now.
    pub(crate) fn forget(&self) {
        self.lock().forget();
    }

    /// The SDK signs with another access key than at the last call of this function if the number of
    /// changes differs. The new key may belong to another account.
    pub(crate) fn forget_after_key_change(&self, changes: u64) {
        let mut reported = self.lock();
        if reported.key_changes != changes {
            reported.key_changes = changes;
            reported.forget();
        }
    }

    /// Returns the account of the present credentials. Asks with `ask` if AWS has not reported it for
    /// them yet.
    pub(crate) async fn confirmed<'a>(
        &self,
        ask: impl Fn() -> BoxFuture<'a, Result<Scope, CallerError>> + Send + Sync,
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
        let mut answer = self.ask(&ask).await;
        if answer.is_ok() && self.current().is_none() {
            // The question itself made the SDK renew the credentials.
            answer = self.ask(&ask).await;
        }
        match answer {
            Ok(scope) => Ok(scope),
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

    async fn ask<'a>(
        &self,
        ask: &(impl Fn() -> BoxFuture<'a, Result<Scope, CallerError>> + Send + Sync),
    ) -> Result<Scope, CallerError> {
        let asked_at = Instant::now();
        let scope = ask().await?;
        self.report(Reporter::Sts, scope.clone(), asked_at);
        Ok(scope)
    }

    fn current(&self) -> Option<Scope> {
        let reported = self.lock();
        reported.here.clone().filter(|_| reported.is_current)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Reported> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use engine_roles_domain::account::{AccountId, Partition};
    use futures::FutureExt;

    use super::*;

    fn scope(account: &str) -> Scope {
        Scope {
            account: AccountId::parse(account).expect("an account"),
            partition: Partition::Aws,
        }
    }

    /// A question that would never end.
    fn not_asked() -> BoxFuture<'static, Result<Scope, CallerError>> {
        std::future::pending().boxed()
    }

    #[tokio::test]
    async fn a_report_about_credentials_that_were_renewed_since_is_not_believed() {
        let (first, second) = (scope("111111111111"), scope("222222222222"));
        let account = WorkAccount::new(None);
        let asked_at = Instant::now();
        account.report(Reporter::Arn, first.clone(), asked_at);
        assert_eq!(account.confirmed(not_asked).await.ok(), Some(first.clone()));
        account.forget();
        // The answer to a call that began before the renewal.
        account.report(Reporter::Arn, first.clone(), asked_at);
        assert_eq!(account.current(), None);
        assert_eq!(account.known(), Some(first.clone()));
        let asked = account
            .confirmed(|| std::future::ready(Ok(second.clone())).boxed())
            .await;
        assert_eq!(asked.ok(), Some(second.clone()));
        // A late one does not replace a newer report.
        account.report(Reporter::Arn, first, asked_at);
        assert_eq!(account.confirmed(not_asked).await.ok(), Some(second));
    }

    #[tokio::test]
    async fn a_failed_question_is_not_repeated_at_once() {
        let account = WorkAccount::new(Some(scope("111111111111")));
        let failed = account.confirmed(|| std::future::ready(Err(CallerError::Unreadable)).boxed());
        assert!(failed.await.is_err());
        assert!(account.confirmed(not_asked).await.is_err());
        assert_eq!(account.known(), Some(scope("111111111111")));
        assert!(account.must_be_configured().is_ok());
        account.report(Reporter::Arn, scope("222222222222"), Instant::now());
        assert!(account.must_be_configured().is_err());
    }

    #[test]
    fn different_accounts_of_sts_and_iam_for_the_same_credentials_are_a_contradiction() {
        let (first, second) = (scope("111111111111"), scope("222222222222"));
        let account = WorkAccount::new(None);
        account.report(Reporter::Sts, first.clone(), Instant::now());
        assert_eq!(account.must_be_configured(), Ok(()));
        account.report(Reporter::Arn, second.clone(), Instant::now());
        let contradiction = Err(OtherAccount::Contradictory {
            sts: first,
            iam: second.clone(),
        });
        assert_eq!(account.must_be_configured(), contradiction);
        account.report(Reporter::Sts, second.clone(), Instant::now());
        assert_eq!(account.must_be_configured(), Ok(()));
        // Other credentials may belong to another account.
        account.forget();
        account.report(Reporter::Sts, scope("333333333333"), Instant::now());
        assert_eq!(account.must_be_configured(), Ok(()));
    }
}
