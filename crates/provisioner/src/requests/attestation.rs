//! Attestation of pass-through roles: after the start, for a request that passes a role, and once per
//! interval.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::account::{AccountId, Partition, Region, Scope};
use engine_roles_domain::binding::Rejection;
use engine_roles_domain::cluster::{
    ClusterName, Defaults, Mode, ModeSpec, RoleReference, RoleRequest, RoleSpec,
};
use engine_roles_domain::prepared::{Attestation, Fitness, PassThroughRole, Purpose};
use engine_roles_store::{Reading, Store, StoreError};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{info, warn};

use crate::aws::{Gateway, Terms};
use crate::error::ProvisionerError;
use crate::requests::verdicts::{Shown, Verdicts};
use crate::settings::AttestationMode;

/// How long a request waits for the call budget to read its role.
const READ_WAIT: Duration = Duration::from_secs(5);

/// How long a read of a role waits for further requests that share it.
const GATHERING: Duration = Duration::from_millis(20);

/// A read of a role that several requests wait for. Its result is whether the role was read.
pub(crate) type SharedRead = Shared<BoxFuture<'static, bool>>;

/// A pass-through role and its attestation.
#[derive(Clone, Debug)]
pub struct AttestedRole {
    /// The role as the administrator listed it.
    pub entry: PassThroughRole,
    /// Whether this role is passed when a request names no role.
    pub is_default: bool,
    /// The verdict that follows from the last read of IAM.
    pub attestation: Attestation,
    /// When IAM answered that read; none when it never answered one.
    pub read_at: Option<DateTime<Utc>>,
    /// Why the last attempt to read the role failed; none when it succeeded.
    pub unread: Option<String>,
}

/// What is known about the role that a request passes.
#[derive(Clone, Debug)]
pub(crate) enum Attested {
    /// There is no verdict: no role is passed, attestation is off, or the role is
    /// no longer on the administrator's list.
    NoVerdict,
    Verdict(Attestation),
}

/// Reads pass-through roles from IAM, records what IAM returned, and judges whether they are fit.
pub(crate) struct Attestor {
    pub(crate) store: Store,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) defaults: Arc<Defaults>,
    pub(crate) mode: AttestationMode,
    /// A reading older than this is stale.
    pub(crate) freshness: Duration,
    /// The read of each role that requests share, and when it begins or began.
    pub(crate) next_reads: Mutex<HashMap<RoleReference, (Instant, SharedRead)>>,
    pub(crate) verdicts: Verdicts,
    /// The last answered read of each role that this replica has seen.
    pub(crate) seen: Mutex<SeenRoles>,
}

/// Roles as IAM showed them, each with the time of that read.
type SeenRoles = HashMap<(AccountId, RoleReference), (DateTime<Utc>, Shown)>;

/// What is recorded about a pass-through role.
struct Known {
    read_at: Option<DateTime<Utc>>,
    is_fresh: bool,
    unread: Option<String>,
    /// The role as IAM showed it; none where it does not exist or was never read.
    shown: Option<Shown>,
    was_absent: bool,
}

impl Attestor {
    /// Returns the pass-through roles that the administrator listed, each with the verdict that
    /// follows from the last read of IAM.
    pub(crate) async fn listed(&self) -> Result<Vec<AttestedRole>, ProvisionerError> {
        let listed = self.defaults.listed_roles();
        let mut attested = Vec::with_capacity(listed.len());
        for entry in listed {
            let scope = self.account_of(&entry.role).await?;
            let region = self.region(scope.partition);
            let known = self.known(&scope, &entry).await?;
            let attestation = self
                .judge(&entry, known.as_ref(), &scope, Purpose::Any(&region))
                .await;
            let mut default = self.defaults.iam_role.iter();
            attested.push(AttestedRole {
                is_default: default.any(|role| role.same_role(&entry.role)),
                attestation,
                read_at: known.as_ref().and_then(|known| known.read_at),
                unread: known.and_then(|known| known.unread),
                entry,
            });
        }
        Ok(attested)
    }

    /// Returns whether pass-through roles are attested at all.
    pub(crate) fn is_on(&self) -> bool {
        self.mode != AttestationMode::Off
    }

    /// Reads one role from IAM again, and logs and records the verdict. Returns the verdict; none when the call
    /// budget did not allow the read.
    pub(crate) async fn attest_again(
        &self,
        entry: &PassThroughRole,
        scope: &Scope,
        terms: Terms<'_>,
    ) -> Result<Option<Fitness>, StoreError> {
        if !self.read(scope, entry, terms).await? {
            return Ok(None);
        }
        let region = self.region(scope.partition);
        let known = self.known(scope, entry).await?;
        let verdict = self
            .judge(entry, known.as_ref(), scope, Purpose::Any(&region))
            .await;
        let role = &entry.role;
        match verdict.fitness {
            Fitness::Fit => {
                info!(%role, width = ?verdict.width, "pass-through role is fit");
            }
            Fitness::Unfit | Fitness::Indeterminate => {
                warn!(
                    %role,
                    fitness = ?verdict.fitness,
                    reasons = verdict.reasons(),
                    "pass-through role is unfit or its fitness is not certain"
                );
            }
            Fitness::Declared => {
                info!(%role, "pass-through role is declared fit by the administrator");
            }
        }
        let (fitness, reasons) = (verdict.fitness.as_str(), verdict.reasons());
        self.store
            .record_verdict(&scope.account, role, fitness, &reasons)
            .await?;
        Ok(Some(verdict.fitness))
    }

    /// Returns the verdict about the role of a spec. Makes no call to AWS while the last reading is
    /// fresh, unless its verdict is unfit: no request is rejected for a fault that may have been
    /// corrected since. A role that the administrator declared fit is not read.
    pub(crate) async fn attest_for(
        self: &Arc<Self>,
        cluster: &ClusterName,
        spec: &RoleSpec,
        scope: &Scope,
    ) -> Result<Attested, StoreError> {
        let Some(entry) = self.entry_of(spec) else {
            return Ok(Attested::NoVerdict);
        };
        let purpose = Purpose::Cluster(cluster, spec);
        let known = self.known(scope, &entry).await?;
        let is_fresh = known.as_ref().is_some_and(|known| known.is_fresh);
        let first = self.judge(&entry, known.as_ref(), scope, purpose).await;
        if entry.is_declared() || is_fresh && first.fitness != Fitness::Unfit {
            return Ok(Attested::Verdict(first));
        }
        let was_read = self.read_for_request(scope, &entry).await;
        let known = self.known(scope, &entry).await?;
        let verdict = self.judge(&entry, known.as_ref(), scope, purpose).await;
        if verdict.fitness == Fitness::Unfit && !was_read {
            let reason = "the role could not be read in time, or the call budget is used up";
            return Ok(Attested::Verdict(verdict.stale(reason)));
        }
        Ok(Attested::Verdict(verdict))
    }

    /// Decides whether a new binding may pass the role of its spec.
    ///
    /// # Errors
    /// When the role is unfit, and unfit roles are not passed.
    pub(crate) fn admit(&self, spec: &RoleSpec, attested: &Attested) -> Result<(), Rejection> {
        let (ModeSpec::PassThrough(pass), Attested::Verdict(verdict)) = (&spec.mode, attested)
        else {
            return Ok(());
        };
        if !self.is_on() || verdict.fitness != Fitness::Unfit {
            return Ok(());
        }
        let (role, reasons) = (pass.iam_role.clone(), verdict.reasons());
        if self.mode == AttestationMode::Enforce && !pass.is_declared() {
            return Err(Rejection::RoleUnfit { role, reasons });
        }
        warn!(%role, reasons, "unfit pass-through role is passed to an engine");
        Ok(())
    }

    /// Reads a role for a request. Returns whether the role was read since this request began. Requests
    /// that ask within a moment share one read; no request waits for a read that began before it.
    async fn read_for_request(self: &Arc<Self>, scope: &Scope, entry: &PassThroughRole) -> bool {
        let give_up_at = Instant::now() + READ_WAIT * 2;
        let outcome = self.next_read(scope, entry);
        timeout_at(give_up_at, outcome).await.unwrap_or(false)
    }

    /// Returns the read of a role that begins next.
    fn next_read(self: &Arc<Self>, scope: &Scope, entry: &PassThroughRole) -> SharedRead {
        let reads = self.next_reads.lock();
        let mut reads = reads.unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((begins_at, read)) = reads.get(&entry.role)
            && now < *begins_at
        {
            return read.clone();
        }
        let begins_at = now + GATHERING;
        let (this, scope, entry) = (Arc::clone(self), scope.clone(), entry.clone());
        let role = entry.role.clone();
        let read = async move {
            sleep_until(begins_at).await;
            let terms = Terms::interactive(&scope.account, READ_WAIT);
            match this.read(&scope, &entry, terms).await {
                Ok(was_read) => was_read,
                Err(error) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "reading of a pass-through role could not be recorded"
                    );
                    false
                }
            }
        };
        let read = read.boxed().shared();
        reads.insert(role, (begins_at, read.clone()));
        read
    }

    /// Returns the administrator's entry for the role of a spec; none when attestation is off.
    fn entry_of(&self, spec: &RoleSpec) -> Option<PassThroughRole> {
        let ModeSpec::PassThrough(pass) = &spec.mode else {
            return None;
        };
        let entry = self.defaults.pass_through_role(&pass.iam_role);
        entry.filter(|_| self.is_on())
    }

    async fn known(
        &self,
        scope: &Scope,
        entry: &PassThroughRole,
    ) -> Result<Option<Known>, StoreError> {
        let of = (scope.account.clone(), entry.role.clone());
        let seen = self.seen().get(&of).cloned();
        let seen_at = seen.as_ref().map(|(at, _)| *at);
        let found = self
            .store
            .prepared_role(&scope.account, &entry.role, self.freshness, seen_at);
        let Some(found) = found.await? else {
            return Ok(None);
        };
        let was_absent = matches!(found.reading, Reading::Absent);
        let shown = match found.reading {
            Reading::AsSeen => seen.map(|(_, shown)| shown),
            Reading::Held(held) => {
                let shown = Shown::new(held).await;
                if let Some(read_at) = found.read_at {
                    self.seen().insert(of, (read_at, shown.clone()));
                }
                Some(shown)
            }
            Reading::Absent | Reading::Never => None,
        };
        Ok(Some(Known {
            read_at: found.read_at,
            is_fresh: found.fresh,
            unread: found.unread,
            shown,
            was_absent,
        }))
    }

    fn seen(&self) -> MutexGuard<'_, SeenRoles> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a role from IAM and records what IAM returned, or why the read failed. Returns false, and
    /// records nothing, when the call budget did not allow the read.
    async fn read(
        &self,
        scope: &Scope,
        entry: &PassThroughRole,
        terms: Terms<'_>,
    ) -> Result<bool, StoreError> {
        let (account, role) = (&scope.account, &entry.role);
        let profile = entry.instance_profile.as_ref();
        let read = self.gateway.held_role(role.name(), profile, terms);
        let key_changes = self.gateway.key_changes();
        let mut read = Box::pin(read).await;
        if let Ok(None) = read
            && let Err(error) = Box::pin(self.gateway.confirm_absence(scope, key_changes)).await
        {
            read = Err(error);
        }
        match read {
            Ok(held) => {
                let held = held.and_then(|held| entry.shown(held));
                let held = held.as_ref();
                self.store.record_reading(account, role, held).await?;
            }
            Err(error) if error.is_not_sent() => return Ok(false),
            Err(error) => {
                let reason = error.describe();
                self.store.record_unread(account, role, &reason).await?;
            }
        }
        Ok(true)
    }

    /// Returns the verdict that follows from the record of a role.
    async fn judge(
        &self,
        entry: &PassThroughRole,
        known: Option<&Known>,
        scope: &Scope,
        purpose: Purpose<'_>,
    ) -> Attestation {
        let unread = known.and_then(|known| known.unread.as_deref());
        let key = self.defaults.kms_key.as_ref();
        let verdict = match known.map(|known| (known.shown.as_ref(), known.was_absent)) {
            Some((Some(shown), _)) => {
                let verdict = self.verdicts.attest(shown, scope, purpose, key);
                verdict.await.through_profile(entry, &shown.held)
            }
            Some((None, true)) => Attestation::absent(entry.role.name().as_str()),
            Some((None, false)) | None => {
                let reason = unread
                    .unwrap_or("the role was not read from IAM yet")
                    .to_owned();
                return if entry.is_declared() {
                    Attestation::declared(reason)
                } else {
                    Attestation::unread(reason)
                };
            }
        };
        match unread {
            // A role that could not be read again may have been corrected since the last reading.
            Some(reason)
                if verdict.fitness == Fitness::Unfit
                    || !known.is_some_and(|known| known.is_fresh) =>
            {
                verdict.stale(reason)
            }
            _ => verdict,
        }
    }

    async fn account_of(&self, role: &RoleReference) -> Result<Scope, ProvisionerError> {
        let request = RoleRequest {
            mode: Some(Mode::PassThrough),
            iam_role: Some(role.clone()),
            ..RoleRequest::default()
        };
        self.gateway.account_for(&request, &self.defaults).await
    }

    // When no region is configured, one region of the partition is used in place of all.
    fn region(&self, partition: Partition) -> Region {
        let fallback = match partition {
            Partition::Aws => "us-east-1",
            Partition::AwsCn => "cn-north-1",
            Partition::AwsUsGov => "us-gov-west-1",
            Partition::AwsEusc => "eusc-de-east-1",
        };
        let configured = self.defaults.region.clone();
        configured.unwrap_or_else(|| Region::parse(fallback).expect("a region's name"))
    }
}
