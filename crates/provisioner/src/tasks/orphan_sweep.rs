//! Searches AWS for resources with our path that no live binding accounts for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::{Binding, BindingId};
use engine_roles_iam::Listed;
use engine_roles_store::{FoundOrphan, Store, StoreError, Sweep};
use futures::FutureExt;
use futures::future::BoxFuture;
use metrics::gauge;
use tracing::{info, warn};

use crate::aws::optional::OptionalFeature;
use crate::aws::{Gateway, OptionalFeatures, Terms};
use crate::settings::OrphanMode;
use crate::tasks::task::{ACCOUNT_POLL, NextRun, Task};
use crate::tasks::turns::SweepTurns;

/// The most finished incarnations whose leftover resources one sweep removes.
const MOST_REMOVED: usize = 50;
/// How many names one SQL statement looks up.
const NAMES_PER_STATEMENT: usize = 500;
/// How long the sweep waits for the account's call budget. When the wait ends without
/// budget, the sweep ends, and the next sweep starts over.
const BUDGET_WAIT: Duration = Duration::from_mins(1);

/// Lists the resources with our path and compares them with the bindings. The sweep makes the
/// tombstone of a finished incarnation due when a resource of the incarnation is left, so that
/// convergence removes the resource. A resource without a record, an orphan, is only reported.
pub(crate) struct SweepOrphans {
    pub(crate) store: Store,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) optional: Arc<OptionalFeatures>,
    pub(crate) turns: Arc<SweepTurns>,
    pub(crate) mode: OrphanMode,
    /// How often the sweep runs.
    pub(crate) interval: Duration,
}

impl SweepOrphans {
    async fn sweep_when_due(&self, scope: &Scope) -> Result<(), StoreError> {
        if self
            .turns
            .take(Sweep::Orphans, self.interval, scope)
            .await?
        {
            Box::pin(self.sweep(scope)).await?;
        }
        Ok(())
    }

    async fn sweep(&self, scope: &Scope) -> Result<(), StoreError> {
        // AWS is listed before the bindings are read. An intent is recorded before anything is
        // created, so a listed resource that no binding accounts for can't belong to a provision in
        // progress.
        let path = self.store.namespace().path();
        let terms = Terms::sweep(&scope.account, BUDGET_WAIT);
        let listed = self.gateway.list_owned(&path, terms).await;
        self.optional
            .note(OptionalFeature::Orphans, listed.as_ref().map(drop));
        let Ok(listed) = listed else { return Ok(()) };
        let mut orphans = Vec::new();
        let mut finished = Vec::new();
        for chunk in listed.chunks(NAMES_PER_STATEMENT) {
            let names: Vec<String> = chunk.iter().map(|found| found.name.clone()).collect();
            let bindings = self.store.by_resource_name(&names).await?;
            let by_name: HashMap<String, &Binding> = bindings
                .iter()
                .map(|binding| (binding.resource_name().to_string(), binding))
                .collect();
            for found in chunk {
                match by_name.get(&found.name) {
                    None => orphans.push(found),
                    Some(binding) if !binding.is_live() => finished.push(binding.id),
                    Some(_) => {}
                }
            }
        }
        self.remove_leftovers(finished).await?;
        self.report(&orphans).await
    }

    async fn remove_leftovers(&self, mut finished: Vec<BindingId>) -> Result<(), StoreError> {
        finished.sort_unstable();
        finished.dedup();
        let count = finished.len();
        gauge!("engine_roles_orphans", "kind" => "leftover")
            .set(u32::try_from(count).unwrap_or(u32::MAX));
        finished.truncate(MOST_REMOVED);
        if finished.is_empty() || self.mode != OrphanMode::Remove {
            return Ok(());
        }
        info!(
            count,
            "leftover resources of finished incarnations found; they are removed"
        );
        self.store.make_due(&finished).await
    }

    async fn report(&self, orphans: &[&Listed]) -> Result<(), StoreError> {
        gauge!("engine_roles_orphans", "kind" => "unknown")
            .set(u32::try_from(orphans.len()).unwrap_or(u32::MAX));
        let found: Vec<FoundOrphan> = orphans
            .iter()
            .map(|found| FoundOrphan {
                kind: found.kind,
                name: found.name.clone(),
                arn: found.arn.clone(),
            })
            .collect();
        for name in self.store.report_orphans(&found).await? {
            warn!(
                name,
                "orphan found; no binding accounts for it, and it is not changed"
            );
        }
        Ok(())
    }
}

impl Task for SweepOrphans {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            if self.mode == OrphanMode::Off {
                return NextRun::Never;
            }
            let Some(scope) = self.gateway.own_account() else {
                return NextRun::After(ACCOUNT_POLL);
            };
            if !self.turns.can_be_decided() {
                return NextRun::After(ACCOUNT_POLL);
            }
            if let Err(error) = self.sweep_when_due(&scope).await {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "orphan sweep could not use the database"
                );
            }
            NextRun::AfterInterval
        }
        .boxed()
    }
}
