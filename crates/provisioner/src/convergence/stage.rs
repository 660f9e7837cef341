//! A stage of a plan, sent to AWS.

use std::time::Duration;

use engine_roles_domain::resources::{Applied, Stage, Step};
use engine_roles_iam::{ErrorKind, IamError};
use futures::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::aws::{Gateway, Terms};
use crate::backoff::full_jitter;

/// How often one step is sent within one attempt.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// How AWS answered one step.
pub(crate) type Answer = Result<Applied, IamError>;

/// Sends the steps of a stage side by side and waits for all of them. Once `stop` is cancelled, no
/// step is sent again.
pub(crate) async fn apply_stage(
    gateway: &Gateway,
    stage: &Stage,
    terms: Terms<'_>,
    stop: &CancellationToken,
) -> Vec<Answer> {
    let steps = stage.iter();
    join_all(steps.map(|step| apply_step(gateway, step, terms, stop))).await
}

/// Sends a step, and again where AWS answered that it can't do it now. A step that was not
/// answered is never sent again blindly.
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
            || !may_pass(step, error.kind)
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

// A role or profile just created may not exist for the next call, for seconds.
fn may_pass(step: &Step, kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Throttled | ErrorKind::Transient => true,
        ErrorKind::Absent => !step.creates() && !step.removes(),
        _ => false,
    }
}
