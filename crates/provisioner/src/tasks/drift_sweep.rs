//! The bulk drift sweep: checks all active bindings with one paged listing of the account. The
//! sweep makes the bindings with drift due; `convergence` checks and repairs each of these
//! bindings.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::lifecycle::Lifecycle;
use engine_roles_domain::binding::{Binding, BindingId, Generation};
use engine_roles_domain::cluster::Mode;
use engine_roles_domain::resources::{Desired, Observed, ObservedProfile, ObservedRole, drift};
use engine_roles_iam::{IamError, RolePage};
use engine_roles_store::{Store, StoreError, Sweep};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::aws::optional::OptionalFeature;
use crate::aws::{Gateway, OptionalFeatures, Terms};
use crate::backoff::full_jitter;
use crate::settings::DriftMode;
use crate::tasks::task::{ACCOUNT_POLL, NextRun, Task};
use crate::tasks::turns::SweepTurns;

/// How many times one page is requested before the sweep is given up until the next one.
const TRIES: u32 = 8;
/// How long a page waits for the account's call budget.
const BUDGET_WAIT: Duration = Duration::from_mins(1);

/// The listing does not contain the tags of every instance profile. Within about this time each such
/// profile is read separately once. A profile whose sweep did not run is read in the next round.
const ALL_TAGS_READ: Duration = Duration::from_hours(7 * 24);

/// Compares all active bindings with one listing of the account. When AWS denies the listing, each
/// binding is checked separately when it is due.
pub(crate) struct SweepDrift {
    pub(crate) store: Store,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) optional: Arc<OptionalFeatures>,
    pub(crate) turns: Arc<SweepTurns>,
    pub(crate) mode: DriftMode,
    /// How often each binding is checked. The sweep runs twice as often, so that it checks a binding
    /// before the binding is due for a separate check.
    pub(crate) check_interval: Duration,
    pub(crate) stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Findings {
    /// Bindings without drift.
    sound: Vec<(BindingId, Generation)>,
    /// Bindings that `convergence` must check separately.
    suspect: Vec<BindingId>,
}

impl SweepDrift {
    async fn sweep_when_due(&self, scope: &Scope) -> Result<(), StoreError> {
        let interval = self.check_interval / 2;
        if self.turns.take(Sweep::Drift, interval, scope).await? {
            Box::pin(self.sweep(scope)).await?;
        }
        Ok(())
    }

    async fn sweep(&self, scope: &Scope) -> Result<(), StoreError> {
        let now = self.store.now().await?;
        let mut findings = Findings::default();
        let mut after: Option<String> = None;
        let mut pages = 0;
        loop {
            let page = self.page(after.as_deref(), scope).await;
            self.optional
                .note(OptionalFeature::BulkSweep, page.as_ref().map(drop));
            let Ok(Some(page)) = page else { return Ok(()) };
            pages += 1;
            self.compare(&page, now, &mut findings).await?;
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let Findings { sound, mut suspect } = findings;
        self.store.verified(&sound, self.check_interval).await?;
        // A binding that is not in the listing has lost its resources, or was provisioned since.
        let found: Vec<BindingId> = sound.iter().map(|(id, _)| *id).collect();
        suspect.extend(self.store.active_except(&found).await?);
        suspect.sort_unstable();
        suspect.dedup();
        self.store.make_due(&suspect).await?;
        info!(
            pages,
            sound = sound.len(),
            suspect = suspect.len(),
            "drift sweep finished"
        );
        Ok(())
    }

    /// Reads a page, with retries. Returns none when the call budget or the attempts are used up, or
    /// the service stops.
    async fn page(&self, after: Option<&str>, scope: &Scope) -> Result<Option<RolePage>, IamError> {
        for attempt in 0..TRIES {
            if self.stop.is_cancelled() {
                return Ok(None);
            }
            let terms = Terms::sweep(&scope.account, BUDGET_WAIT);
            match self.gateway.role_page(after, terms).await {
                Ok(page) => return Ok(Some(page)),
                Err(error) if error.is_not_sent() => return Ok(None),
                Err(error) if error.kind.is_retryable() => {
                    let pause =
                        full_jitter(Duration::from_secs(1), Duration::from_secs(30), attempt);
                    debug!(
                        attempt,
                        "page of the account listing could not be read; the read is retried"
                    );
                    let _ = tokio::time::timeout(pause, self.stop.cancelled()).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn compare(
        &self,
        page: &RolePage,
        now: DateTime<Utc>,
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        let pause = self.check_interval / 2;
        let path = self.store.namespace().path();
        let under = |found: Option<&str>| found == Some(path.as_str());
        let roles: HashMap<&str, &ObservedRole> = page
            .roles
            .iter()
            .filter(|role| under(role.record.path.as_deref()))
            .map(|role| (role.record.name.as_str(), role))
            .collect();
        let profiles: HashMap<&str, &ObservedProfile> = page
            .profiles
            .iter()
            .filter(|profile| under(Some(&profile.path)))
            .map(|profile| (profile.record.name.as_str(), profile))
            .collect();
        let names: HashSet<&str> = roles.keys().chain(profiles.keys()).copied().collect();
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        for binding in self.store.by_resource_name(&names).await? {
            let name = binding.resource_name();
            let listed = Observed {
                role: roles.get(name.as_str()).map(|role| (*role).clone()),
                profile: profiles
                    .get(name.as_str())
                    .map(|profile| (*profile).clone()),
            };
            let has_tags = listed
                .profile
                .as_ref()
                .is_none_or(|profile| profile.tags.is_some());
            match judge(&binding, listed, now) {
                Judgement::Sound if !has_tags && is_its_turn(binding.id, now, pause) => {
                    findings.suspect.push(binding.id);
                }
                Judgement::Sound => findings.sound.push((binding.id, binding.generation)),
                Judgement::Suspect => findings.suspect.push(binding.id),
                Judgement::NotNow => {}
            }
        }
        Ok(())
    }
}

/// What the listing shows about a binding.
enum Judgement {
    /// AWS has what the applied spec requires.
    Sound,
    /// AWS differs from the applied spec, or drift is recorded.
    Suspect,
    /// The binding is not active, or was changed so recently that reads may be stale.
    NotNow,
}

fn judge(binding: &Binding, listed: Observed, now: DateTime<Utc>) -> Judgement {
    let is_active = matches!(binding.lifecycle, Lifecycle::Active { .. });
    if !is_active || !binding.consistency.trusts_reads(now).is_believed() {
        return Judgement::NotNow;
    }
    let role = listed.role.filter(|_| binding.mode() != Mode::PassThrough);
    let listed = Observed { role, ..listed };
    match Desired::of(binding) {
        Ok(desired) if binding.drift.is_empty() && drift(binding, &desired, &listed).is_empty() => {
            Judgement::Sound
        }
        Ok(_) => Judgement::Suspect,
        // The separate check of the binding logs the error.
        Err(_) => Judgement::NotNow,
    }
}

/// Returns whether this sweep has to read a binding separately although the listing shows no drift.
/// Sweeps run once per `pause`; the ids spread the bindings evenly over them.
fn is_its_turn(id: BindingId, now: DateTime<Utc>, pause: Duration) -> bool {
    let pause = pause.as_secs().max(1);
    let turns = ALL_TAGS_READ.as_secs().div_ceil(pause);
    let turn = u64::try_from(now.timestamp()).unwrap_or_default() / pause % turns;
    id.0.as_u128() % u128::from(turns) == u128::from(turn)
}

impl Task for SweepDrift {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            if self.mode == DriftMode::Off {
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
                    "drift sweep could not use the database"
                );
            }
            NextRun::AfterInterval
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_binding_is_read_separately_once_a_week() {
        let pause = Duration::from_mins(8);
        let sweeps = ALL_TAGS_READ.as_secs() / pause.as_secs();
        let start = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000);
        let at = |sweep: u64| {
            start + TimeDelta::from_std(pause).expect("short") * i32::try_from(sweep).expect("few")
        };
        let mut most = 0;
        let ids: Vec<BindingId> = (0..5_000).map(|_| BindingId(Uuid::now_v7())).collect();
        let mut turns = vec![0; ids.len()];
        for sweep in 0..sweeps {
            let mut now = 0;
            for (id, turns) in ids.iter().zip(&mut turns) {
                if is_its_turn(*id, at(sweep), pause) {
                    *turns += 1;
                    now += 1;
                }
            }
            most = most.max(now);
        }
        assert!(turns.iter().all(|turns| *turns == 1));
        // On average four of 5,000, so that a sweep needs only tens of calls.
        assert!(most < 25, "{most} in one sweep");
    }
}
