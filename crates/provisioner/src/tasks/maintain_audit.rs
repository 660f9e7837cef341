//! Makes the partitions of the audit log, and deletes what is older than the retention.

use std::time::Duration;

use engine_roles_store::{Maintained, Store, StoreError, Sweep};
use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::{info, warn};

use crate::tasks::task::{NextRun, Task};

/// How often one replica does the work for all.
const INTERVAL: Duration = Duration::from_hours(1);

/// Makes the partitions of the audit log in advance. With a retention, also drops the partitions
/// whose events are all older, and deletes their entries of the tree (its hashes stay) and the finished
/// incarnations whose events are all deleted.
pub(crate) struct MaintainAudit {
    pub(crate) store: Store,
    /// How long events are kept; none to keep all.
    pub(crate) retention: Option<Duration>,
}

impl MaintainAudit {
    async fn maintain_when_due(&self) -> Result<(), StoreError> {
        if !self.store.take_turn(Sweep::AuditLog, INTERVAL).await? {
            return Ok(());
        }
        while let Some(done) = self.store.maintain_audit_partitions(self.retention).await? {
            match done {
                Maintained::Made => info!("partition of the audit log made"),
                Maintained::Closed => info!("partition of the audit log closed"),
                Maintained::Dropped => {
                    info!(
                        "partition of the audit log dropped; its events are older than the retention"
                    );
                }
            }
        }
        // Also without a retention: it may have been set before.
        while self.store.expire_audit_entries().await? > 0 {}
        let Some(retention) = self.retention else {
            return Ok(());
        };
        loop {
            let count = self.store.delete_expired_bindings(retention).await?;
            if count == 0 {
                return Ok(());
            }
            info!(
                count,
                "records of finished incarnations deleted; they are older than the retention"
            );
        }
    }
}

impl Task for MaintainAudit {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            if let Err(error) = self.maintain_when_due().await {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "audit log could not be maintained"
                );
            }
            NextRun::AfterInterval
        }
        .boxed()
    }
}
