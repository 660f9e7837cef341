//! Reading: bindings, the audit log, and the health of the service.

use std::sync::Arc;
use std::time::Duration;

use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::{Binding, BindingId, SequencedEvent, State, Verdict, verdict};
use engine_roles_domain::cluster::ClusterName;
use engine_roles_store::{AuditFilter, BindingFilter, Page, Readiness, Store, StoreError};

use crate::aws::optional::OptionalFeature;
use crate::aws::recent::AwsHealth;
use crate::waiting::Waiting;

/// The health of the service.
#[derive(Debug)]
pub struct Health {
    /// Whether the database can serve, or why it does not answer.
    pub database: Result<Readiness, StoreError>,
    /// Whether the reconciler ran lately.
    pub reconciler_alive: bool,
    /// Account and partition, once they are known; until then AWS could not be asked.
    pub scope: Option<Scope>,
    /// Optional features that are off, each with the missing permission.
    pub missing: Vec<(OptionalFeature, String)>,
    /// How many live bindings belong to another account than the one in which this service works.
    /// They are left as they are, and nothing new is begun.
    pub other_accounts: i64,
    /// How AWS answered our own calls lately.
    pub aws: AwsHealth,
}

pub(crate) struct ReadRecords {
    pub(crate) store: Store,
    pub(crate) waiting: Arc<Waiting>,
}

impl ReadRecords {
    /// Returns a cluster's newest binding, after waiting at most `wait` while it is in progress.
    pub(crate) async fn get(
        &self,
        cluster: &ClusterName,
        wait: Duration,
    ) -> Result<Option<Binding>, StoreError> {
        let until = tokio::time::Instant::now() + wait;
        loop {
            let Some(binding) = self.store.latest(cluster).await? else {
                return Ok(None);
            };
            if verdict(&binding, binding.generation) != Verdict::Pending {
                return Ok(Some(binding));
            }
            let notify = self.waiting.on(binding.id);
            if !self.waiting.wait(notify.notified(), until).await {
                return Ok(Some(binding));
            }
        }
    }

    pub(crate) async fn list(
        &self,
        filter: &BindingFilter,
        after: Option<BindingId>,
        limit: i64,
    ) -> Result<Option<Page<Binding>>, StoreError> {
        self.store.list(filter, after, limit).await
    }

    pub(crate) async fn count_by_state(&self) -> Result<Vec<(State, i64)>, StoreError> {
        self.store.count_by_state().await
    }

    /// Returns events of the audit log in order, those written a moment ago included.
    pub(crate) async fn audit(
        &self,
        filter: &AuditFilter,
        limit: i64,
    ) -> Result<Vec<SequencedEvent>, StoreError> {
        self.store.sequence_audit().await?;
        self.store.audit(filter, limit).await
    }
}
