//! Numbers the events of the audit log.

use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::warn;

use engine_roles_store::Store;

use crate::tasks::task::{NextRun, Task};

/// Numbers new events when the heartbeat has found some, so that reads of the audit log show them.
/// Readers don't wait for this task: an event is visible about a second after it was written.
pub(crate) struct SequenceAudit {
    pub(crate) store: Store,
}

impl Task for SequenceAudit {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            match self.store.sequence_audit().await {
                Ok(sequenced) if sequenced.more => NextRun::Now,
                Ok(_) => NextRun::AfterInterval,
                Err(error) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "audit events could not be numbered"
                    );
                    NextRun::AfterInterval
                }
            }
        }
        .boxed()
    }
}
