//! What stands under our path and no record knows, by an operator's word: taken over or removed.

use std::sync::Arc;

use engine_roles_domain::account::Region;
use engine_roles_domain::binding::{Actor, Binding};
use engine_roles_domain::cluster::{
    CreateSpec, ModeSpec, PassThroughSpec, RoleReference, RoleSpec, Secrets,
};
use engine_roles_domain::resources::{
    Claimed, NotAdoptable, Observed, ProfileName, RoleName, Tags, claimed_by, resource_name,
    spec_of,
};
use engine_roles_iam::{CallerError, Depth, IamError, Target};
use engine_roles_store::{Declaration, Orphan, StoreError};

use crate::Provisioner;
use crate::worker::{self, Cause};

/// Why an operator's word about an orphan was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrphanError {
    /// The name is none that a role may have.
    #[error("{0} is no role's name")]
    Name(String),
    /// AWS holds nothing of this name.
    #[error("AWS holds no role and no instance profile called {0}")]
    NotFound(RoleName),
    /// It can't be taken over.
    #[error("{name} can't be taken over")]
    NotAdoptable {
        /// Its name.
        name: RoleName,
        /// Why.
        #[source]
        source: NotAdoptable,
    },
    /// The database knows it, or the cluster has another live role.
    #[error("{0} is known, or its cluster has another live role")]
    Known(RoleName),
    /// AWS failed.
    #[error("AWS could not be read")]
    Iam(#[from] IamError),
    /// It is not known who we are.
    #[error("it is not known in which account this service works")]
    Scope(#[from] CallerError),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] StoreError),
}

impl Provisioner {
    /// What the last sweep found that no record knows.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn orphans(&self) -> Result<Vec<Orphan>, StoreError> {
        self.inner.store.orphans().await
    }

    /// Takes an orphan over: writes it down as its cluster's live role, with the spec that its
    /// policy and tags show, and brings it to that spec.
    ///
    /// # Errors
    /// When it is not provably ours, is known, or something failed.
    pub async fn adopt_orphan(&self, name: &str, actor: Actor) -> Result<Binding, OrphanError> {
        self.settle_orphan(name, actor, true).await
    }

    /// Removes an orphan: writes it down as a life that is over, and removes what is proved its own.
    ///
    /// # Errors
    /// As [`Provisioner::adopt_orphan`].
    pub async fn remove_orphan(&self, name: &str, actor: Actor) -> Result<Binding, OrphanError> {
        self.settle_orphan(name, actor, false).await
    }

    async fn settle_orphan(
        &self,
        name: &str,
        actor: Actor,
        lives: bool,
    ) -> Result<Binding, OrphanError> {
        let inner = &self.inner;
        let name = RoleName::parse(name).map_err(|_| OrphanError::Name(name.to_owned()))?;
        let scope = inner.scope.get(&inner.iam).await?.clone();
        let target = Target {
            role: Some(name.clone()),
            profile: Some(name.clone().into()),
        };
        let seen = inner.iam.observe(&target, Depth::Contents).await?;
        let refuse = |source| OrphanError::NotAdoptable {
            name: name.clone(),
            source,
        };
        let (path, tags) = match &seen {
            Observed {
                role: Some(role), ..
            } => (
                role.record.path.clone().unwrap_or_default(),
                role.tags.clone(),
            ),
            Observed {
                profile: Some(profile),
                ..
            } => (profile.path.clone(), profile.tags.clone()),
            Observed {
                role: None,
                profile: None,
            } => return Err(OrphanError::NotFound(name)),
        };
        let namespace = inner.store.namespace();
        let claimed = claimed_by(namespace, name.as_str(), &path, &tags.unwrap_or_default());
        let claimed = claimed.map_err(refuse)?;
        let spec = match (&seen.role, lives) {
            (Some(role), true) => spec_of(&claimed, role).map_err(refuse)?,
            (None, true) => {
                let reason = "it has no role; provision the cluster anew and remove this";
                return Err(refuse(NotAdoptable::Unreadable(reason)));
            }
            (role, false) => ended(inner, &claimed, role.is_some(), &seen),
        };
        let declaration = Declaration {
            cluster: claimed.cluster.clone(),
            actor: actor.clone(),
            request_id: None,
        };
        let claim = inner
            .store
            .adopt(&declaration, &scope, &claimed, &spec, lives)
            .await?;
        let claim = claim.ok_or_else(|| OrphanError::Known(name.clone()))?;
        let id = claim.binding.id;
        let cause = Cause {
            actor,
            request_id: None,
        };
        Box::pin(worker::work(Arc::clone(inner), claim, cause, false)).await;
        inner.store.forget_orphan(name.as_str()).await?;
        let binding = inner.store.binding(id).await?;
        binding.ok_or(OrphanError::NotFound(name))
    }
}

// The spec of a life that is over says only what is to be looked for: a role and a profile, or a
// profile around somebody else's role.
fn ended(
    inner: &crate::service::Inner,
    claimed: &Claimed,
    has_role: bool,
    seen: &Observed,
) -> RoleSpec {
    let passed = seen
        .profile
        .as_ref()
        .and_then(|profile| profile.roles.as_ref()?.first().cloned());
    let own = ProfileName::from(resource_name(
        &claimed.prefix,
        &claimed.cluster,
        inner.store.namespace(),
        claimed.binding,
    ));
    let foreign = passed.filter(|role| !has_role && role.as_str() != own.as_str());
    let mode = match foreign {
        Some(role) => ModeSpec::PassThrough(PassThroughSpec {
            iam_role: RoleReference::Name(role),
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
        region: inner.settings.defaults.region.clone().unwrap_or(fallback),
        kms_key: None,
        role_prefix: claimed.prefix.clone(),
        tags: Tags::default(),
    }
}
