//! Attests the pass-through roles once per interval.

use std::sync::Arc;
use std::time::Duration;

use engine_roles_domain::account::Scope;
use engine_roles_domain::prepared::Fitness;
use engine_roles_store::{StoreError, Sweep};
use futures::FutureExt;
use futures::future::BoxFuture;
use metrics::gauge;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::aws::{Gateway, Terms};
use crate::requests::attestation::Attestor;
use crate::tasks::task::{ACCOUNT_POLL, FirstRun, NextRun, Task};
use crate::tasks::turns::SweepTurns;

/// How long the task waits for the account's call budget before it postpones the rest of the roles to
/// its next run.
const BUDGET_WAIT: Duration = Duration::from_mins(1);

/// Reads the pass-through roles from IAM: every replica once after its start, then one replica for
/// all, once per interval.
pub(crate) struct AttestPreparedRoles {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) attestor: Arc<Attestor>,
    pub(crate) turns: Arc<SweepTurns>,
    /// How often the roles are attested.
    pub(crate) interval: Duration,
    pub(crate) first_run: FirstRun,
    pub(crate) stop: CancellationToken,
}

impl AttestPreparedRoles {
    async fn attest_when_due(&self, scope: &Scope) -> Result<(), StoreError> {
        let is_due = self.first_run.take()
            || self
                .turns
                .take(Sweep::Attestation, self.interval, scope)
                .await?;
        if !is_due {
            return Ok(());
        }
        let listed = self.attestor.defaults.listed_roles();
        let mut verdicts = Vec::with_capacity(listed.len());
        for entry in &listed {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            let terms = Terms::sweep(&scope.account, BUDGET_WAIT);
            let Some(verdict) = self.attestor.attest_again(entry, scope, terms).await? else {
                info!("attestation of pass-through roles postponed; the call budget is used up");
                return Ok(());
            };
            verdicts.push(verdict);
        }
        for fitness in Fitness::ALL {
            let found = verdicts.iter().filter(|verdict| **verdict == fitness);
            let count = u32::try_from(found.count()).unwrap_or(u32::MAX);
            gauge!("engine_roles_pass_through_roles", "verdict" => fitness.as_str()).set(count);
        }
        info!(roles = listed.len(), "pass-through roles attested");
        Ok(())
    }
}

impl Task for AttestPreparedRoles {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            if !self.attestor.is_on() {
                info!("attestation of pass-through roles is off");
                return NextRun::Never;
            }
            let Some(scope) = self.gateway.own_account() else {
                return NextRun::After(ACCOUNT_POLL);
            };
            if let Err(error) = Box::pin(self.attest_when_due(&scope)).await {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "attestation of pass-through roles could not be recorded"
                );
            }
            NextRun::AfterInterval
        }
        .boxed()
    }
}
