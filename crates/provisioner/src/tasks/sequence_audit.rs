//! Numbers the events of the audit log.

use std::error::Error;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tracing::warn;

use engine_roles_store::{Sequenced, Store, StoreError};

use crate::audit_log::LastState;
use crate::tasks::task::{NextRun, Task};

/// Numbers new events when the heartbeat has found some, so that reads of the audit log show them.
/// Readers don't wait for this task: an event is visible about a second after it was written.
pub(crate) struct SequenceAudit {
    pub(crate) store: Store,
    /// Notified when events were numbered, which belong into the tree then.
    pub(crate) tree_due: Arc<Notify>,
    pub(crate) state: Arc<LastState>,
}

impl SequenceAudit {
    async fn sequence(&self) -> Result<Sequenced, StoreError> {
        let sequenced = self.store.sequence_audit().await?;
        if sequenced.numbered > 0 {
            self.tree_due.notify_one();
        }
        Ok(sequenced)
    }
}

impl Task for SequenceAudit {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            let sequenced = self.sequence().await;
            let failure = sequenced
                .as_ref()
                .err()
                .filter(|error| !error.is_transient());
            self.state.note_numbering(failure.map(|error| {
                let cause = error.source().map(|cause| format!(": {cause}"));
                format!(
                    "events can't be numbered: {error}{}",
                    cause.unwrap_or_default()
                )
            }));
            match sequenced {
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
