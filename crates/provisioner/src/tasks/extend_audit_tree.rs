//! Adds numbered events to the tree over the audit log, and signs its checkpoints.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use metrics::gauge;
use tracing::{error, info, warn};

use crate::audit_log::{AuditLogError, AuditLogState, Checkpoints, Extended, Extender, LastState};
use crate::tasks::task::{NextRun, Task};

/// Adds numbered events to the tree over the audit log, and signs a checkpoint of it where a key is
/// configured. A tree or a log that contradicts itself, or an earlier checkpoint, stops both.
pub(crate) struct ExtendAuditTree {
    pub(crate) extender: Extender,
    /// None where no checkpoints are signed.
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) state: Arc<LastState>,
}

impl ExtendAuditTree {
    async fn extend_and_sign(&self) -> Result<Extended, AuditLogError> {
        let earlier = match &self.checkpoints {
            Some(checkpoints) => Some(checkpoints.earlier().await?),
            None => None,
        };
        let extended = self.extender.extend().await?;
        if let Extended::Tree { edge, .. } = &extended
            && let Some(checkpoints) = &self.checkpoints
            && let Some(earlier) = earlier
        {
            checkpoints.sign(edge, earlier).await?;
        }
        Ok(extended)
    }

    /// Notes what became of a run. A failure is logged when it is new.
    fn note(&self, state: AuditLogState) {
        let before = self.state.replace(state.clone());
        if before == state {
            return;
        }
        match (before, state) {
            (_, AuditLogState::Broken { reason }) => {
                error!(
                    reason,
                    "audit log is broken; nothing is added to its tree or signed"
                );
            }
            (AuditLogState::Broken { .. }, AuditLogState::Ok) => {
                info!("audit log is in order again");
            }
            _ => {}
        }
    }
}

impl Task for ExtendAuditTree {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            match Box::pin(self.extend_and_sign()).await {
                Ok(Extended::Tree { edge, is_behind }) => {
                    #[allow(clippy::cast_precision_loss, reason = "a metric is a float")]
                    gauge!("engine_roles_audit_tree_size").set(edge.size() as f64);
                    if is_behind {
                        self.note(AuditLogState::Behind);
                        return NextRun::Now;
                    }
                    self.note(AuditLogState::Ok);
                }
                Ok(Extended::ByAnother) => return NextRun::Now,
                Err(AuditLogError::Store(error)) if error.is_transient() => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "tree of the audit log could not be extended; this is tried again"
                    );
                    self.note(AuditLogState::Behind);
                }
                Err(error) => {
                    let reason = error.in_one_line();
                    self.note(AuditLogState::Broken { reason });
                }
            }
            NextRun::AfterInterval
        }
        .boxed()
    }
}
