//! A stage of a plan, sent to IAM.

use std::time::Duration;

use engine_roles_domain::Step;
use engine_roles_iam::{Applied, ErrorKind, IamError};
use futures::future::join_all;
use tokio::time::Instant;

use crate::backoff::full_jitter;
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
        stage: &[Step],
        deadline: Instant,
    ) -> Vec<Result<Applied, IamError>> {
        join_all(stage.iter().map(|step| self.apply_step(step, deadline))).await
    }

    /// Sends a step, again where IAM answered that it could not now. What was not answered is
    /// never sent again blindly.
    async fn apply_step(&self, step: &Step, deadline: Instant) -> Result<Applied, IamError> {
        let mut tries = 0;
        loop {
            let result = self.iam.apply(step).await;
            tries += 1;
            let Err(error) = &result else { return result };
            if tries == TRIES || !may_pass(step, error.kind) || self.stop.is_cancelled() {
                return result;
            }
            let pause = full_jitter(FIRST_PAUSE, LONGEST_PAUSE, tries);
            if Instant::now() + pause + self.iam.call_timeout() > deadline {
                return result;
            }
            tokio::time::sleep(pause).await;
        }
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
