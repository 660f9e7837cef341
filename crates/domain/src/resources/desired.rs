//! The resources that should exist at AWS for a binding.

use std::collections::BTreeMap;

use engine_roles_policy::Document;

use crate::binding::record::Binding;
use crate::cluster::spec::{ModeSpec, RoleReference};
use crate::grant::boundary::BoundaryArn;
use crate::grant::error::RolePolicyError;
use crate::grant::role_policy::{role_policy, trust_policy};
use crate::resources::names::{ProfileName, RoleName};
use crate::resources::ownership::Ownership;

/// The resources that should exist at AWS for a binding: all of them, or none.
#[derive(Clone, Debug)]
pub enum Desired {
    /// These resources should exist.
    Present {
        /// The role; none where the administrator prepared it.
        role: Option<Box<DesiredRole>>,
        /// The instance profile; none where the administrator prepared it.
        profile: Option<DesiredProfile>,
    },
    /// No resource of ours should exist.
    Absent,
}

/// The desired state of a role.
#[derive(Clone, Debug)]
pub struct DesiredRole {
    /// The role's name.
    pub name: RoleName,
    /// The trust policy: who may assume the role.
    pub trust: Document,
    /// The permissions boundary; none where the spec has none.
    pub boundary: Option<BoundaryArn>,
    /// The role's only inline policy.
    pub policy: Document,
    /// All tags: the ownership tags, the administrator's and the caller's.
    pub tags: BTreeMap<String, String>,
}

/// The desired state of an instance profile.
#[derive(Clone, Debug)]
pub struct DesiredProfile {
    /// The instance profile's name.
    pub name: ProfileName,
    /// The role in it: by ARN where the administrator listed it by ARN.
    pub role: RoleReference,
    /// All tags: the ownership tags, the administrator's and the caller's.
    pub tags: BTreeMap<String, String>,
}

impl Desired {
    /// Returns the desired resources by the binding's spec and state.
    ///
    /// # Errors
    /// When the inline policy would be larger than IAM allows, or would grant more than the
    /// cluster's secrets.
    pub fn of(binding: &Binding) -> Result<Self, RolePolicyError> {
        if !binding.lifecycle.wants_presence() {
            return Ok(Self::Absent);
        }
        let spec = &binding.spec;
        let name = binding.resource_name();
        let tags = Ownership::of(binding).with_user_tags(&spec.tags);
        let profile = |role: RoleReference| DesiredProfile {
            name: name.clone().into(),
            role,
            tags: tags.clone(),
        };
        Ok(match &spec.mode {
            ModeSpec::Create(create) => Self::Present {
                profile: Some(profile(RoleReference::Name(name.clone()))),
                role: Some(Box::new(DesiredRole {
                    trust: trust_policy(binding.scope.partition)?,
                    boundary: create.permissions_boundary.clone(),
                    policy: role_policy(spec, &binding.scope, &binding.cluster)?,
                    name,
                    tags,
                })),
            },
            ModeSpec::PassThrough(pass) => Self::Present {
                role: None,
                profile: pass
                    .instance_profile
                    .is_none()
                    .then(|| profile(pass.iam_role.clone())),
            },
        })
    }
}
