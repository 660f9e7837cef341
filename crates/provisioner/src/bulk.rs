//! The bulk sweep: one paged listing of the account checks all active bindings. It finds which
//! ones to look at; what is done about them is the worker's, as ever.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{Binding, BindingId, Generation, State};
use engine_roles_domain::cluster::Mode;
use engine_roles_domain::resources::{Desired, Observed, ObservedProfile, ObservedRole, drift};
use engine_roles_iam::{ErrorKind, IamError, RolePage};
use engine_roles_store::{CallKind, StoreError};
use tracing::{debug, info};

use crate::backoff::full_jitter;
use crate::service::Inner;

/// How often one page is asked for before the sweep is left for the next time.
const TRIES: u32 = 8;

/// Within about this time each profile whose tags no listing shows is read by itself once. A turn
/// that no sweep falls into is made good by the next round.
const ALL_TAGS_READ: Duration = Duration::from_hours(7 * 24);

/// What a sweep came to.
#[derive(Debug, Default)]
struct Sweep {
    /// As meant.
    sound: Vec<(BindingId, Generation)>,
    /// To be looked at one by one.
    suspect: Vec<BindingId>,
}

impl Inner {
    /// Compares all active bindings with one listing of the account. Where the listing is
    /// refused, the bindings are checked one by one as they come due.
    pub(crate) async fn sweep_drift(&self, interval: Duration) -> Result<(), StoreError> {
        let now = self.store.now().await?;
        let mut sweep = Sweep::default();
        let mut after: Option<String> = None;
        let mut pages = 0;
        loop {
            let page = self.page_with_patience(after.as_deref()).await;
            self.upkeep.note("bulk_sweep", page.as_ref().map(drop));
            let Ok(Some(page)) = page else { return Ok(()) };
            pages += 1;
            self.compare(&page, now, interval / 2, &mut sweep).await?;
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        self.store.verified(&sweep.sound, interval).await?;
        // What the whole listing did not show is gone, or was made since.
        let seen: Vec<BindingId> = sweep.sound.iter().map(|(id, _)| *id).collect();
        sweep.suspect.extend(self.store.active_unseen(&seen).await?);
        sweep.suspect.sort_unstable();
        sweep.suspect.dedup();
        self.store.look_at(&sweep.suspect).await?;
        info!(
            pages,
            sound = sweep.sound.len(),
            suspect = sweep.suspect.len(),
            "compared all roles"
        );
        Ok(())
    }

    /// A page, asked for again while AWS can't; none where the budget or patience ran out.
    async fn page_with_patience(&self, after: Option<&str>) -> Result<Option<RolePage>, IamError> {
        for attempt in 0..TRIES {
            if self.stop.is_cancelled() || !self.may_read(1).await {
                return Ok(None);
            }
            match self.iam.role_page(after).await {
                Ok(page) => return Ok(Some(page)),
                Err(error) if error.kind.is_retryable() => {
                    if let (ErrorKind::Throttled, Some(scope)) = (error.kind, self.scope.known()) {
                        self.budget
                            .throttled(&self.store, &scope.account, CallKind::Read)
                            .await;
                    }
                    let pause =
                        full_jitter(Duration::from_secs(1), Duration::from_secs(30), attempt);
                    debug!(attempt, "the listing is asked for the same page again");
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
        pause: Duration,
        sweep: &mut Sweep,
    ) -> Result<(), StoreError> {
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
                Some(true) if !tags_shown && has_its_turn(binding.id, now, pause) => {
                    sweep.suspect.push(binding.id);
                }
                Some(true) => sweep.sound.push((binding.id, binding.generation)),
                Some(false) => sweep.suspect.push(binding.id),
                None => {}
            }
        }
        Ok(())
    }
}

/// Whether an active binding is as meant; none for what is on its way, or too fresh to be judged.
fn judge(binding: &Binding, mut seen: Observed, now: DateTime<Utc>) -> Option<bool> {
    if binding.state != State::Active || !binding.settled(now) {
        return None;
    }
    if binding.mode() == Mode::PassThrough {
        seen.role = None;
    }
    let desired = Desired::of(binding).ok()?;
    Some(binding.drift.is_empty() && drift(binding, &desired, &seen).is_empty())
}

/// Whether a binding is one of those that are read by themselves now, though the listing shows
/// nothing wrong. Sweeps come a pause apart; the ids share them out evenly.
fn has_its_turn(id: BindingId, now: DateTime<Utc>, pause: Duration) -> bool {
    let pause = pause.as_secs().max(1);
    let turns = ALL_TAGS_READ.as_secs().div_ceil(pause);
    let turn = u64::try_from(now.timestamp()).unwrap_or_default() / pause % turns;
    id.0.as_u128() % u128::from(turns) == u128::from(turn)
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
