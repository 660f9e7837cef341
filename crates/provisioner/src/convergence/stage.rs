//! Sends a stage of a plan to AWS.

use std::time::Duration;

use engine_roles_domain::resources::{Applied, Stage, Step};
use engine_roles_iam::{ErrorKind, IamError};
use futures::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::aws::{Gateway, Terms};
use crate::backoff::full_jitter;

/// How many times one step is sent at most within one attempt.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// The answer to one step.
pub(crate) type Answer = Result<Applied, IamError>;

/// Sends the steps of a stage concurrently and waits for all answers. After `stop` is cancelled, no step
/// is retried.
pub(crate) async fn apply_stage(
    gateway: &Gateway,
    stage: &Stage,
    terms: Terms<'_>,
    stop: &CancellationToken,
) -> Vec<Answer> {
    let steps = stage.iter();
    join_all(steps.map(|step| apply_step(gateway, step, terms, stop))).await
}

/// Sends a step, and retries it when AWS answered that it can't apply the step now. A step without an
/// answer is not retried here, because it may have taken effect.
async fn apply_step(
    gateway: &Gateway,
    step: &Step,
    terms: Terms<'_>,
    service_stop: &CancellationToken,
) -> Answer {
    let mut tries = 0;
    loop {
        let answer = gateway.apply(step, terms).await;
        tries += 1;
        let Err(error) = &answer else { return answer };
        if error.is_not_sent()
            || tries == TRIES
            || !is_temporary(step, error.kind, tries)
            || service_stop.is_cancelled()
        {
            return answer;
        }
        let pause = full_jitter(FIRST_PAUSE, LONGEST_PAUSE, tries);
        if Instant::now() + pause > terms.until {
            return answer;
        }
        tokio::time::sleep(pause).await;
    }
}

// For some seconds after a role or profile was created, the next call may not find it.
fn is_temporary(step: &Step, kind: ErrorKind, tries: u32) -> bool {
    match kind {
        ErrorKind::Throttled | ErrorKind::Transient => true,
        // The credentials were renewed after the first refusal.
        ErrorKind::InvalidCredentials => tries == 1,
        ErrorKind::Absent => !step.creates() && !step.removes(),
        _ => false,
    }
}
