//! The record that ties a cluster to its role.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::account::Scope;
use crate::binding::consistency::Consistency;
use crate::binding::drift::Drift;
use crate::binding::failure::{Failure, FailureCode};
use crate::binding::id::{BindingId, Generation};
use crate::binding::intent_key::IntentKey;
use crate::binding::lifecycle::stage::Lifecycle;
use crate::binding::receipt::Receipt;
use crate::binding::state::State;
use crate::cluster::name::ClusterName;
use crate::cluster::spec::{Mode, ModeSpec, PassThroughSpec, RoleReference, RoleSpec};
use crate::resources::arn::{IamArn, IamResource};
use crate::resources::names::{Namespace, ProfileName, RoleName, resource_name};

/// A role as IAM returned it, or as the administrator named it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRecord {
    /// The name, which is unique in the account.
    pub name: RoleName,
    /// The ARN; none for a role that the administrator named without one.
    pub arn: Option<String>,
    /// The unique id (`AROA…`); a role that is deleted and created again gets another. None where
    /// IAM never returned one.
    pub id: Option<String>,
    /// The path, with a slash at both ends; none for a role that the administrator named without
    /// an ARN.
    pub path: Option<String>,
}

/// An instance profile as IAM returned it, or as the administrator named it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileRecord {
    /// The name, which is unique in the account.
    pub name: ProfileName,
    /// The ARN; none for the administrator's profile.
    pub arn: Option<String>,
    /// The unique id (`AIPA…`); a profile that is deleted and created again gets another. None for
    /// the administrator's profile.
    pub id: Option<String>,
    /// Whether this service created the profile and removes it.
    pub managed: bool,
}

/// The record that ties a cluster to its role, for one incarnation of the role.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// The id of the incarnation. Resource names contain a hash of it, and a tag has it.
    pub id: BindingId,
    /// The cluster whose engine gets the role.
    pub cluster: ClusterName,
    /// The installation that recorded the binding. An installation never touches bindings of
    /// another.
    pub namespace: Namespace,
    /// The account and partition of the binding's resources.
    pub scope: Scope,
    /// The state, with the data that belongs to it.
    pub lifecycle: Lifecycle,
    /// The generation of the current intent.
    pub generation: Generation,
    /// The number of the representation: the database raises it with every change that a caller
    /// can see. 1 for a new binding.
    pub revision: i64,
    /// Recognises the request that recorded the current intent; none where it had no condition.
    pub intent_key: Option<IntentKey>,
    /// The generation of the last intent that AWS accepted in full; none until AWS has accepted
    /// one.
    pub applied_generation: Option<Generation>,
    /// The spec of the current intent.
    pub spec: RoleSpec,
    /// The last spec that AWS accepted in full; none until AWS has accepted one.
    pub applied_spec: Option<RoleSpec>,
    /// Keys of tags that an intent may have set or removed although AWS never accepted that intent
    /// in full. The tags are removed unless the spec has them, and set again if it has.
    pub unapplied_tags: BTreeSet<String>,
    /// The role; none before AWS or the administrator named it.
    pub role: Option<RoleRecord>,
    /// The instance profile; none before AWS or the administrator named it.
    pub profile: Option<ProfileRecord>,
    /// The inline policy that was last written; none in mode pass-through, and until a policy is
    /// written.
    pub policy: Option<serde_json::Value>,
    /// When EC2 is expected to know the instance profile; none before the profile is complete.
    pub usable_after: Option<DateTime<Utc>>,
    /// When a check last found no drift; none until a check has found none.
    pub verified_at: Option<DateTime<Utc>>,
    /// The drift that the last check found.
    pub drift: Vec<Drift>,
    /// The number of failed attempts at the current intent.
    pub attempts: i32,
    /// The times from which IAM's answers about the binding can be believed.
    pub consistency: Consistency,
    /// The database's time when the binding was recorded.
    pub created_at: DateTime<Utc>,
    /// The database's time at the last change.
    pub updated_at: DateTime<Utc>,
}

impl Binding {
    /// Returns whether this service creates the role or the administrator prepared it.
    pub fn mode(&self) -> Mode {
        self.spec.mode.mode()
    }

    /// Returns the name of the role and the instance profile that this service creates for the
    /// binding.
    pub fn resource_name(&self) -> RoleName {
        resource_name(
            &self.spec.role_prefix,
            &self.cluster,
            &self.namespace,
            self.id,
        )
    }

    /// Returns the name of the role that the engine gets: its own, or the administrator's.
    pub fn role_name(&self) -> RoleName {
        match &self.spec.mode {
            ModeSpec::Create(_) => self.resource_name(),
            ModeSpec::PassThrough(pass) => pass.iam_role.name().clone(),
        }
    }

    /// Returns the role that the engine should get: by ARN where the administrator listed it by ARN.
    pub fn role_reference(&self) -> RoleReference {
        match &self.spec.mode {
            ModeSpec::Create(_) => RoleReference::Name(self.resource_name()),
            ModeSpec::PassThrough(pass) => pass.iam_role.clone(),
        }
    }

    /// Returns the name of the instance profile that the engine gets: its own, or the administrator's.
    pub fn profile_name(&self) -> ProfileName {
        match &self.spec.mode {
            ModeSpec::PassThrough(PassThroughSpec {
                instance_profile: Some(profile),
                ..
            }) => profile.clone(),
            ModeSpec::PassThrough(_) | ModeSpec::Create(_) => self.resource_name().into(),
        }
    }

    /// Returns the role as it is known from the moment when the intent is recorded: with its name and
    /// ARN, and with its unique id once AWS has created it.
    pub fn known_role(&self) -> RoleRecord {
        if let Some(role) = &self.role {
            return role.clone();
        }
        let arn = match &self.spec.mode {
            ModeSpec::Create(_) => Some(self.own_arn(IamResource::Role)),
            ModeSpec::PassThrough(pass) => pass.iam_role.arn(),
        };
        RoleRecord {
            name: self.role_name(),
            id: None,
            path: arn.as_ref().map(|arn| arn.path.clone()),
            arn: arn.map(|arn| arn.to_string()),
        }
    }

    /// Returns the instance profile as it is known from the moment when the intent is recorded.
    pub fn known_profile(&self) -> ProfileRecord {
        if let Some(profile) = &self.profile {
            return profile.clone();
        }
        let name = self.profile_name();
        let managed = name == self.resource_name().into();
        let arn = managed.then(|| self.own_arn(IamResource::InstanceProfile).to_string());
        ProfileRecord {
            name,
            arn,
            id: None,
            managed,
        }
    }

    fn own_arn(&self, resource: IamResource) -> IamArn {
        IamArn {
            partition: self.scope.partition,
            account: Some(self.scope.account.clone()),
            resource,
            path: self.namespace.path().as_str().to_owned(),
            name: self.resource_name().as_str().to_owned(),
        }
    }

    /// Returns the `Resource` of a policy statement that allows an action on the role: the ARN of
    /// the administrator's role, or a pattern for all roles of this installation.
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

    /// Returns the last failure, or the rejection that a withdrawal or a closed record keeps.
    pub fn last_error(&self) -> Option<&Failure> {
        self.lifecycle.last_error()
    }

    /// Returns what a removal did so far; none where nothing is or was being removed.
    pub fn receipt(&self) -> Option<&Receipt> {
        self.lifecycle.receipt()
    }

    /// Returns whether the current intent has not been carried out yet, so that the binding has to
    /// be converged.
    pub fn is_intent_pending(&self) -> bool {
        self.is_live() && self.applied_generation != Some(self.generation)
    }

    /// Returns a final failure of the current intent.
    pub fn failure(&self, code: FailureCode, detail: String, now: DateTime<Utc>) -> Failure {
        Failure {
            code,
            detail,
            missing_permissions: Vec::new(),
            denied_by: None,
            blockers: Vec::new(),
            generation: self.generation,
            at: now,
            attempts: self.attempts,
            next_attempt_at: None,
        }
    }
}
