//! The trait of background tasks, and the loop that runs one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How often a task that needs the account checks whether the account is known.
pub(crate) const ACCOUNT_POLL: Duration = Duration::from_millis(50);

/// When a task runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextRun {
    /// After its interval, or when it is woken.
    AfterInterval,
    /// After this long.
    After(Duration),
    /// At once: there is more to do.
    Now,
    /// Never: the task has finished its work or is switched off.
    Never,
}

/// Work that the service does repeatedly, without a request.
pub(crate) trait Task: Send + Sync + 'static {
    /// Does the work that is due, and returns when the task runs again.
    fn run(&self) -> BoxFuture<'_, NextRun>;
}

/// A task in the list of all tasks.
pub(crate) struct Registration {
    pub(crate) task: Box<dyn Task>,
    pub(crate) interval: Duration,
    /// A notification runs the task before its interval has passed.
    pub(crate) wake_up: Arc<Notify>,
    /// Whether a run is completed when the service stops. Other runs are interrupted: the next run
    /// does what they left undone.
    pub(crate) is_completed: bool,
}

impl Registration {
    /// Registers a task that runs once per interval.
    pub(crate) fn every(interval: Duration, task: impl Task) -> Self {
        Self {
            task: Box::new(task),
            interval,
            wake_up: Arc::default(),
            is_completed: false,
        }
    }

    /// Makes the task also run when `wake_up` is notified.
    pub(crate) fn woken_by(self, wake_up: Arc<Notify>) -> Self {
        Self { wake_up, ..self }
    }

    /// Makes a run be completed when the service stops, so that it loses nothing that it has taken.
    pub(crate) fn completed(self) -> Self {
        Self {
            is_completed: true,
            ..self
        }
    }

    /// Runs the task until it returns [`NextRun::Never`] or the service stops.
    pub(crate) async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let run = self.task.run();
            let next = if self.is_completed {
                Some(run.await)
            } else {
                stop.run_until_cancelled(run).await
            };
            let Some(next) = next else { return };
            let pause = match next {
                NextRun::AfterInterval => self.interval,
                NextRun::After(pause) => pause,
                NextRun::Now => continue,
                NextRun::Never => return,
            };
            tokio::select! {
                _ = timeout(pause, self.wake_up.notified()) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}

/// Distinguishes a task's first run from later ones.
#[derive(Debug, Default)]
pub(crate) struct FirstRun {
    is_over: AtomicBool,
}

impl FirstRun {
    /// Returns true on the first call only.
    pub(crate) fn take(&self) -> bool {
        !self.is_over.swap(true, Ordering::Relaxed)
    }
}
