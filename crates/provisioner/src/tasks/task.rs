//! The shape of a background task, and how it is run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How often a task that needs the account checks whether it is known.
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
    /// Never: its work is done.
    Never,
}

/// Work that the service does by itself, again and again.
pub(crate) trait Task: Send + Sync + 'static {
    /// Does what there is to do now, and says when it is to be called again.
    fn run(&self) -> BoxFuture<'_, NextRun>;
}

/// A task in the list of all tasks.
pub(crate) struct Registration {
    pub(crate) task: Box<dyn Task>,
    pub(crate) interval: Duration,
    /// Notified when the task is to run before its interval has passed.
    pub(crate) wake_up: Arc<Notify>,
}

impl Registration {
    /// A task that runs once an interval.
    pub(crate) fn every(interval: Duration, task: impl Task) -> Self {
        Self {
            task: Box::new(task),
            interval,
            wake_up: Arc::default(),
        }
    }

    /// The same task, run also when `wake_up` is notified.
    pub(crate) fn woken_by(self, wake_up: Arc<Notify>) -> Self {
        Self { wake_up, ..self }
    }

    /// Runs the task until its work is done or the service stops.
    pub(crate) async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match self.task.run().await {
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

/// Tells a task's first run from the others.
#[derive(Debug, Default)]
pub(crate) struct FirstRun {
    is_over: AtomicBool,
}

impl FirstRun {
    /// Returns true the first time.
    pub(crate) fn take(&self) -> bool {
        !self.is_over.swap(true, Ordering::Relaxed)
    }
}
