//! What should be at AWS for a binding.

use std::collections::BTreeMap;

use engine_roles_policy::Document;

use crate::binding::record::Binding;
use crate::cluster::spec::ModeSpec;
use crate::grant::boundary::BoundaryArn;
use crate::grant::error::RolePolicyError;
use crate::grant::role_policy::{role_policy, trust_policy};
use crate::resources::names::{ProfileName, RoleName};
use crate::resources::ownership::Ownership;

/// What should be at AWS for a binding: all of it, or nothing.
#[derive(Clone, Debug)]
pub enum Desired {
    /// These resources, each where it is there at all.
    Present {
        /// The role, where the service makes one.
        role: Option<Box<DesiredRole>>,
        /// The instance profile, where the service makes one.
        profile: Option<DesiredProfile>,
    },
    /// Nothing of ours.
    Absent,
}

/// A role as it should be.
#[derive(Clone, Debug)]
pub struct DesiredRole {
    /// Its name.
    pub name: RoleName,
    /// Who may assume it.
    pub trust: Document,
    /// The most it may ever have.
    pub boundary: Option<BoundaryArn>,
    /// Its one inline policy.
    pub policy: Document,
    /// All its tags.
    pub tags: BTreeMap<String, String>,
}

/// An instance profile as it should be.
#[derive(Clone, Debug)]
pub struct DesiredProfile {
    /// Its name.
    pub name: ProfileName,
    /// The role in it.
    pub role: RoleName,
    /// All its tags.
    pub tags: BTreeMap<String, String>,
}

impl Desired {
    /// What the binding's spec and state mean.
    ///
    /// # Errors
    /// When the inline policy would be larger than IAM takes, or reach beyond the cluster.
    pub fn of(binding: &Binding) -> Result<Self, RolePolicyError> {
        if !binding.lifecycle.wants_presence() {
            return Ok(Self::Absent);
        }
        let spec = &binding.spec;
        let name = binding.resource_name();
        let tags = Ownership::of(binding).with_user_tags(&spec.tags);
        let profile = |role: &RoleName| DesiredProfile {
            name: name.clone().into(),
            role: role.clone(),
            tags: tags.clone(),
        };
        Ok(match &spec.mode {
            ModeSpec::Create(create) => Self::Present {
                profile: Some(profile(&name)),
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
                    .then(|| profile(pass.iam_role.name())),
            },
        })
    }
}
