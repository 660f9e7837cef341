//! The reconciler: takes leases on due bindings and converges them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine_roles_domain::audit::Cause;
use engine_roles_store::{Operation, Store};
use futures::FutureExt;
use futures::future::BoxFuture;
use metrics::gauge;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, info_span, warn};

use crate::convergence::{Converger, Knowledge};
use crate::moment::unix_seconds;
use crate::tasks::task::{NextRun, Task};

/// The reconciler counts as dead when it has not run for this long.
const DEAD_AFTER: Duration = Duration::from_mins(1);

/// When the reconciler last ran.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    last_run: Mutex<Option<Instant>>,
}

impl Liveness {
    fn note_run(&self) {
        let mut last = self.last_run.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Instant::now());
    }

    /// Returns whether the reconciler ran within the last minute.
    pub(crate) fn is_alive(&self) -> bool {
        let last = self.last_run.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|at| at.elapsed() < DEAD_AFTER)
    }
}

/// Converges due bindings when the heartbeat has found some: completes interrupted work, retries failed attempts, and checks active
/// bindings for drift.
pub(crate) struct Reconcile {
    pub(crate) store: Store,
    pub(crate) converger: Arc<Converger>,
    pub(crate) liveness: Arc<Liveness>,
    /// Limits how many bindings the reconciler of this replica converges at once. Requests are not
    /// limited by it.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) tasks: TaskTracker,
}

impl Task for Reconcile {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            self.liveness.note_run();
            gauge!("engine_roles_reconciler_last_run_timestamp_seconds").set(unix_seconds());
            let free = self.slots.available_permits();
            if free == 0 {
                return NextRun::AfterInterval;
            }
            let most = i64::try_from(free).unwrap_or(i64::MAX);
            let leases = match self.store.lease_due(most).await {
                Ok(leases) => leases,
                Err(error) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "due bindings could not be leased"
                    );
                    return NextRun::AfterInterval;
                }
            };
            let is_more_due = leases.len() == free;
            for lease in leases {
                let slot = Arc::clone(&self.slots).try_acquire_owned().ok();
                let converger = Arc::clone(&self.converger);
                let cluster = &lease.binding.cluster;
                let span = info_span!("work", %cluster, actor = "reconciler");
                let work = async move {
                    let cause = Cause::reconciler();
                    let (knowledge, operation) = (Knowledge::Recorded, Operation::Reconcile);
                    let lease = Box::new(lease);
                    Box::pin(converger.converge(lease, cause, knowledge, operation)).await;
                    drop(slot);
                };
                self.tasks.spawn(work.instrument(span));
            }
            if is_more_due {
                NextRun::Now
            } else {
                NextRun::AfterInterval
            }
        }
        .boxed()
    }
}
