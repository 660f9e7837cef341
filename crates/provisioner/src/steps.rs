//! A stage of a plan, sent to IAM.

use std::time::Duration;

use engine_roles_domain::account::AccountId;
use engine_roles_domain::resources::{Observed, Step};
use engine_roles_iam::{Applied, Depth, ErrorKind, IamError, Target};
use engine_roles_store::CallKind;
use futures::future::join_all;
use tokio::time::Instant;

use crate::backoff::full_jitter;
use crate::budget::Urgency;
use crate::service::Inner;

/// How often one step is sent within one attempt.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

impl Inner {
    /// Sends the steps of a stage side by side and waits for all of them. No call is begun that
    /// could end after `deadline`.
    pub(crate) async fn apply_stage(
        &self,
        account: &AccountId,
        stage: &[Step],
        deadline: Instant,
    ) -> Vec<Result<Applied, IamError>> {
        join_all(
            stage
                .iter()
                .map(|step| self.apply_step(account, step, deadline)),
        )
        .await
    }

    /// Sends a step, again where IAM answered that it could not now. What was not answered is
    /// never sent again blindly.
    async fn apply_step(
        &self,
        account: &AccountId,
        step: &Step,
        deadline: Instant,
    ) -> Result<Applied, IamError> {
        let latest = deadline
            .checked_sub(self.iam.call_timeout())
            .unwrap_or(deadline);
        let (write, urgency) = (CallKind::Write, Urgency::Interactive);
        let mut tries = 0;
        loop {
            if !self
                .budget
                .acquire(&self.store, account, write, 1, urgency, latest)
                .await
            {
                return Err(IamError::not_sent(step.action(), &step.target()));
            }
            let result = self.iam.apply(step).await;
            self.permissions.note_step(step, &result);
            tries += 1;
            let Err(error) = &result else { return result };
            if error.kind == ErrorKind::Throttled {
                self.budget.throttled(&self.store, account, write).await;
            }
            if tries == TRIES || !may_pass(step, error.kind) || self.stop.is_cancelled() {
                return result;
            }
            let pause = full_jitter(FIRST_PAUSE, LONGEST_PAUSE, tries);
            if Instant::now() + pause > latest {
                return result;
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Reads what is at AWS, within the budget.
    pub(crate) async fn observe(
        &self,
        account: &AccountId,
        target: &Target,
        depth: Depth,
        urgency: Urgency,
        deadline: Instant,
    ) -> Result<Observed, IamError> {
        let calls = u8::from(target.profile.is_some())
            + if target.role.is_some() {
                match depth {
                    Depth::Existence => 1,
                    Depth::Contents => 2,
                    Depth::Dependants => 5,
                }
            } else {
                0
            };
        let latest = deadline
            .checked_sub(self.iam.call_timeout())
            .unwrap_or(deadline);
        let read = CallKind::Read;
        if !self
            .budget
            .acquire(&self.store, account, read, calls, urgency, latest)
            .await
        {
            return Err(IamError::not_sent("GetRole", "what is there"));
        }
        let observed = self.iam.observe(target, depth).await;
        if observed
            .as_ref()
            .is_err_and(|error| error.kind == ErrorKind::Throttled)
        {
            self.budget.throttled(&self.store, account, read).await;
        }
        observed
    }
}

// A role or profile just made may not be there for the next call, for seconds.
fn may_pass(step: &Step, kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Throttled | ErrorKind::Transient => true,
        ErrorKind::Absent => !step.creates() && !step.removes(),
        _ => false,
    }
}
