//! The record that a cluster has a role.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::account::Scope;
use crate::binding::drift::Drift;
use crate::binding::failure::Failure;
use crate::binding::id::{BindingId, Generation};
use crate::binding::state::State;
use crate::cluster::name::ClusterName;
use crate::cluster::spec::{Mode, ModeSpec, RoleSpec};
use crate::resources::arn::IamResource;
use crate::resources::names::{Namespace, ProfileName, RoleName, resource_name};

/// A role as IAM answered it, or as the administrator named it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRecord {
    /// Its name.
    pub name: RoleName,
    /// Its ARN, where it is known.
    pub arn: Option<String>,
    /// Its unique id (`AROA…`), where IAM was asked.
    pub id: Option<String>,
    /// Its path, where it is known.
    pub path: Option<String>,
}

/// An instance profile as IAM answered it, or as the administrator named it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileRecord {
    /// Its name.
    pub name: ProfileName,
    /// Its ARN, where it is known.
    pub arn: Option<String>,
    /// Its unique id (`AIPA…`), where IAM was asked.
    pub id: Option<String>,
    /// Whether this service made it and removes it.
    pub managed: bool,
}

/// What a teardown did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// When the engine's own grant ended: its inline policy was gone.
    pub grant_ended_at: Option<DateTime<Utc>>,
    /// When all access ended: the role was gone. None in pass-through, where the role stays.
    pub access_ended_at: Option<DateTime<Utc>>,
    /// What was removed, by kind and name.
    pub removed: Vec<String>,
    /// What was found and left, with the reason.
    pub left: Vec<String>,
}

/// The record that a cluster has a role.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// This life.
    pub id: BindingId,
    /// Whose role it is.
    pub cluster: ClusterName,
    /// The installation that made it.
    pub namespace: Namespace,
    /// The account and partition in which it was made.
    pub scope: Scope,
    /// Where it stands.
    pub state: State,
    /// Whether anything of it may still be at AWS, so that the cluster can't have another.
    pub live: bool,
    /// The intent.
    pub generation: Generation,
    /// The last intent that IAM took in full.
    pub applied_generation: Option<Generation>,
    /// What should be.
    pub spec: RoleSpec,
    /// The last spec that IAM took in full.
    pub applied_spec: Option<RoleSpec>,
    /// Keys of tags that an intent which IAM never took in full may have set all the same; they
    /// are taken off again unless they are meant.
    pub unapplied_tags: BTreeSet<String>,
    /// The role, once it is made or named.
    pub role: Option<RoleRecord>,
    /// The instance profile, once it is made or named.
    pub profile: Option<ProfileRecord>,
    /// The inline policy as applied.
    pub policy: Option<serde_json::Value>,
    /// EC2 is expected to know the profile by then.
    pub usable_after: Option<DateTime<Utc>>,
    /// IAM was last read and held what is meant.
    pub verified_at: Option<DateTime<Utc>>,
    /// What differs.
    pub drift: Vec<Drift>,
    /// What went wrong last.
    pub last_error: Option<Failure>,
    /// How often the current intent was tried.
    pub attempts: i32,
    /// Until then reads of IAM may not yet show our own writes.
    pub reads_settle_at: Option<DateTime<Utc>>,
    /// Until then a write of ours that nobody saw answered may still take effect.
    pub writes_settle_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// What the teardown did.
    pub receipt: Option<Receipt>,
}

impl Binding {
    /// Where the role comes from.
    pub fn mode(&self) -> Mode {
        self.spec.mode.mode()
    }

    /// The name of what this service makes for the binding.
    pub fn resource_name(&self) -> RoleName {
        resource_name(
            &self.spec.role_prefix,
            &self.cluster,
            &self.namespace,
            self.id,
        )
    }

    /// The name of the role that the engine gets: made for the binding, or the administrator's.
    pub fn role_name(&self) -> RoleName {
        match &self.spec.mode {
            ModeSpec::Create(_) => self.resource_name(),
            ModeSpec::PassThrough(pass) => pass.iam_role.name().clone(),
        }
    }

    /// What a statement that is to allow something with the role has for a resource: the
    /// administrator's role, or all that this installation makes.
    pub fn role_resource(&self) -> String {
        match &self.spec.mode {
            ModeSpec::Create(_) => {
                let path = self.namespace.path();
                path.arn_pattern(IamResource::Role, &self.scope)
            }
            ModeSpec::PassThrough(pass) => pass.iam_role.arn_in(&self.scope).to_string(),
        }
    }

    /// Whether this service wants the role to be there.
    pub fn wants_presence(&self) -> bool {
        matches!(self.state, State::Provisioning | State::Active)
    }

    /// Whether IAM's answers about this binding are past the consistency window: what is then
    /// not seen is not there, and nothing of ours is still on its way.
    pub fn settled(&self, now: DateTime<Utc>) -> bool {
        self.reads_settle_at.is_none_or(|at| at <= now)
            && self.writes_settle_at.is_none_or(|at| at <= now)
    }
}
