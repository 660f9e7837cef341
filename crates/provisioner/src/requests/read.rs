//! Reads of bindings, of the audit log, and of the health of the service.

use std::sync::Arc;
use std::time::Duration;

use engine_roles_domain::account::{OtherAccount, Scope};
use engine_roles_domain::audit::{EventAction, SequencedEvent};
use engine_roles_domain::binding::{Binding, Generation, Verdict, verdict};
use engine_roles_domain::cluster::ClusterName;
use engine_roles_store::{
    AuditFilter, AuditPage, BindingFilter, Incarnation, ListPosition, Page, Store, StoreError,
};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::audit_log::AuditLogState;
use crate::aws::optional::OptionalFeature;
use crate::aws::recent::AwsHealth;
use crate::waiting::{News, Waiting, WorksOnIt};

/// The health of the database, as the background task that reads it twice a second last saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseHealth {
    /// The database answered within the last two seconds, and all migrations have run.
    Ready,
    /// The database answered, but some migrations of this release have not run.
    MigrationsPending,
    /// The database answered, but a newer release has changed its schema so that this one can't work.
    SchemaTooNew,
    /// The database answered, but accepts no writes.
    ReadOnly,
    /// The database refused the service's user or password.
    LoginRefused,
    /// The database user lacks a right that serving needs.
    NoRights,
    /// The database did not answer.
    Unreachable,
    /// The database answered, but longer than two seconds ago.
    Stale,
}

/// The health of the service.
#[derive(Debug)]
pub struct Health {
    /// Whether the database answers, and all migrations have run.
    pub database: DatabaseHealth,
    /// Whether the reconciler of this replica ran within the last minute, and its heartbeat is fresh:
    /// otherwise this replica starts no work.
    pub reconciler_alive: bool,
    /// Whether the service is about to stop, so that load balancers send no more requests.
    pub is_stopping: bool,
    /// Account and partition; none until they are configured or STS has returned them.
    pub scope: Option<Scope>,
    /// Whether AWS reported the configured account, or any where none is configured.
    pub configured_account: Result<(), OtherAccount>,
    /// The optional features that are off, each with the missing permission.
    pub missing: Vec<(OptionalFeature, String)>,
    /// How many live bindings belong to another account than the one in which this service works;
    /// none until they have been counted. Such bindings are not changed; while one exists, no role is
    /// provisioned.
    pub other_accounts: Option<i64>,
    /// How AWS answered the calls of this replica.
    pub aws: AwsHealth,
    /// The state of the tree over the audit log, as this replica last found it.
    pub audit_log: AuditLogState,
}

pub(crate) struct ReadRecords {
    pub(crate) store: Store,
    pub(crate) waiting: Arc<Waiting>,
    /// The greatest number of the audit log, as the heartbeat last read it.
    pub(crate) audit_head: Arc<watch::Sender<i64>>,
}

impl ReadRecords {
    /// Returns a cluster's newest binding. While its intent is pending, waits at most `wait` for the
    /// outcome.
    pub(crate) async fn get(
        &self,
        cluster: &ClusterName,
        wait: Duration,
    ) -> Result<Option<Binding>, StoreError> {
        let until = Instant::now() + wait;
        loop {
            let Some(mut binding) = self.store.latest(cluster).await? else {
                return Ok(None);
            };
            let mut subscription = None;
            while verdict(&binding, binding.generation) == Verdict::Pending {
                let subscription =
                    subscription.get_or_insert_with(|| self.waiting.subscribe(binding.id));
                match subscription.next(until, WorksOnIt::Anybody).await {
                    News::Recorded(current) => binding = (*current).clone(),
                    News::ReadAgain => break,
                    News::TimeUp => return Ok(Some(binding)),
                }
            }
            if verdict(&binding, binding.generation) != Verdict::Pending {
                return Ok(Some(binding));
            }
        }
    }

    pub(crate) async fn list(
        &self,
        filter: &BindingFilter,
        after: Option<&ListPosition>,
        limit: i64,
    ) -> Result<Page<Binding>, StoreError> {
        self.store.list(filter, after, limit).await
    }

    /// Returns events of the audit log in order. An event is included from about one second after it
    /// was written. While no event is selected but reads of the log, waits at most `wait` for another one:
    /// a watch reads the log itself, so that two watches would wake each other for ever.
    pub(crate) async fn audit(
        &self,
        filter: &AuditFilter,
        limit: i64,
        wait: Duration,
    ) -> Result<AuditPage, StoreError> {
        let until = Instant::now() + wait;
        let mut filter = filter.clone();
        let mut head = self.audit_head.subscribe();
        let mut reads = Vec::new();
        let mut left = limit;
        loop {
            let mut page = self.store.audit(&filter, left).await?;
            let examined = page.examined;
            filter.after = examined;
            let is_read = |event: &SequencedEvent| event.action == EventAction::LogRead;
            let has_news = !page.events.iter().all(is_read);
            left -= i64::try_from(page.events.len()).unwrap_or(left);
            reads.append(&mut page.events);
            let grown = head.wait_for(|head| *head > examined);
            if has_news || left == 0 || !self.waiting.until(until, grown).await {
                page.events = reads;
                return Ok(page);
            }
        }
    }

    pub(crate) async fn incarnations(
        &self,
        cluster: &ClusterName,
        before: Option<Generation>,
        limit: i64,
    ) -> Result<Page<Incarnation>, StoreError> {
        self.store.incarnations(cluster, before, limit).await
    }
}
