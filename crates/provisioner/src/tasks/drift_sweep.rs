//! The bulk drift sweep: one paged listing of the account checks all active bindings. It finds
//! which ones differ and makes them due; `convergence` checks and repairs them.

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
use crate::tasks::task::{NextRun, Task};
use crate::tasks::turns::SweepTurns;

/// How often one page is asked for before the sweep is left for the next time.
const TRIES: u32 = 8;
/// How long a page waits for the account's call budget.
const WAIT: Duration = Duration::from_mins(1);

/// The listing does not show the tags of every profile. Within about this time each such profile is
/// read by itself once; a turn that no sweep falls into comes again in the next round.
const ALL_TAGS_READ: Duration = Duration::from_hours(7 * 24);

/// Compares all active bindings with one listing of the account. Where AWS denies the listing, the
/// bindings are checked one by one as they come due.
pub(crate) struct SweepDrift {
    pub(crate) store: Store,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) optional: Arc<OptionalFeatures>,
    pub(crate) turns: Arc<SweepTurns>,
    pub(crate) mode: DriftMode,
    /// How often each binding is checked. The sweep runs twice as often, so that none comes due.
    pub(crate) check_interval: Duration,
    pub(crate) stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Findings {
    /// Bindings without drift.
    sound: Vec<(BindingId, Generation)>,
    /// Bindings to be checked one by one.
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
        // What the whole listing did not show is gone, or was created since.
        let seen: Vec<BindingId> = sound.iter().map(|(id, _)| *id).collect();
        suspect.extend(self.store.active_unseen(&seen).await?);
        suspect.sort_unstable();
        suspect.dedup();
        self.store.make_due(&suspect).await?;
        info!(
            pages,
            sound = sound.len(),
            suspect = suspect.len(),
            "drift sweep done"
        );
        Ok(())
    }

    /// Reads a page, again where AWS can't answer it now; none where the call budget or the tries
    /// are used up.
    async fn page(&self, after: Option<&str>, scope: &Scope) -> Result<Option<RolePage>, IamError> {
        for attempt in 0..TRIES {
            if self.stop.is_cancelled() {
                return Ok(None);
            }
            let terms = Terms::sweep(&scope.account, WAIT);
            match self.gateway.role_page(after, terms).await {
                Ok(page) => return Ok(Some(page)),
                Err(error) if error.is_not_sent() => return Ok(None),
                Err(error) if error.kind.is_retryable() => {
                    let pause =
                        full_jitter(Duration::from_secs(1), Duration::from_secs(30), attempt);
                    debug!(attempt, "page of the listing failed; it is read again");
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
            let seen = Observed {
                role: roles.get(name.as_str()).map(|role| (*role).clone()),
                profile: profiles
                    .get(name.as_str())
                    .map(|profile| (*profile).clone()),
            };
            let tags_shown = seen
                .profile
                .as_ref()
                .is_none_or(|profile| profile.tags.is_some());
            match judge(&binding, seen, now) {
                Judgement::Sound if !tags_shown && has_its_turn(binding.id, now, pause) => {
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

/// What a listing shows of a binding.
enum Judgement {
    /// AWS has what it should have.
    Sound,
    /// AWS differs, or drift is recorded.
    Suspect,
    /// The binding is not active, or was changed too recently for reads to be trusted.
    NotNow,
}

fn judge(binding: &Binding, seen: Observed, now: DateTime<Utc>) -> Judgement {
    let is_active = matches!(binding.lifecycle, Lifecycle::Active { .. });
    if !is_active || !binding.consistency.trusts_reads(now).is_believed() {
        return Judgement::NotNow;
    }
    let role = seen.role.filter(|_| binding.mode() != Mode::PassThrough);
    let seen = Observed { role, ..seen };
    match Desired::of(binding) {
        Ok(desired) if binding.drift.is_empty() && drift(binding, &desired, &seen).is_empty() => {
            Judgement::Sound
        }
        Ok(_) => Judgement::Suspect,
        // Its own check reports why.
        Err(_) => Judgement::NotNow,
    }
}

/// Returns whether a binding is to be read by itself in this sweep, though the listing shows nothing
/// wrong. Sweeps are a pause apart; the ids spread the bindings evenly over them.
fn has_its_turn(id: BindingId, now: DateTime<Utc>, pause: Duration) -> bool {
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
            if let Some(scope) = self.gateway.known_account()
                && let Err(error) = self.sweep_when_due(scope).await
            {
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
    fn every_binding_has_its_turn_once_a_week() {
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
                if has_its_turn(*id, at(sweep), pause) {
                    *turns += 1;
                    now += 1;
                }
            }
            most = most.max(now);
        }
        assert!(turns.iter().all(|turns| *turns == 1));
        // On the average four of 5,000: a sweep stays a matter of tens of calls.
        assert!(most < 25, "{most} in one sweep");
    }
}
