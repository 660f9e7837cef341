//! The public interface of the provisioner.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_roles_domain::audit::Actor;
use engine_roles_domain::binding::{Binding, Generation, State};
use engine_roles_domain::cluster::{ClusterName, RoleRequest};
use engine_roles_domain::grant::Placeholders;
use engine_roles_iam::{CallerError, Iam, Identified, SignedLogin};
use engine_roles_store::{
    AuditFilter, AuditPage, BindingFilter, BudgetLevel, BudgetLimits, Incarnation, ListPosition,
    Orphan, Page, PoolUse, ReplicaId, ReplicaRecord, Store, StoreError,
};
use tokio::sync::watch;
use tracing::warn;

use crate::assembly::Parts;
use crate::audit_log::{AuditLogError, Consistency, Inclusion};
use crate::aws::LoginError;
use crate::aws::call_history::CallHistory;
use crate::aws::capabilities::Capabilities;
use crate::error::ProvisionerError;
use crate::heartbeat::KeysSeen;
use crate::requests::access::AccessReport;
use crate::requests::attestation::AttestedRole;
use crate::requests::documents::placeholders;
use crate::requests::follow::{Answer, Request};
use crate::requests::orphans::Resolution;
use crate::requests::plan::Preview;
use crate::requests::read::Health;
use crate::settings::Settings;

/// How long a command waits for its first heartbeat.
const FIRST_HEARTBEAT_LIMIT: Duration = Duration::from_secs(10);

/// The application. Clones are cheap and share all state.
#[derive(Clone)]
pub struct Provisioner {
    parts: Arc<Parts>,
}

impl Provisioner {
    /// Constructs the application. Starts nothing.
    pub fn new(store: Store, iam: Iam, settings: Settings) -> Self {
        Self {
            parts: Arc::new(Parts::assemble(store, iam, settings)),
        }
    }

    /// Starts the heartbeat and the background tasks; they end with [`Provisioner::shut_down`] and
    /// [`Provisioner::end_heartbeat`].
    ///
    /// # Errors
    /// When the operating system does not start the thread of the heartbeat.
    pub fn start(&self) -> std::io::Result<()> {
        self.parts.heartbeat.start()?;
        for task in self.parts.tasks() {
            self.parts.tasks.spawn(task.run(self.parts.stop.clone()));
        }
        Ok(())
    }

    /// Starts the tasks that read the database for [`Provisioner::health`] and for the metrics. The
    /// tasks end with [`Provisioner::shut_down`]. They run also while the database has no schema yet.
    pub fn start_readings(&self) {
        for task in self.parts.readings() {
            self.parts.tasks.spawn(task.run(self.parts.stop.clone()));
        }
    }

    /// Starts only the heartbeat, for a command that changes a role and runs no background tasks, and
    /// waits until the database has acknowledged a heartbeat. It ends with
    /// [`Provisioner::end_heartbeat`].
    ///
    /// # Errors
    /// When the database acknowledges no heartbeat within ten seconds.
    pub async fn start_heartbeat(&self) -> Result<(), ProvisionerError> {
        let heartbeat = &self.parts.heartbeat;
        heartbeat.start().map_err(ProvisionerError::Thread)?;
        if heartbeat
            .is_acknowledged_within(FIRST_HEARTBEAT_LIMIT)
            .await
        {
            Ok(())
        } else {
            Err(ProvisionerError::NoHeartbeat)
        }
    }

    /// Ends the heartbeat. Another replica takes over at once what this one has left. To be called
    /// last, because no call that changes AWS is made without a heartbeat.
    pub async fn end_heartbeat(&self) {
        self.parts.heartbeat.end().await;
    }

    /// Makes [`Provisioner::health`] report that the service is about to stop. Everything continues to
    /// work.
    pub fn announce_stop(&self) {
        self.parts.stop_announced.cancel();
    }

    /// Stops taking new work, and waits at most `limit` until the work in progress has finished. A
    /// binding that is still in progress then is due when the heartbeat has ended; another replica
    /// completes it, or this one after its next start.
    pub async fn shut_down(&self, limit: Duration) {
        let Parts { tasks, stop, .. } = &*self.parts;
        stop.cancel();
        tasks.close();
        if tokio::time::timeout(limit, tasks.wait()).await.is_err() {
            let running = tasks.len();
            warn!(running, "shutdown ended while work was still in progress");
        }
    }

    /// Provisions a cluster's role, or changes it to this spec, and waits for the outcome as long as
    /// the request allows. The work continues after the caller stops waiting.
    ///
    /// # Errors
    /// When the request was rejected, the database failed, or the account in which the service works
    /// is not known. Nothing was changed then.
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

    /// Tears a cluster's role down, and waits for the outcome as long as the request allows. A
    /// repeated call returns the same answer.
    ///
    /// # Errors
    /// When the cluster never had a role, or the database failed. Nothing was changed then.
    pub async fn tear_down(
        &self,
        cluster: &ClusterName,
        request: &Request,
    ) -> Result<Answer, ProvisionerError> {
        self.parts.teardown.tear_down(cluster, request).await
    }

    /// Returns what [`Provisioner::provision`] would do, and changes nothing.
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

    /// Reads the policy documents of a cluster's role and evaluates them. Returns none when the
    /// cluster never had a role.
    ///
    /// # Errors
    /// When the cluster has no role now, or AWS or the database failed.
    pub async fn access(
        &self,
        cluster: &ClusterName,
    ) -> Result<Option<AccessReport>, ProvisionerError> {
        self.parts.access.access(cluster).await
    }

    /// Returns a cluster's newest binding. While its intent is in progress, waits at most `wait` for
    /// the outcome.
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

    /// Returns a page of the bindings that the filter selects, in the order of the clusters' names.
    /// `after` is the position that came with the previous page.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(
        &self,
        filter: &BindingFilter,
        after: Option<&ListPosition>,
        limit: i64,
    ) -> Result<Page<Binding>, StoreError> {
        self.parts.records.list(filter, after, limit).await
    }

    /// Returns events of the audit log in order. An event is included from about one second after it
    /// was written. While no event is selected, waits at most `wait` for one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        limit: i64,
        wait: Duration,
    ) -> Result<AuditPage, StoreError> {
        self.parts.records.audit(filter, limit, wait).await
    }

    /// Returns the greatest number of the audit log; 0 for an empty log.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_head(&self) -> Result<i64, StoreError> {
        self.parts.records.store.audit_head().await
    }

    /// Returns the number of the last change of the API keys, as each heartbeat reads it; none before the
    /// first heartbeat.
    pub fn keys_seen(&self) -> watch::Receiver<Option<KeysSeen>> {
        self.parts.heartbeat.keys_seen.subscribe()
    }

    /// Returns the incarnations of a cluster's role, newest first, and only those older than a
    /// generation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn incarnations(
        &self,
        cluster: &ClusterName,
        before: Option<Generation>,
        limit: i64,
    ) -> Result<Page<Incarnation>, StoreError> {
        self.parts
            .records
            .incarnations(cluster, before, limit)
            .await
    }

    /// Returns the largest signed checkpoint of the audit log (C2SP tlog-checkpoint).
    ///
    /// # Errors
    /// When none was signed, or the database fails.
    pub async fn audit_checkpoint(&self) -> Result<String, AuditLogError> {
        self.parts.proofs.checkpoint().await
    }

    /// Proves that the event with this number is in the audit log. `size` is that of the tree to whose
    /// root the proof leads; by default, that of the signed checkpoint if it has the event.
    ///
    /// # Errors
    /// When the tree has no such event or size, or is damaged, or the database fails.
    pub async fn prove_inclusion(
        &self,
        seq: i64,
        size: Option<i64>,
    ) -> Result<Inclusion, AuditLogError> {
        self.parts.proofs.inclusion(seq, size).await
    }

    /// Proves that the audit log with `to` events extends the one with `from` events.
    ///
    /// # Errors
    /// When the tree has no such sizes, or is damaged, or the database fails.
    pub async fn prove_consistency(
        &self,
        from: i64,
        to: i64,
    ) -> Result<Consistency, AuditLogError> {
        self.parts.proofs.consistency(from, to).await
    }

    /// Returns the bytes of a tile or of a bundle of entries (C2SP tlog-tiles); `path` begins with
    /// `tile/`. None where the path names none or the tree does not have it.
    ///
    /// # Errors
    /// When the tree is damaged, or the database fails.
    pub async fn audit_tile(&self, path: &str) -> Result<Option<Vec<u8>>, AuditLogError> {
        self.parts.proofs.tile(path).await
    }

    /// Returns the health of the service from what is known, without asking the database or AWS.
    pub fn health(&self) -> Health {
        let parts = &self.parts;
        Health {
            database: parts.readiness.at(Instant::now()),
            reconciler_alive: parts.liveness.is_alive() && parts.store.current_replica().is_some(),
            is_stopping: parts.stop_announced.is_cancelled(),
            scope: parts.gateway.known_account(),
            configured_account: parts.gateway.must_be_configured_account(),
            missing: parts.optional.missing(),
            other_accounts: parts
                .gateway
                .known_account()
                .and_then(|here| parts.other_accounts.count_for(&here)),
            aws: parts.gateway.health(),
            audit_log: parts.audit_log.get(),
        }
    }

    /// Returns the calls to IAM that this replica made in the last hour, without asking the database.
    pub fn call_history(&self) -> CallHistory {
        self.parts.gateway.recent.calls.history()
    }

    /// Returns the limits of the call budget, and what its buckets hold; no buckets while the account is
    /// not known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn call_budget(&self) -> Result<(BudgetLimits, Vec<BudgetLevel>), StoreError> {
        let limits = self.parts.settings.call_limits;
        let levels = match self.parts.gateway.known_account() {
            Some(here) => {
                self.parts
                    .store
                    .budget_levels(&here.account, limits)
                    .await?
            }
            None => Vec::new(),
        };
        Ok((limits, levels))
    }

    /// Returns the replicas of the installation, and which of them this one is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn replicas(&self) -> Result<(Vec<ReplicaRecord>, Option<ReplicaId>), StoreError> {
        let store = &self.parts.store;
        Ok((store.replicas().await?, store.current_replica()))
    }

    /// Counts the bindings in each state, tombstones of earlier incarnations included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_by_state(&self) -> Result<Vec<(State, i64)>, StoreError> {
        self.parts.store.count_by_state().await
    }

    /// Returns how the connections to the database are used.
    pub fn database_connections(&self) -> PoolUse {
        self.parts.store.pool_use()
    }

    /// Detects what this service's identity may do, without changing anything. A detection is reused
    /// for five minutes; a permission that AWS allowed or denied in an ordinary call since then takes
    /// precedence at once.
    ///
    /// # Errors
    /// When STS does not return this service's identity and no account is configured.
    pub async fn capabilities(&self) -> Result<Capabilities, CallerError> {
        self.parts.detector.capabilities().await
    }

    /// Returns how many seconds this machine's clock was ahead of AWS's at the last answer of AWS; negative
    /// where it was behind, none before the first answer.
    pub fn clock_ahead(&self) -> Option<i64> {
        self.parts.gateway.clock_ahead()
    }

    /// Returns the region to whose STS this service sends its own calls.
    pub fn sts_region(&self) -> &str {
        self.parts.gateway.sts_region()
    }

    /// Asks STS who has signed a request for a login.
    ///
    /// # Errors
    /// When too many callers log in, STS rejects the signature or does not answer, or the identity is of a
    /// kind that can't log in.
    pub async fn identify(&self, login: &SignedLogin) -> Result<Identified, LoginError> {
        Box::pin(self.parts.gateway.identify(login)).await
    }

    /// Returns the pass-through roles that the administrator listed, each with the verdict that
    /// follows from the last read of IAM.
    ///
    /// # Errors
    /// When the database fails, or the account in which the service works is not known.
    pub async fn pass_through_roles(&self) -> Result<Vec<AttestedRole>, ProvisionerError> {
        self.parts.attestor.listed().await
    }

    /// Returns this service's settings as values for the templates in `policies/`. Makes no call to
    /// AWS.
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

    /// Adopts an orphan: records it as its cluster's live role, with the spec derived from its policy
    /// and tags, and converges it to that spec.
    ///
    /// # Errors
    /// When path, name and tags do not prove that the resource is ours, a binding accounts for it, or
    /// AWS or the database failed.
    pub async fn adopt_orphan(
        &self,
        name: &str,
        actor: Actor,
    ) -> Result<Binding, ProvisionerError> {
        let orphans = &self.parts.orphans;
        orphans.resolve(name, actor, Resolution::Adopt).await
    }

    /// Removes an orphan: records a tombstone for it, and removes the resources that its path, name
    /// and tags prove to be ours.
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
