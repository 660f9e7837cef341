//! Attestation of pass-through roles: at the start, for a request that passes one, and once an interval.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::account::{Partition, Region, Scope};
use engine_roles_domain::binding::Rejection;
use engine_roles_domain::cluster::{
    ClusterName, Defaults, Mode, ModeSpec, RoleReference, RoleRequest, RoleSpec,
};
use engine_roles_domain::prepared::{Attestation, Fitness, PassThroughRole, Purpose, attest};
use engine_roles_store::{PreparedRole, Reading, Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use crate::aws::{Gateway, Terms};
use crate::error::ProvisionerError;
use crate::settings::AttestationMode;

/// How long a request waits until its role is read.
const READ_WAIT: Duration = Duration::from_secs(5);

/// A pass-through role and its attestation.
#[derive(Clone, Debug)]
pub struct AttestedRole {
    /// The role as the administrator listed it.
    pub entry: PassThroughRole,
    /// Whether it is passed where a request names none.
    pub is_default: bool,
    /// The verdict by what IAM last showed.
    pub attestation: Attestation,
    /// When IAM was read; none where it never was.
    pub read_at: Option<DateTime<Utc>>,
    /// Why IAM could not be read when that was last tried.
    pub unread: Option<String>,
}

/// What is known, for one request, of the role that it passes.
#[derive(Clone, Debug)]
pub(crate) enum Attested {
    /// The role was not attested for this request.
    NotAsked,
    /// There is no verdict: no role is passed, attestation is off, or the role is
    /// no longer on the administrator's list.
    NoVerdict,
    Verdict(Attestation),
}

/// Whether a new binding may pass its role.
#[derive(Debug)]
pub(crate) enum Admission {
    Admitted,
    Rejected(Rejection),
    /// It passes a role that has to be attested first.
    Unattested,
}

/// Reads pass-through roles at IAM, keeps what IAM showed, and judges it.
pub(crate) struct Attestor {
    pub(crate) store: Store,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) defaults: Arc<Defaults>,
    pub(crate) mode: AttestationMode,
    /// How old a reading may be before it is stale.
    pub(crate) freshness: Duration,
    /// When each role was last read for a request.
    pub(crate) last_read: Mutex<HashMap<RoleReference, Instant>>,
}

impl Attestor {
    /// Returns the administrator's roles, each with the verdict by what IAM last showed.
    pub(crate) async fn listed(&self) -> Result<Vec<AttestedRole>, ProvisionerError> {
        let listed = self.defaults.listed_roles();
        let mut attested = Vec::with_capacity(listed.len());
        for entry in listed {
            let scope = self.account_of(&entry.role).await?;
            let region = self.region(scope.partition);
            let known = self.known(&scope, &entry).await?;
            let attestation = self.judge(&entry, known.as_ref(), &scope, Purpose::Any(&region));
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

    /// Reads one role at IAM again and reports its verdict in the log. Returns false where the
    /// call budget left no room for it.
    pub(crate) async fn attest_again(
        &self,
        entry: &PassThroughRole,
        scope: &Scope,
        terms: Terms<'_>,
    ) -> Result<bool, StoreError> {
        if !self.read(scope, entry, terms).await? {
            return Ok(false);
        }
        let region = self.region(scope.partition);
        let known = self.known(scope, entry).await?;
        let verdict = self.judge(entry, known.as_ref(), scope, Purpose::Any(&region));
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
                    "pass-through role is not known to be fit"
                );
            }
            Fitness::Declared => {
                info!(%role, "pass-through role is declared fit by the administrator");
            }
        }
        Ok(true)
    }

    /// Returns the verdict about the role of a spec. Costs no call while the last reading is
    /// fresh, unless it says unfit: nobody is rejected for what may have been corrected since. A
    /// role that the administrator declares fit is not read.
    pub(crate) async fn attest_for(
        &self,
        cluster: &ClusterName,
        spec: &RoleSpec,
        scope: &Scope,
    ) -> Result<Attested, StoreError> {
        let Some(entry) = self.entry_of(spec) else {
            return Ok(Attested::NoVerdict);
        };
        let purpose = Purpose::Cluster(cluster, spec);
        let known = self.known(scope, &entry).await?;
        let is_fresh = known.as_ref().is_some_and(|known| known.fresh);
        let first = self.judge(&entry, known.as_ref(), scope, purpose);
        if entry.is_declared() || is_fresh && first.fitness != Fitness::Unfit {
            return Ok(Attested::Verdict(first));
        }
        let was_read = self.read_for_request(scope, &entry).await?;
        let known = self.known(scope, &entry).await?;
        let verdict = self.judge(&entry, known.as_ref(), scope, purpose);
        if verdict.fitness == Fitness::Unfit && !was_read {
            let reason = "there was no time or no call budget";
            return Ok(Attested::Verdict(verdict.stale(reason)));
        }
        Ok(Attested::Verdict(verdict))
    }

    /// Decides whether a new binding may pass the role of its spec.
    pub(crate) fn admit(&self, spec: &RoleSpec, attested: &Attested) -> Admission {
        let ModeSpec::PassThrough(pass) = &spec.mode else {
            return Admission::Admitted;
        };
        let verdict = match attested {
            _ if !self.is_on() => return Admission::Admitted,
            Attested::NotAsked => return Admission::Unattested,
            Attested::NoVerdict => return Admission::Admitted,
            Attested::Verdict(verdict) => verdict,
        };
        if verdict.fitness != Fitness::Unfit {
            return Admission::Admitted;
        }
        let (role, reasons) = (pass.iam_role.clone(), verdict.reasons());
        if self.mode == AttestationMode::Enforce && !pass.is_declared() {
            return Admission::Rejected(Rejection::RoleUnfit { role, reasons });
        }
        warn!(%role, reasons, "passing a pass-through role that is unfit");
        Admission::Admitted
    }

    /// Reads a role for a request; one read serves all who ask meanwhile. Returns whether it was
    /// read since the request began.
    async fn read_for_request(
        &self,
        scope: &Scope,
        entry: &PassThroughRole,
    ) -> Result<bool, StoreError> {
        let asked_at = Instant::now();
        // Both limits count from the request on: of many that ask while there is no call budget,
        // each would else wait for all before it.
        let give_up_at = asked_at + READ_WAIT * 2;
        let Ok(mut last_read) = timeout_at(give_up_at, self.last_read.lock()).await else {
            return Ok(false);
        };
        let last = last_read.get(&entry.role).copied();
        if last.is_none_or(|at| at < asked_at) {
            let wait = READ_WAIT.saturating_sub(asked_at.elapsed());
            let read = self.read(scope, entry, Terms::interactive(&scope.account, wait));
            if let Ok(read) = timeout_at(give_up_at, read).await
                && read?
            {
                last_read.insert(entry.role.clone(), Instant::now());
            }
        }
        Ok(last_read.get(&entry.role).is_some_and(|at| *at >= asked_at))
    }

    /// Returns the administrator's entry for the role of a spec, where attestation is on.
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
    ) -> Result<Option<PreparedRole>, StoreError> {
        self.store
            .prepared_role(&scope.account, &entry.role, self.freshness)
            .await
    }

    /// Reads a role at IAM and records what it shows, or why it shows nothing. Returns false, and
    /// records nothing, where the call budget left no room for it.
    async fn read(
        &self,
        scope: &Scope,
        entry: &PassThroughRole,
        terms: Terms<'_>,
    ) -> Result<bool, StoreError> {
        let (account, role) = (&scope.account, &entry.role);
        match Box::pin(self.gateway.held_role(role.name(), terms)).await {
            Ok(held) => {
                let held = held.filter(|held| is_the_same(role, held.role.arn.as_deref()));
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

    /// Judges a role by what is known of it.
    fn judge(
        &self,
        entry: &PassThroughRole,
        known: Option<&PreparedRole>,
        scope: &Scope,
        purpose: Purpose<'_>,
    ) -> Attestation {
        let unread = known.and_then(|known| known.unread.as_deref());
        let key = self.defaults.kms_key.as_ref();
        let verdict = match known.map(|known| &known.reading) {
            Some(Reading::Held(held)) => attest(held, scope, purpose, key),
            Some(Reading::Absent) => Attestation::absent(entry.role.name().as_str()),
            Some(Reading::Never) | None => {
                let reason = unread.unwrap_or("IAM was not read yet").to_owned();
                return if entry.is_declared() {
                    Attestation::declared(reason)
                } else {
                    Attestation::unread(reason)
                };
            }
        };
        match unread {
            // What could not be read again may have been corrected since.
            Some(reason)
                if verdict.fitness == Fitness::Unfit || !known.is_some_and(|known| known.fresh) =>
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
        Ok(self.gateway.account_for(&request, &self.defaults).await?)
    }

    // Where no region is configured, the partition's own stands for all.
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

// IAM takes a role by its name alone; the ARN that it shows has to be the administrator's.
fn is_the_same(role: &RoleReference, shown: Option<&str>) -> bool {
    role.arn().is_none_or(|arn| shown == Some(&arn.to_string()))
}
