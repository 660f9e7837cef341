//! The provisioner: what callers can ask of it.

use std::sync::Arc;
use std::time::Duration;

use engine_roles_domain::binding::{Actor, Binding, BindingId, SequencedEvent, State};
use engine_roles_domain::cluster::{ClusterName, RoleRequest};
use engine_roles_domain::grant::Placeholders;
use engine_roles_iam::{CallerError, Iam};
use engine_roles_store::{AuditFilter, BindingFilter, Orphan, Page, Store, StoreError};
use tracing::warn;

use crate::assembly::Parts;
use crate::aws::capabilities::Capabilities;
use crate::error::ProvisionerError;
use crate::requests::access::AccessReport;
use crate::requests::attestation::AttestedRole;
use crate::requests::documents::placeholders;
use crate::requests::follow::{Answer, Request};
use crate::requests::orphans::Resolution;
use crate::requests::plan::Preview;
use crate::requests::read::Health;
use crate::settings::Settings;

/// The application. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Provisioner {
    parts: Arc<Parts>,
}

impl Provisioner {
    /// Puts the application together. Nothing runs yet.
    pub fn new(store: Store, iam: Iam, settings: Settings) -> Self {
        Self {
            parts: Arc::new(Parts::assemble(store, iam, settings)),
        }
    }

    /// Starts the background tasks; they end with [`Provisioner::shut_down`].
    pub fn start(&self) {
        for task in self.parts.tasks() {
            self.parts.tasks.spawn(task.run(self.parts.stop.clone()));
        }
    }

    /// Starts no more work, lets what runs come to an end, and waits for that at most `limit`.
    /// What is still in progress then is found by its lease and completed by another replica or
    /// at the next start.
    pub async fn shut_down(&self, limit: Duration) {
        let Parts { tasks, stop, .. } = &*self.parts;
        stop.cancel();
        tasks.close();
        if tokio::time::timeout(limit, tasks.wait()).await.is_err() {
            let running = tasks.len();
            warn!(running, "work still in progress at the end of the shutdown");
        }
    }

    /// Provisions a cluster's role, or changes it to this spec, and waits as the request says.
    /// The work goes on whether or not the caller stays.
    ///
    /// # Errors
    /// When nothing was changed: the request is rejected, the database failed, or it is not known
    /// in which account the service works.
    pub async fn provision(
        &self,
        cluster: &ClusterName,
        wanted: &RoleRequest,
        request: &Request,
    ) -> Result<Answer, ProvisionerError> {
        self.parts
            .provision
            .provision(cluster, wanted, request)
            .await
    }

    /// Tears a cluster's role down, and waits as the request says. Asked again, it answers the
    /// same.
    ///
    /// # Errors
    /// When nothing was changed: the cluster never had a role, or the database failed.
    pub async fn tear_down(
        &self,
        cluster: &ClusterName,
        request: &Request,
    ) -> Result<Answer, ProvisionerError> {
        self.parts.teardown.tear_down(cluster, request).await
    }

    /// Returns what [`Provisioner::provision`] would do. Changes nothing.
    ///
    /// # Errors
    /// As [`Provisioner::provision`].
    pub async fn plan(
        &self,
        cluster: &ClusterName,
        wanted: &RoleRequest,
    ) -> Result<Preview, ProvisionerError> {
        self.parts.plan.plan(cluster, wanted).await
    }

    /// Reads the documents of a cluster's role and evaluates them; none where it never had one.
    ///
    /// # Errors
    /// When the cluster has no role now, or AWS or the database failed.
    pub async fn access(
        &self,
        cluster: &ClusterName,
    ) -> Result<Option<AccessReport>, ProvisionerError> {
        self.parts.access.access(cluster).await
    }

    /// Returns a cluster's newest binding, after waiting at most `wait` while it is in progress.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn get(
        &self,
        cluster: &ClusterName,
        wait: Duration,
    ) -> Result<Option<Binding>, StoreError> {
        self.parts.records.get(cluster, wait).await
    }

    /// Returns each cluster's newest binding, newest first; none where `after` is no binding.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(
        &self,
        filter: &BindingFilter,
        after: Option<BindingId>,
        limit: i64,
    ) -> Result<Option<Page<Binding>>, StoreError> {
        self.parts.records.list(filter, after, limit).await
    }

    /// Counts the bindings in each state.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_by_state(&self) -> Result<Vec<(State, i64)>, StoreError> {
        self.parts.records.count_by_state().await
    }

    /// Returns events of the audit log in order, those written a moment ago included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        limit: i64,
    ) -> Result<Vec<SequencedEvent>, StoreError> {
        self.parts.records.audit(filter, limit).await
    }

    /// Returns the health of the service.
    pub async fn health(&self) -> Health {
        let parts = &self.parts;
        Health {
            database: parts.store.readiness().await,
            reconciler_alive: parts.liveness.is_alive(),
            scope: parts.gateway.known_account().cloned(),
            missing: parts.optional.missing(),
            other_accounts: parts.other_accounts.last_count(),
            aws: parts.gateway.health(),
        }
    }

    /// Returns what this service's identity may do, found out without changing anything. What was
    /// detected is used for five minutes; what AWS allowed or denied in the course of work counts
    /// at once.
    ///
    /// # Errors
    /// When STS does not tell who we are.
    pub async fn capabilities(&self) -> Result<Capabilities, CallerError> {
        self.parts.detector.capabilities().await
    }

    /// Returns the administrator's roles, each with the verdict by what IAM last showed.
    ///
    /// # Errors
    /// When the database fails, or it is not known in which account the service works.
    pub async fn pass_through_roles(&self) -> Result<Vec<AttestedRole>, ProvisionerError> {
        self.parts.attestor.listed().await
    }

    /// Returns this service's own settings as values for the documents of `policies/`. AWS is not
    /// asked.
    pub fn placeholders(&self) -> Placeholders {
        let Parts {
            store,
            gateway,
            settings,
            detector,
            ..
        } = &*self.parts;
        placeholders(gateway, detector, &settings.defaults, store.namespace())
    }

    /// Returns the orphans that the last sweep found.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn orphans(&self) -> Result<Vec<Orphan>, StoreError> {
        self.parts.orphans.list().await
    }

    /// Adopts an orphan: records it as its cluster's live role, with the spec that its policy and
    /// tags show, and brings it to that spec.
    ///
    /// # Errors
    /// When it is not provably ours, a binding accounts for it, or something failed.
    pub async fn adopt_orphan(
        &self,
        name: &str,
        actor: Actor,
    ) -> Result<Binding, ProvisionerError> {
        let orphans = &self.parts.orphans;
        orphans.resolve(name, actor, Resolution::Adopt).await
    }

    /// Removes an orphan: records a tombstone for it, and removes what is provably its own.
    ///
    /// # Errors
    /// As [`Provisioner::adopt_orphan`].
    pub async fn remove_orphan(
        &self,
        name: &str,
        actor: Actor,
    ) -> Result<Binding, ProvisionerError> {
        let orphans = &self.parts.orphans;
        orphans.resolve(name, actor, Resolution::Remove).await
    }
}
