//! The steps of a plan: one IAM call each.

use std::collections::BTreeMap;
use std::fmt;

use engine_roles_policy::Document;

use crate::binding::drift::DriftKind;
use crate::binding::record::{ProfileRecord, RoleRecord};
use crate::grant::boundary::BoundaryArn;
use crate::resources::names::{ProfileName, ResourceKind, ResourcePath, RoleName};

/// Whether a call can change something at AWS. An unanswered write may have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// A Get, List or Simulate call.
    Read,
    /// Any other call.
    Write,
}

impl CallKind {
    /// Returns the word in the database and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The outcome of a step that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// A role was created.
    Role(RoleRecord),
    /// An instance profile was created.
    Profile(ProfileRecord),
    /// AWS accepted the call, which creates no resource.
    Done,
    /// AWS answered that the resource to be removed does not exist.
    AlreadyGone,
    /// AWS denied the removal, and a read does not show the resource. IAM evaluates a call on a
    /// missing resource without the resource's path, so a policy that allows resources by path
    /// denies it.
    Unseen,
}

/// One write call to IAM, with its parameters.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "IAM's own names of calls and parameters")]
pub enum Step {
    CreateRole {
        role: RoleName,
        path: ResourcePath,
        /// The trust policy: who may assume the role.
        trust: Document,
        /// The permissions boundary; none where the spec has none.
        boundary: Option<BoundaryArn>,
        tags: BTreeMap<String, String>,
    },
    CreateInstanceProfile {
        profile: ProfileName,
        path: ResourcePath,
        tags: BTreeMap<String, String>,
    },
    /// Replaces our inline policy as a whole.
    PutRolePolicy {
        role: RoleName,
        document: Document,
    },
    AddRoleToInstanceProfile {
        profile: ProfileName,
        role: RoleName,
    },
    TagRole {
        role: RoleName,
        tags: BTreeMap<String, String>,
    },
    UntagRole {
        role: RoleName,
        keys: Vec<String>,
    },
    TagInstanceProfile {
        profile: ProfileName,
        tags: BTreeMap<String, String>,
    },
    UntagInstanceProfile {
        profile: ProfileName,
        keys: Vec<String>,
    },
    DeleteRolePolicy {
        role: RoleName,
        policy: String,
    },
    DetachRolePolicy {
        role: RoleName,
        policy_arn: String,
    },
    RemoveRoleFromInstanceProfile {
        profile: ProfileName,
        role: RoleName,
    },
    DeleteRole {
        role: RoleName,
    },
    DeleteInstanceProfile {
        profile: ProfileName,
    },
}

impl Step {
    /// Returns the name of the IAM call.
    pub fn action(&self) -> &'static str {
        match self {
            Self::CreateRole { .. } => "CreateRole",
            Self::CreateInstanceProfile { .. } => "CreateInstanceProfile",
            Self::PutRolePolicy { .. } => "PutRolePolicy",
            Self::AddRoleToInstanceProfile { .. } => "AddRoleToInstanceProfile",
            Self::TagRole { .. } => "TagRole",
            Self::UntagRole { .. } => "UntagRole",
            Self::TagInstanceProfile { .. } => "TagInstanceProfile",
            Self::UntagInstanceProfile { .. } => "UntagInstanceProfile",
            Self::DeleteRolePolicy { .. } => "DeleteRolePolicy",
            Self::DetachRolePolicy { .. } => "DetachRolePolicy",
            Self::RemoveRoleFromInstanceProfile { .. } => "RemoveRoleFromInstanceProfile",
            Self::DeleteRole { .. } => "DeleteRole",
            Self::DeleteInstanceProfile { .. } => "DeleteInstanceProfile",
        }
    }

    /// Returns the resource that the call is about, in words for messages and for the receipt.
    pub fn target(&self) -> String {
        match self {
            Self::CreateRole { role, .. }
            | Self::PutRolePolicy { role, .. }
            | Self::TagRole { role, .. }
            | Self::UntagRole { role, .. }
            | Self::DeleteRole { role } => format!("role {role}"),
            Self::DeleteRolePolicy { role, policy } => format!("policy {policy} of role {role}"),
            Self::DetachRolePolicy { role, policy_arn } => {
                format!("managed policy {policy_arn} of role {role}")
            }
            Self::CreateInstanceProfile { profile, .. }
            | Self::TagInstanceProfile { profile, .. }
            | Self::UntagInstanceProfile { profile, .. }
            | Self::DeleteInstanceProfile { profile } => format!("instance profile {profile}"),
            Self::AddRoleToInstanceProfile { profile, role }
            | Self::RemoveRoleFromInstanceProfile { profile, role } => {
                format!("role {role} in instance profile {profile}")
            }
        }
    }

    /// Returns whether the call repairs drift of this kind.
    pub fn repairs(&self, drift: DriftKind) -> bool {
        match self {
            Self::PutRolePolicy { .. } => {
                matches!(drift, DriftKind::PolicyChanged | DriftKind::PolicyMissing)
            }
            Self::TagRole { .. } | Self::TagInstanceProfile { .. } => {
                drift == DriftKind::TagsChanged
            }
            Self::AddRoleToInstanceProfile { .. } => drift == DriftKind::RoleOutOfProfile,
            _ => false,
        }
    }

    /// Returns the kind of resource that the call creates, changes or removes.
    pub fn resource(&self) -> ResourceKind {
        match self {
            Self::CreateRole { .. }
            | Self::PutRolePolicy { .. }
            | Self::TagRole { .. }
            | Self::UntagRole { .. }
            | Self::DeleteRolePolicy { .. }
            | Self::DetachRolePolicy { .. }
            | Self::DeleteRole { .. } => ResourceKind::Role,
            Self::CreateInstanceProfile { .. }
            | Self::AddRoleToInstanceProfile { .. }
            | Self::TagInstanceProfile { .. }
            | Self::UntagInstanceProfile { .. }
            | Self::RemoveRoleFromInstanceProfile { .. }
            | Self::DeleteInstanceProfile { .. } => ResourceKind::InstanceProfile,
        }
    }

    /// Returns whether the call deletes a role or an instance profile.
    pub fn deletes_resource(&self) -> bool {
        matches!(
            self,
            Self::DeleteRole { .. } | Self::DeleteInstanceProfile { .. }
        )
    }

    /// Returns whether the call creates a role or an instance profile, which would become an orphan
    /// if it were not recorded.
    pub fn creates(&self) -> bool {
        matches!(
            self,
            Self::CreateRole { .. } | Self::CreateInstanceProfile { .. }
        )
    }

    /// Returns the call that removes what this call creates; none where it creates nothing.
    pub fn undone(&self) -> Option<Self> {
        match self {
            Self::CreateRole { role, .. } => Some(Self::DeleteRole { role: role.clone() }),
            Self::CreateInstanceProfile { profile, .. } => Some(Self::DeleteInstanceProfile {
                profile: profile.clone(),
            }),
            _ => None,
        }
    }

    /// Returns whether the step puts a role into an instance profile.
    pub fn passes_role(&self) -> bool {
        matches!(self, Self::AddRoleToInstanceProfile { .. })
    }

    /// Returns whether the call removes something, so that the answer `NoSuchEntity` means success.
    pub fn removes(&self) -> bool {
        matches!(
            self,
            Self::DeleteRolePolicy { .. }
                | Self::DetachRolePolicy { .. }
                | Self::RemoveRoleFromInstanceProfile { .. }
                | Self::DeleteRole { .. }
                | Self::DeleteInstanceProfile { .. }
        )
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.action(), self.target())
    }
}
