//! Waiting until nothing is in progress for a cluster.

use std::time::Duration;

use clap::Args;
use engine_roles_client::{Answer, ClusterRole};
use engine_roles_contract::{Binding, State};
use tokio::time::{Instant, sleep};

use super::connection::Session;
use super::failure::Failure;
use super::progress;

/// The longest that the service waits before it answers a change.
const LONGEST_CHANGE: Duration = Duration::from_mins(2);
/// The longest that one read waits: a shorter wait notices sooner that a connection was lost.
const LONGEST_READ: Duration = Duration::from_mins(1);
/// The pause before a read is sent again that came back early or failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The flags of a change that say how long the command waits.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct WaitArgs {
    /// How long to wait for the outcome, such as `90s` or `5m`; the work goes on afterwards
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = crate::values::duration)]
    wait: Duration,
    /// Do not wait: exit with 4 if the work is not done at once
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
}

impl WaitArgs {
    /// Returns how long to wait; none for not at all.
    pub(super) fn limit(self) -> Option<Duration> {
        (!self.no_wait).then_some(self.wait)
    }
}

/// The time in which an outcome is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    began: Instant,
    limit: Duration,
}

impl Deadline {
    pub(super) fn after(limit: Duration) -> Self {
        let began = Instant::now();
        Self { began, limit }
    }

    /// Returns how long a change that is sent now may wait; none once the time is over.
    pub(super) fn wait_of_change(self) -> Option<Duration> {
        Some(self.left()?.min(LONGEST_CHANGE))
    }

    /// Returns how long a read that is sent now may wait; none once the time is over.
    fn wait_of_read(self) -> Option<Duration> {
        Some(self.left()?.min(LONGEST_READ))
    }

    /// Returns the rest of the time; none once it is over.
    pub(super) fn left(self) -> Option<Duration> {
        let left = self.limit.saturating_sub(self.began.elapsed());
        (!left.is_zero()).then_some(left)
    }

    pub(super) fn began(self) -> Instant {
        self.began
    }
}

/// Returns whether the service works on the cluster's role.
pub(super) fn is_in_progress(answer: &Answer<Binding>) -> bool {
    let state = answer.body.state.known();
    answer.is_pending() || matches!(state, Some(State::Provisioning | State::Deleting))
}

/// Reads the binding until nothing is in progress or the time is over, and returns what was read last.
/// A service that does not answer is asked again: its work goes on.
///
/// # Errors
/// When the last read failed, or a read failed that would fail again.
pub(super) async fn until_settled(
    session: &Session,
    role: &ClusterRole<'_>,
    text: &str,
    mut last: Result<Answer<Binding>, Failure>,
    deadline: Deadline,
) -> Result<Answer<Binding>, Failure> {
    loop {
        let is_over = match &last {
            Ok(answer) => !is_in_progress(answer),
            Err(failure) => !failure.is_temporary(),
        };
        let Some(wait) = deadline.wait_of_read().filter(|_| !is_over) else {
            return last;
        };
        let asked = Instant::now();
        let reading = async {
            let read = role.clone().wait(wait).get().await;
            let is_early = read.as_ref().map_or(true, is_in_progress) && asked.elapsed() < PAUSE;
            if is_early {
                sleep(PAUSE.min(wait)).await;
            }
            read
        };
        let read = progress::during(session.screen, text, deadline.began(), reading).await;
        last = read.map_err(Failure::from);
    }
}
