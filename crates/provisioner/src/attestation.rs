//! Attesting the roles that the administrator prepared: at the start, at a PUT that uses one, and
//! again and again.

use chrono::{DateTime, Utc};
use engine_roles_domain::{
    Attestation, ClusterName, Defaults, Fitness, Intent, Mode, ModeSpec, Partition,
    PassThroughRole, Purpose, PutRefusal, Region, RoleReference, RoleRequest, RoleSpec, Scope,
    attest,
};
use engine_roles_store::{PreparedRole, StoreError};
use tracing::{info, warn};

use crate::Provisioner;
use crate::error::ScopeError;
use crate::service::Inner;
use crate::settings::AttestationMode;

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
            let attestation = said(&entry, known.as_ref(), &scope, Purpose::Any(&region));
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
            let read = self.read_prepared(&scope, &entry).await?;
            let said = said(&entry, read.as_ref(), &scope, Purpose::Any(&region));
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
    /// what may have been put right since.
    pub(crate) async fn attest_for(
        &self,
        cluster: &ClusterName,
        spec: &RoleSpec,
        scope: &Scope,
    ) -> Result<Option<Attestation>, StoreError> {
        let ModeSpec::PassThrough(pass) = &spec.mode else {
            return Ok(None);
        };
        if self.settings.attestation == AttestationMode::Off {
            return Ok(None);
        }
        let Some(entry) = self.settings.defaults.pass_through_role(&pass.iam_role) else {
            return Ok(None);
        };
        let purpose = Purpose::Cluster(cluster, spec);
        let known = self.prepared(scope, &entry).await?;
        let fresh = known.as_ref().is_some_and(|known| known.fresh);
        let first = said(&entry, known.as_ref(), scope, purpose);
        let certain = fresh && first.fitness != Fitness::Unfit;
        if certain || pass.is_declared() {
            return Ok(Some(first));
        }
        let read = self.read_prepared(scope, &entry).await?;
        Ok(Some(said(&entry, read.as_ref(), scope, purpose)))
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
    ) -> Result<Option<PreparedRole>, StoreError> {
        let (account, role) = (&scope.account, &entry.role);
        match Box::pin(self.iam.held_role(role.name())).await {
            Ok(held) => {
                let held = held.filter(|held| is_the_same(role, held.role.arn.as_deref()));
                self.store
                    .record_reading(account, role, held.as_ref())
                    .await?;
            }
            Err(error) => {
                self.store
                    .record_unread(account, role, &error.describe())
                    .await?;
            }
        }
        self.prepared(scope, entry).await
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

/// Refuses a new life whose role does not serve, where the configuration says so.
pub(crate) fn refuse_unfit(
    mode: AttestationMode,
    intent: Intent,
    attestation: Option<&Attestation>,
) -> Result<Intent, PutRefusal> {
    let Intent::New(RoleSpec {
        mode: ModeSpec::PassThrough(pass),
        ..
    }) = &intent
    else {
        return Ok(intent);
    };
    let Some(said) = attestation.filter(|said| said.fitness == Fitness::Unfit) else {
        return Ok(intent);
    };
    let (role, reasons) = (pass.iam_role.clone(), said.reasons());
    if mode == AttestationMode::Enforce && !pass.is_declared() {
        return Err(PutRefusal::RoleUnfit { role, reasons });
    }
    warn!(%role, reasons, "passing a role that does not serve");
    Ok(intent)
}

// IAM takes a role by its name alone; the ARN that it shows has to be the administrator's.
fn is_the_same(role: &RoleReference, shown: Option<&str>) -> bool {
    role.arn().is_none_or(|arn| shown == Some(&arn.to_string()))
}

fn said(
    entry: &PassThroughRole,
    known: Option<&PreparedRole>,
    scope: &Scope,
    purpose: Purpose<'_>,
) -> Attestation {
    let unread = known.and_then(|known| known.unread.clone());
    match known.and_then(|known| known.reading.as_ref()) {
        Some(Some(held)) => attest(held, scope, purpose),
        Some(None) => Attestation::absent(entry.role.name().as_str()),
        None => {
            let reason = unread.unwrap_or_else(|| "IAM was not read yet".to_owned());
            if entry.is_declared() {
                Attestation::declared(reason)
            } else {
                Attestation::unread(reason)
            }
        }
    }
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
