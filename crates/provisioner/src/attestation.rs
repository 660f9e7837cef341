//! Attesting the roles that the administrator prepared: at the start, at a PUT that uses one, and
//! again and again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::account::{Partition, Region, Scope};
use engine_roles_domain::binding::{Intent, PutRefusal};
use engine_roles_domain::cluster::{
    ClusterName, Defaults, Mode, ModeSpec, RoleReference, RoleRequest, RoleSpec,
};
use engine_roles_domain::prepared::{Attestation, Fitness, PassThroughRole, Purpose, attest};
use engine_roles_iam::ErrorKind;
use engine_roles_store::{CallKind, PreparedRole, StoreError};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::Provisioner;
use crate::budget::Urgency;
use crate::error::ScopeError;
use crate::service::Inner;
use crate::settings::AttestationMode;

/// How long a request waits for a look at its role.
const LOOK: Duration = Duration::from_secs(5);
/// About how many calls such a look takes.
const CALLS: u8 = 4;

/// A prepared role and what is said of it.
#[derive(Clone, Debug)]
pub struct AttestedRole {
    /// The administrator's entry.
    pub entry: PassThroughRole,
    /// Whether it is passed where a request names none.
    pub is_default: bool,
    /// What is said.
    pub attestation: Attestation,
    /// When IAM was read; none where it never was.
    pub read_at: Option<DateTime<Utc>>,
    /// Why IAM could not be read when that was last tried.
    pub unread: Option<String>,
}

impl Provisioner {
    /// The administrator's roles with what is said of each, by what IAM last showed.
    ///
    /// # Errors
    /// When the database fails, or it is not known in which account we are.
    pub async fn pass_through_roles(&self) -> Result<Vec<AttestedRole>, ScopeError> {
        let inner = &self.inner;
        let defaults = &inner.settings.defaults;
        let listed = defaults.listed_roles();
        let mut attested = Vec::with_capacity(listed.len());
        for entry in listed {
            let scope = inner.scope_of(&entry.role).await?;
            let region = region(defaults, scope.partition);
            let known = inner.prepared(&scope, &entry).await?;
            let purpose = Purpose::Any(&region);
            let attestation = inner.said(&entry, known.as_ref(), &scope, purpose);
            let default = defaults.iam_role.iter();
            attested.push(AttestedRole {
                is_default: default.into_iter().any(|role| role.same_role(&entry.role)),
                attestation,
                read_at: known.as_ref().and_then(|known| known.read_at),
                unread: known.and_then(|known| known.unread),
                entry,
            });
        }
        Ok(attested)
    }
}

impl Inner {
    /// Reads all prepared roles and says so in the log where one does not serve.
    pub(crate) async fn attest_all(&self) -> Result<(), StoreError> {
        let Some(scope) = self.scope.known().cloned() else {
            return Ok(());
        };
        if self.settings.attestation == AttestationMode::Off {
            return Ok(());
        }
        let defaults = &self.settings.defaults;
        let region = region(defaults, scope.partition);
        for entry in defaults.listed_roles() {
            if self.stop.is_cancelled() || !self.may_read(4).await {
                return Ok(());
            }
            self.read_prepared(&scope, &entry).await?;
            let known = self.prepared(&scope, &entry).await?;
            let said = self.said(&entry, known.as_ref(), &scope, Purpose::Any(&region));
            let role = &entry.role;
            match said.fitness {
                Fitness::Fit => info!(%role, width = ?said.width, "the prepared role serves"),
                Fitness::Unfit | Fitness::Indeterminate => {
                    warn!(%role, fitness = ?said.fitness, reasons = said.reasons(), "attested");
                }
                Fitness::Declared => info!(%role, "the prepared role is taken at its word"),
            }
        }
        Ok(())
    }

    /// What is said of the role of a spec; none where none is passed, or nothing is asked. Costs
    /// no call while the last word is fresh, unless that word is a refusal: nobody is refused by
    /// what may have been put right since. A role that the administrator answers for is not looked
    /// up.
    pub(crate) async fn attest_for(
        &self,
        cluster: &ClusterName,
        spec: &RoleSpec,
        scope: &Scope,
    ) -> Result<Option<Attestation>, StoreError> {
        let Some(entry) = self.entry_of(spec) else {
            return Ok(None);
        };
        let said = async || -> Result<(bool, Attestation), StoreError> {
            let known = self.prepared(scope, &entry).await?;
            let fresh = known.as_ref().is_some_and(|known| known.fresh);
            let purpose = Purpose::Cluster(cluster, spec);
            Ok((fresh, self.said(&entry, known.as_ref(), scope, purpose)))
        };
        let (fresh, first) = said().await?;
        if entry.is_declared() || fresh && first.fitness != Fitness::Unfit {
            return Ok(Some(first));
        }
        // One look serves all who ask meanwhile.
        let asked = Instant::now();
        let mut looked = self.looked.lock().await;
        let last = looked.get(&entry.role).copied();
        if last.is_none_or(|at| at < asked) && self.may_look().await {
            let look = self.read_prepared(scope, &entry);
            if let Ok(read) = tokio::time::timeout(LOOK, look).await {
                read?;
                looked.insert(entry.role.clone(), Instant::now());
            }
        }
        let seen = looked.get(&entry.role).is_some_and(|at| *at >= asked);
        drop(looked);
        let (_, said) = said().await?;
        if said.fitness == Fitness::Unfit && !seen {
            return Ok(Some(said.grown_old("there was no time or no call budget")));
        }
        Ok(Some(said))
    }

    /// The administrator's entry for the role of a spec, where attestation is on.
    fn entry_of(&self, spec: &RoleSpec) -> Option<PassThroughRole> {
        let ModeSpec::PassThrough(pass) = &spec.mode else {
            return None;
        };
        let is_on = self.settings.attestation != AttestationMode::Off;
        let entry = self.settings.defaults.pass_through_role(&pass.iam_role);
        entry.filter(|_| is_on)
    }

    async fn may_look(&self) -> bool {
        let Some(scope) = self.scope.known() else {
            return true;
        };
        let (account, until) = (&scope.account, Instant::now() + LOOK);
        let (read, urgency) = (CallKind::Read, Urgency::Interactive);
        self.budget
            .acquire(&self.store, account, read, CALLS, urgency, until)
            .await
    }

    async fn prepared(
        &self,
        scope: &Scope,
        entry: &PassThroughRole,
    ) -> Result<Option<PreparedRole>, StoreError> {
        let age = self.settings.reconcile_interval * 2;
        self.store
            .prepared_role(&scope.account, &entry.role, age)
            .await
    }

    /// Reads a role at IAM and records what it shows.
    async fn read_prepared(
        &self,
        scope: &Scope,
        entry: &PassThroughRole,
    ) -> Result<(), StoreError> {
        let (account, role) = (&scope.account, &entry.role);
        match Box::pin(self.iam.held_role(role.name())).await {
            Ok(held) => {
                let held = held.filter(|held| is_the_same(role, held.role.arn.as_deref()));
                let held = held.as_ref();
                self.store.record_reading(account, role, held).await
            }
            Err(error) => {
                if error.kind == ErrorKind::Throttled {
                    let read = CallKind::Read;
                    self.budget.throttled(&self.store, account, read).await;
                }
                let reason = error.describe();
                self.store.record_unread(account, role, &reason).await
            }
        }
    }

    /// What is said of a role by what is known of it.
    fn said(
        &self,
        entry: &PassThroughRole,
        known: Option<&PreparedRole>,
        scope: &Scope,
        purpose: Purpose<'_>,
    ) -> Attestation {
        let unread = known.and_then(|known| known.unread.as_deref());
        let key = self.settings.defaults.kms_key.as_ref();
        let said = match known.and_then(|known| known.reading.as_ref()) {
            Some(Some(held)) => attest(held, scope, purpose, key),
            Some(None) => Attestation::absent(entry.role.name().as_str()),
            None => {
                let reason = unread.unwrap_or("IAM was not read yet").to_owned();
                return if entry.is_declared() {
                    Attestation::declared(reason)
                } else {
                    Attestation::unread(reason)
                };
            }
        };
        match unread {
            // What could not be read again may have been put right since.
            Some(reason)
                if said.fitness == Fitness::Unfit || !known.is_some_and(|known| known.fresh) =>
            {
                said.grown_old(reason)
            }
            _ => said,
        }
    }

    async fn scope_of(&self, role: &RoleReference) -> Result<Scope, ScopeError> {
        if let Some(known) = self.scope.known() {
            return Ok(known.clone());
        }
        let request = RoleRequest {
            mode: Some(Mode::PassThrough),
            iam_role: Some(role.clone()),
            ..RoleRequest::default()
        };
        let defaults = &self.settings.defaults;
        Ok(self.scope.of_request(&self.iam, &request, defaults).await?)
    }
}

/// Why an intent is not declared.
pub(crate) enum Undeclared {
    /// It may not be carried out.
    Refused(PutRefusal),
    /// It passes a role of which nothing was said yet: it became so meanwhile.
    Unattested,
}

/// Refuses to pass a role that does not serve, where the configuration says so. `looked` is none
/// where nobody has looked yet.
pub(crate) fn refuse_unfit(
    mode: AttestationMode,
    intent: Intent,
    looked: Option<&Option<Attestation>>,
) -> Result<Intent, Undeclared> {
    let Intent::New(spec) = &intent else {
        return Ok(intent);
    };
    let ModeSpec::PassThrough(pass) = &spec.mode else {
        return Ok(intent);
    };
    if mode == AttestationMode::Off {
        return Ok(intent);
    }
    let Some(attestation) = looked else {
        return Err(Undeclared::Unattested);
    };
    // Of a role that is on the list no more, nothing is said.
    let unfit = attestation
        .as_ref()
        .filter(|said| said.fitness == Fitness::Unfit);
    let Some(said) = unfit else { return Ok(intent) };
    let (role, reasons) = (pass.iam_role.clone(), said.reasons());
    if mode == AttestationMode::Enforce && !pass.is_declared() {
        return Err(Undeclared::Refused(PutRefusal::RoleUnfit { role, reasons }));
    }
    warn!(%role, reasons, "passing a role that does not serve");
    Ok(intent)
}

// IAM takes a role by its name alone; the ARN that it shows has to be the administrator's.
fn is_the_same(role: &RoleReference, shown: Option<&str>) -> bool {
    role.arn().is_none_or(|arn| shown == Some(&arn.to_string()))
}

// Where no region is configured, the partition's own stands for all.
fn region(defaults: &Defaults, partition: Partition) -> Region {
    let fallback = match partition {
        Partition::Aws => "us-east-1",
        Partition::AwsCn => "cn-north-1",
        Partition::AwsUsGov => "us-gov-west-1",
        Partition::AwsEusc => "eusc-de-east-1",
    };
    let configured = defaults.region.clone();
    configured.unwrap_or_else(|| Region::parse(fallback).expect("a region's name"))
}
