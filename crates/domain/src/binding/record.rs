//! The record that a cluster has a role.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::account::Scope;
use crate::binding::consistency::Consistency;
use crate::binding::drift::Drift;
use crate::binding::failure::{Failure, FailureCode};
use crate::binding::id::{BindingId, Generation};
use crate::binding::lifecycle::stage::Lifecycle;
use crate::binding::receipt::Receipt;
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

/// The record that a cluster has a role.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Identifies the incarnation.
    pub id: BindingId,
    /// Whose role it is.
    pub cluster: ClusterName,
    /// The installation that made it.
    pub namespace: Namespace,
    /// The account and partition in which it was made.
    pub scope: Scope,
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
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
    /// How often the current intent was tried.
    pub attempts: i32,
    /// From when on IAM's answers about the binding can be believed.
    pub consistency: Consistency,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
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

    /// Returns the word for the binding's state on the wire and in the database.
    pub fn state(&self) -> State {
        self.lifecycle.state()
    }

    /// Returns whether anything of the binding may still exist at AWS, so that the cluster can't
    /// have another binding.
    pub fn is_live(&self) -> bool {
        self.lifecycle.is_live()
    }

    /// Returns what went wrong last.
    pub fn last_error(&self) -> Option<&Failure> {
        self.lifecycle.last_error()
    }

    /// Returns what a removal did so far.
    pub fn receipt(&self) -> Option<&Receipt> {
        self.lifecycle.receipt()
    }

    /// Returns whether the current intent has not been carried out yet, so that somebody has to
    /// converge the binding.
    pub fn is_intent_pending(&self) -> bool {
        self.is_live() && self.applied_generation != Some(self.generation)
    }

    /// Describes a failure of the current intent, one that is not tried again.
    pub fn failure(&self, code: FailureCode, detail: String, now: DateTime<Utc>) -> Failure {
        Failure {
            code,
            detail,
            missing_permissions: Vec::new(),
            blockers: Vec::new(),
            generation: self.generation,
            at: now,
            attempts: self.attempts,
            next_attempt_at: None,
        }
    }
}
