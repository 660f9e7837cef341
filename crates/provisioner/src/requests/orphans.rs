//! Adopts or removes an orphan when an operator asks for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use engine_roles_domain::account::{Region, Scope};
use engine_roles_domain::audit::{Actor, Cause};
use engine_roles_domain::binding::Binding;
use engine_roles_domain::binding::lifecycle::{self, NewBinding, Transition};
use engine_roles_domain::cluster::{
    CreateSpec, Defaults, ModeSpec, PassThroughSpec, RoleReference, RoleSpec, Secrets,
};
use engine_roles_domain::resources::{
    Claimed, NotAdoptable, Observed, ProfileName, RoleName, Tags, claimed_by, resource_name,
    spec_of,
};
use engine_roles_iam::{Depth, Target};
use engine_roles_store::{
    Intent, IntentIds, Latest, Operation, Orphan, RecordedIntent, Store, StoreError,
};

use crate::aws::{Gateway, Terms};
use crate::convergence::{Converger, Knowledge};
use crate::error::ProvisionerError;

const OPERATION: Operation = Operation::Orphans;
/// How many times a cluster is read that other requests keep changing.
const MOST_READS: u32 = 8;

/// How long an operator waits for the account's call budget.
const BUDGET_WAIT: Duration = Duration::from_secs(30);

/// What an operator wants done with an orphan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// The orphan becomes its cluster's live role, with the spec derived from its policy and tags.
    Adopt,
    /// The orphan is removed like a leftover resource of a finished incarnation.
    Remove,
}

pub(crate) struct ResolveOrphans {
    pub(crate) store: Store,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) converger: Arc<Converger>,
    pub(crate) defaults: Arc<Defaults>,
}

impl ResolveOrphans {
    pub(crate) async fn list(&self) -> Result<Vec<Orphan>, StoreError> {
        self.store.orphans().await
    }

    pub(crate) async fn resolve(
        &self,
        name: &str,
        actor: Actor,
        resolution: Resolution,
    ) -> Result<Binding, ProvisionerError> {
        let name =
            RoleName::parse(name).map_err(|_| ProvisionerError::NotARoleName(name.to_owned()))?;
        let scope = self.gateway.confirmed_account().await?;
        let observed = self.observe(&name, &scope).await?;
        let not_adoptable = |source| ProvisionerError::NotAdoptable {
            name: name.clone(),
            source,
        };
        let claimed = self.claimed(&name, &observed)?;
        let spec = match (resolution, &observed.role) {
            (Resolution::Adopt, Some(role)) => {
                let administrators = &self.defaults.tags;
                spec_of(&claimed, role, administrators).map_err(not_adoptable)?
            }
            (Resolution::Adopt, None) => {
                let reason = "it is an instance profile without a role; remove the orphan and provision the cluster \
                              again";
                return Err(not_adoptable(NotAdoptable::Unreadable(reason)));
            }
            (Resolution::Remove, role) => self.spec_to_remove(&claimed, role.is_some(), &observed),
        };
        let cause = Cause::without_request(actor);
        let recorded = self.record(&claimed, &scope, &spec, resolution, &cause);
        let recorded = recorded.await?;
        let recorded = recorded.ok_or_else(|| ProvisionerError::NoOrphan(name.clone()))?;
        let id = recorded.binding.id;
        if let Some(lease) = recorded.lease {
            let (lease, knowledge) = (Box::new(lease), Knowledge::Recorded);
            let converging = self.converger.converge(lease, cause, knowledge, OPERATION);
            Box::pin(converging).await;
        }
        self.store.forget_orphan(name.as_str()).await?;
        let binding = self.store.binding(id).await?;
        binding.ok_or(ProvisionerError::NothingFound(name))
    }

    /// Records a binding for the orphan. Returns none when a binding accounts for it.
    async fn record(
        &self,
        claimed: &Claimed,
        scope: &Scope,
        spec: &RoleSpec,
        resolution: Resolution,
        cause: &Cause,
    ) -> Result<Option<RecordedIntent>, ProvisionerError> {
        for _ in 0..MOST_READS {
            if self.store.binding(claimed.binding).await?.is_some() {
                return Ok(None);
            }
            let latest = self.store.read_latest(&claimed.cluster, OPERATION).await?;
            let (scope, spec) = (scope.clone(), spec.clone());
            let Some(record) = self.record_of(claimed, scope, spec, resolution, &latest) else {
                return Ok(None);
            };
            let (intent, ids) = (
                Intent::New(Box::new(record)),
                IntentIds::new(self.store.current_replica()),
            );
            let recorded = self
                .store
                .record_intent(&latest, &intent, ids, cause, OPERATION)
                .await?;
            if recorded.is_some() {
                return Ok(recorded);
            }
        }
        // The id belongs to a binding of another installation.
        Ok(None)
    }

    async fn observe(&self, name: &RoleName, scope: &Scope) -> Result<Observed, ProvisionerError> {
        let target = Target {
            role: Some(name.clone()),
            profile: Some(name.clone().into()),
        };
        let terms = Terms::interactive(&scope.account, BUDGET_WAIT);
        let observed = self.gateway.observe(&target, Depth::Contents, terms).await;
        observed.map_err(|source| {
            if source.is_not_sent() {
                return ProvisionerError::BudgetUsedUp;
            }
            ProvisionerError::Unreadable {
                resource: name.to_string(),
                source: Box::new(source),
            }
        })
    }

    /// Returns the incarnation to which the orphan belonged according to its path, tags and name.
    fn claimed(&self, name: &RoleName, observed: &Observed) -> Result<Claimed, ProvisionerError> {
        let (path, tags) = match (&observed.role, &observed.profile) {
            (Some(role), _) => (
                role.record.path.clone().unwrap_or_default(),
                role.tags.clone(),
            ),
            (None, Some(profile)) => (profile.path.clone(), profile.tags.clone()),
            (None, None) => return Err(ProvisionerError::NothingFound(name.clone())),
        };
        let namespace = self.store.namespace();
        let tags = tags.unwrap_or_default();
        let claimed = claimed_by(namespace, name.as_str(), &path, &tags);
        claimed.map_err(|source| ProvisionerError::NotAdoptable {
            name: name.clone(),
            source,
        })
    }

    /// Returns the new record of the orphan; none when it should be adopted and its cluster has another
    /// live role.
    fn record_of(
        &self,
        claimed: &Claimed,
        scope: Scope,
        spec: RoleSpec,
        resolution: Resolution,
        latest: &Latest,
    ) -> Option<Transition> {
        let is_adopted = resolution == Resolution::Adopt;
        let is_taken = latest.binding.as_ref().is_some_and(Binding::is_live);
        if is_adopted && is_taken {
            return None;
        }
        let orphan = NewBinding {
            id: claimed.binding,
            cluster: claimed.cluster.clone(),
            namespace: self.store.namespace().clone(),
            scope,
            spec,
            // The tombstone gets generation 0, so that it never replaces the cluster's newest binding.
            generation: if is_adopted { latest.generation + 1 } else { 0 },
        };
        Some(if is_adopted {
            lifecycle::adopted(orphan, latest.now)
        } else {
            lifecycle::adopted_as_deleted(orphan, latest.now)
        })
    }

    // The spec of the tombstone only determines what the removal observes: a role and a profile, or
    // a profile that contains a pass-through role.
    fn spec_to_remove(&self, claimed: &Claimed, has_role: bool, observed: &Observed) -> RoleSpec {
        let passed = observed
            .profile
            .as_ref()
            .and_then(|profile| profile.roles.as_ref()?.first().cloned());
        let own = ProfileName::from(resource_name(
            &claimed.prefix,
            &claimed.cluster,
            self.store.namespace(),
            claimed.binding,
        ));
        let foreign = passed.filter(|role| !has_role && role.name().as_str() != own.as_str());
        let mode = match foreign {
            Some(role) => ModeSpec::PassThrough(PassThroughSpec {
                iam_role: RoleReference::Name(role.name().clone()),
                instance_profile: None,
            }),
            None => ModeSpec::Create(CreateSpec {
                permissions_boundary: None,
            }),
        };
        let fallback = Region::parse("us-east-1").expect("a region's name");
        RoleSpec {
            mode,
            secrets: Secrets::All,
            session_manager: false,
            region: self.defaults.region.clone().unwrap_or(fallback),
            kms_key: None,
            role_prefix: claimed.prefix.clone(),
            tags: Tags::default(),
            administrator_tag_keys: BTreeSet::new(),
        }
    }
}
