//! Reading: bindings, the audit log, and how the service is.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::{Binding, BindingId, SequencedEvent, State, Verdict, verdict};
use engine_roles_domain::cluster::ClusterName;
use engine_roles_store::{AuditFilter, BindingFilter, Page, Readiness, StoreError};

use crate::Provisioner;

/// How long the reconciler may be silent before it counts as dead.
const SILENCE: Duration = Duration::from_mins(1);

/// When the reconciler last went round.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    last_round: Mutex<Option<Instant>>,
}

impl Liveness {
    pub(crate) fn beat(&self) {
        *self
            .last_round
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_alive(&self) -> bool {
        let last = self
            .last_round
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        last.is_some_and(|at| at.elapsed() < SILENCE)
    }
}

/// How the service is.
#[derive(Debug)]
pub struct Health {
    /// What the database says.
    pub database: Result<Readiness, StoreError>,
    /// Whether the reconciler goes round.
    pub reconciler_alive: bool,
    /// Account and partition, once they are known; until then AWS could not be asked.
    pub scope: Option<Scope>,
    /// Extras that are off for want of a permission: extra and permission.
    pub missing: Vec<(&'static str, String)>,
    /// How many live bindings belong to another account than the one we work in; they are left
    /// alone, and nothing new is begun.
    pub elsewhere: i64,
}

impl Provisioner {
    /// A cluster's newest binding, after waiting at most `patience` while it is on its way.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn get(
        &self,
        cluster: &ClusterName,
        patience: Duration,
    ) -> Result<Option<Binding>, StoreError> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            let Some(binding) = self.inner.store.latest(cluster).await? else {
                return Ok(None);
            };
            if verdict(&binding, binding.generation) != Verdict::Pending {
                return Ok(Some(binding));
            }
            let notify = self.inner.waiting.on(binding.id);
            if !self.inner.wait(notify.notified(), until).await {
                return Ok(Some(binding));
            }
        }
    }

    /// Each cluster's newest binding, newest first; none where `after` is no binding.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(
        &self,
        filter: &BindingFilter,
        after: Option<BindingId>,
        limit: i64,
    ) -> Result<Option<Page<Binding>>, StoreError> {
        self.inner.store.list(filter, after, limit).await
    }

    /// How many bindings stand in each state.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_by_state(&self) -> Result<Vec<(State, i64)>, StoreError> {
        self.inner.store.count_by_state().await
    }

    /// Events of the audit log in order, those written a moment ago included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        limit: i64,
    ) -> Result<Vec<SequencedEvent>, StoreError> {
        self.inner.store.sequence_audit().await?;
        self.inner.store.audit(filter, limit).await
    }

    /// How the service is.
    pub async fn health(&self) -> Health {
        Health {
            database: self.inner.store.readiness().await,
            reconciler_alive: self.inner.liveness.is_alive(),
            scope: self.inner.scope.known().cloned(),
            missing: self.inner.upkeep.missing(),
            elsewhere: self.inner.upkeep.elsewhere(),
        }
    }
}
