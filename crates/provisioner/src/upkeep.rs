//! Upkeep of the whole account, each part an extra that our identity may lack: what nobody knows
//! any more, and how much room there is. One replica does it, once an interval.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::{Binding, BindingId};
use engine_roles_domain::cluster::{ModeSpec, RoleSpec};
use engine_roles_iam::{ErrorKind, IamError, Listed, Room};
use engine_roles_store::{CallKind, StoreError};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::budget::Urgency;
use crate::service::Inner;
use crate::settings::{AttestationMode, DriftMode, OrphanMode};

/// How many orphans of ended lives one pass has removed.
const ORPHANS_A_PASS: usize = 50;
/// For how long a look at the account's room is believed.
const ROOM_FRESH: Duration = Duration::from_mins(5);
/// How long upkeep waits for its call budget before it leaves it for the next time.
const PATIENCE: Duration = Duration::from_mins(1);
/// How many polls of the database for work there are to one look for what upkeep is due.
const POLLS: u32 = 10;
/// How often it is looked whether the account is known, before the first look.
const FIRST_LOOK: Duration = Duration::from_millis(50);

/// What upkeep knows, for operators.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Permissions that an extra lacked when it was last tried, by extra.
    missing: HashMap<&'static str, String>,
    room: Option<(Instant, Room)>,
    /// When this replica last tried to look at the account's room.
    room_tried: Option<Instant>,
    /// Live bindings of another account; none where nobody has counted yet.
    elsewhere: Option<i64>,
}

impl Upkeep {
    /// The extras that are off for want of a permission: extra and permission.
    pub(crate) fn missing(&self) -> Vec<(&'static str, String)> {
        let mut missing: Vec<_> = self
            .lock()
            .missing
            .iter()
            .map(|(extra, action)| (*extra, action.clone()))
            .collect();
        missing.sort();
        missing
    }

    /// How many live bindings belong to another account than the one we work in.
    pub(crate) fn elsewhere(&self) -> i64 {
        self.lock().elsewhere.unwrap_or(0)
    }

    pub(crate) fn note(&self, extra: &'static str, outcome: Result<(), &IamError>) {
        let mut known = self.lock();
        match outcome {
            Ok(()) => drop(known.missing.remove(extra)),
            Err(error) if error.kind == ErrorKind::Denied => {
                let action = error.missing_permission.clone().unwrap_or_default();
                if known.missing.insert(extra, action.clone()).is_none() {
                    warn!(
                        extra,
                        missing_permission = action,
                        "an extra is off: AWS refuses it"
                    );
                }
            }
            Err(error) => {
                warn!(
                    extra,
                    error = error as &dyn std::error::Error,
                    "upkeep failed; later again"
                );
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first look after a start. It may take long where AWS is in trouble, and nothing waits for
/// it.
pub(crate) async fn look_around(inner: Arc<Inner>) {
    if let Err(error) = inner.look_around().await {
        warn!(
            error = &error as &dyn std::error::Error,
            "the first look could not be recorded"
        );
    }
}

/// Goes round until the service stops.
pub(crate) async fn run(inner: Arc<Inner>) {
    let interval = inner.settings.reconcile_interval;
    while !inner.stop.is_cancelled() {
        if let Err(error) = inner.upkeep_once(interval).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "upkeep could not ask the database"
            );
        }
        let pause = interval.min(inner.settings.poll_interval * POLLS);
        let _ = tokio::time::timeout(pause, inner.stop.cancelled()).await;
    }
}

impl Inner {
    /// Whether live bindings were made in another account than this, counted at first use and
    /// by each round of upkeep: this process makes none there.
    pub(crate) async fn has_bindings_elsewhere(&self, here: &Scope) -> Result<bool, StoreError> {
        let counted = self.upkeep.lock().elsewhere;
        let elsewhere = match counted {
            Some(elsewhere) => elsewhere,
            None => self.store.live_elsewhere(here).await?,
        };
        Ok(elsewhere > 0)
    }

    /// The first look after a start: what our identity may do, whether the prepared roles serve,
    /// and how much room there is.
    async fn look_around(&self) -> Result<(), StoreError> {
        while self.scope.known().is_none() {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            let _ = tokio::time::timeout(FIRST_LOOK, self.stop.cancelled()).await;
        }
        match self.ground().await {
            Ok(ground) => self.tell(&ground),
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "could not find out what this identity may do"
            ),
        }
        self.look_at_room().await;
        self.attest_all().await?;
        info!("looked around");
        Ok(())
    }

    async fn upkeep_once(&self, interval: Duration) -> Result<(), StoreError> {
        let Some(scope) = self.scope.known() else {
            return Ok(());
        };
        let elsewhere = self.store.live_elsewhere(scope).await?;
        self.upkeep.lock().elsewhere = Some(elsewhere);
        if elsewhere > 0 {
            // Whatever stands in this account may be another installation's.
            return Ok(());
        }
        if self.room_is_due() && self.may_read(1).await {
            self.look_at_room().await;
        }
        let attests = self.settings.attestation != AttestationMode::Off;
        if attests && self.store.claim_sweep("attestation", interval).await? {
            self.attest_all().await?;
        }
        let drift = self.settings.drift != DriftMode::Off;
        // Twice as often as each binding is checked by itself: so that none comes due.
        if drift && self.store.claim_sweep("drift", interval / 2).await? {
            self.sweep_drift(interval).await?;
        }
        let orphans = self.settings.orphans != OrphanMode::Off;
        if orphans && self.store.claim_sweep("orphans", interval).await? {
            self.sweep_orphans().await?;
        }
        Ok(())
    }

    fn room_is_due(&self) -> bool {
        let mut known = self.upkeep.lock();
        let tried = *known.room_tried.get_or_insert_with(Instant::now);
        let due = tried.elapsed() >= ROOM_FRESH / 2;
        if due {
            known.room_tried = Some(Instant::now());
        }
        due
    }

    /// Looks for what stands under our path and no life needs.
    async fn sweep_orphans(&self) -> Result<(), StoreError> {
        if !self.may_read(2).await {
            return Ok(());
        }
        // AWS is listed before the rows are read: intent is written before anything is made, so
        // what this later read lacks can't be a provision under way.
        let listed = self.iam.list_owned(&self.store.namespace().path()).await;
        self.upkeep.note("orphans", listed.as_ref().map(drop));
        let Ok(listed) = listed else { return Ok(()) };
        let mut unknown = Vec::new();
        let mut ended = Vec::new();
        for chunk in listed.chunks(500) {
            let names: Vec<String> = chunk.iter().map(|found| found.name.clone()).collect();
            let bindings = self.store.by_resource_name(&names).await?;
            let by_name: HashMap<String, &Binding> = bindings
                .iter()
                .map(|binding| (binding.resource_name().to_string(), binding))
                .collect();
            for found in chunk {
                match by_name.get(&found.name) {
                    None => unknown.push(found),
                    Some(binding) if !binding.live => ended.push(binding.id),
                    Some(_) => {}
                }
            }
        }
        self.look_at_ended(ended).await?;
        self.report(&unknown).await
    }

    // A life that is over has its tombstone looked at: that removes what is proved its own.
    async fn look_at_ended(&self, mut ended: Vec<BindingId>) -> Result<(), StoreError> {
        ended.sort_unstable();
        ended.dedup();
        metrics::gauge!("engine_roles_orphans", "known" => "ended")
            .set(u32::try_from(ended.len()).unwrap_or(u32::MAX));
        ended.truncate(ORPHANS_A_PASS);
        if ended.is_empty() || self.settings.orphans != OrphanMode::Remove {
            return Ok(());
        }
        info!(
            count = ended.len(),
            "lives that are over have left something"
        );
        self.store.look_at(&ended).await
    }

    async fn report(&self, unknown: &[&Listed]) -> Result<(), StoreError> {
        metrics::gauge!("engine_roles_orphans", "known" => "no")
            .set(u32::try_from(unknown.len()).unwrap_or(u32::MAX));
        let found: Vec<_> = unknown
            .iter()
            .map(|found| {
                let kind = if found.is_role {
                    "role"
                } else {
                    "instance_profile"
                };
                (kind, found.name.clone(), found.arn.clone())
            })
            .collect();
        for name in self.store.report_orphans(&found).await? {
            warn!(
                name,
                "stands under our path, and no record knows it; it is left alone"
            );
        }
        Ok(())
    }

    /// Whether the account was full of anything when that was last looked up.
    pub(crate) fn room_is_scarce(&self) -> bool {
        let room = self.known_room();
        room.is_some_and(|room| room.is_full_for(true, true))
    }

    /// Whether the account is known to have no room for what a spec needs. Looked up every few
    /// minutes, and again before anybody is told so; where the permission is missing, nothing is
    /// known.
    pub(crate) async fn lacks_room_for(&self, spec: &RoleSpec) -> Option<Room> {
        let (role, profile) = match &spec.mode {
            ModeSpec::Create(_) => (true, true),
            ModeSpec::PassThrough(pass) => (false, pass.instance_profile.is_none()),
        };
        self.known_room()
            .filter(|room| room.is_full_for(role, profile))?;
        let room = self.look_at_room().await?;
        room.is_full_for(role, profile).then_some(room)
    }

    fn known_room(&self) -> Option<Room> {
        let known = self.upkeep.lock().room;
        let fresh = known.filter(|(at, _)| at.elapsed() < ROOM_FRESH);
        fresh.map(|(_, room)| room)
    }

    /// Reads the account's quotas and what is used of them.
    pub(crate) async fn look_at_room(&self) -> Option<Room> {
        let room = self.iam.room().await;
        self.upkeep.note("quota", room.as_ref().map(drop));
        let room = room.ok()?;
        metrics::gauge!("engine_roles_account_roles", "of" => "used").set(room.roles);
        metrics::gauge!("engine_roles_account_roles", "of" => "quota").set(room.roles_quota);
        self.upkeep.lock().room = Some((Instant::now(), room));
        Some(room)
    }

    pub(crate) async fn may_read(&self, calls: u8) -> bool {
        let Some(scope) = self.scope.known() else {
            return false;
        };
        let until = Instant::now() + PATIENCE;
        let (account, read) = (&scope.account, CallKind::Read);
        self.budget
            .acquire(&self.store, account, read, calls, Urgency::Sweep, until)
            .await
    }
}
