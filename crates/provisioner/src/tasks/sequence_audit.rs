//! Numbers the events of the audit log.

use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::warn;

use engine_roles_store::Store;

use crate::tasks::task::{NextRun, Task};

/// Numbers new events. Each read of the audit log numbers new events too, so that the read misses
/// none.
pub(crate) struct SequenceAudit {
    pub(crate) store: Store,
}

impl Task for SequenceAudit {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            if let Err(error) = self.store.sequence_audit().await {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "audit events could not be numbered"
                );
            }
            NextRun::AfterInterval
        }
        .boxed()
    }
}
