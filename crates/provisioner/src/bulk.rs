//! The bulk sweep: one paged listing of the account checks all active bindings. It finds which
//! ones to look at; what is done about them is the worker's, as ever.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::{
    Binding, BindingId, Desired, Generation, Mode, Observed, ObservedProfile, ObservedRole, State,
    drift,
};
use engine_roles_iam::{ErrorKind, IamError, RolePage};
use engine_roles_store::{CallKind, StoreError};
use tracing::{debug, info};

use crate::backoff::full_jitter;
use crate::service::Inner;

/// How often one page is asked for before the sweep is left for the next time.
const TRIES: u32 = 8;

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
            self.compare(&page, now, &mut sweep).await?;
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
            match judge(&binding, seen, now) {
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
