//! One call to IAM, as a plan holds it.

use std::collections::BTreeMap;
use std::fmt;

use engine_roles_policy::Document;

use crate::binding::drift::DriftKind;
use crate::binding::record::{ProfileRecord, RoleRecord};
use crate::grant::boundary::BoundaryArn;
use crate::resources::names::{ProfileName, ResourcePath, RoleName};

/// Whether a call changes something: an unanswered write may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// Get, List and Simulate calls.
    Read,
    /// All others.
    Write,
}

impl CallKind {
    /// The word in the database and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// How AWS answered a step that it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It made a role.
    Role(RoleRecord),
    /// It made an instance profile.
    Profile(ProfileRecord),
    /// It made nothing new.
    Done,
    /// What was to be removed was not there, as far as IAM sees.
    AlreadyGone,
    /// The removal was denied, and a read does not show what was to be removed: what is not there
    /// has no path, so that a policy which goes by paths denies it.
    Unseen,
}

/// One call to IAM.
#[derive(Clone, Debug)]
pub enum Step {
    /// Makes the role.
    CreateRole {
        /// Its name.
        role: RoleName,
        /// Its path.
        path: ResourcePath,
        /// Who may assume it.
        trust: Document,
        /// The most it may ever have.
        boundary: Option<BoundaryArn>,
        /// Its tags.
        tags: BTreeMap<String, String>,
    },
    /// Makes the instance profile.
    CreateInstanceProfile {
        /// Its name.
        profile: ProfileName,
        /// Its path.
        path: ResourcePath,
        /// Its tags.
        tags: BTreeMap<String, String>,
    },
    /// Writes the inline policy.
    PutRolePolicy {
        /// The role.
        role: RoleName,
        /// The document.
        document: Document,
    },
    /// Puts the role into the profile.
    AddRoleToInstanceProfile {
        /// The profile.
        profile: ProfileName,
        /// The role.
        role: RoleName,
    },
    /// Sets tags on the role.
    TagRole {
        /// The role.
        role: RoleName,
        /// The tags.
        tags: BTreeMap<String, String>,
    },
    /// Takes tags off the role.
    UntagRole {
        /// The role.
        role: RoleName,
        /// Their keys.
        keys: Vec<String>,
    },
    /// Sets tags on the profile.
    TagInstanceProfile {
        /// The profile.
        profile: ProfileName,
        /// The tags.
        tags: BTreeMap<String, String>,
    },
    /// Takes tags off the profile.
    UntagInstanceProfile {
        /// The profile.
        profile: ProfileName,
        /// Their keys.
        keys: Vec<String>,
    },
    /// Removes an inline policy.
    DeleteRolePolicy {
        /// The role.
        role: RoleName,
        /// The policy.
        policy: String,
    },
    /// Takes a managed policy off the role.
    DetachRolePolicy {
        /// The role.
        role: RoleName,
        /// The policy's ARN.
        policy_arn: String,
    },
    /// Takes the role out of the profile.
    RemoveRoleFromInstanceProfile {
        /// The profile.
        profile: ProfileName,
        /// The role.
        role: RoleName,
    },
    /// Removes the role.
    DeleteRole {
        /// The role.
        role: RoleName,
    },
    /// Removes the instance profile.
    DeleteInstanceProfile {
        /// The profile.
        profile: ProfileName,
    },
}

impl Step {
    /// The name of the IAM call.
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

    /// What the call is about: a role or an instance profile, by name.
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

    /// Returns whether the call removes a role or an instance profile itself.
    pub fn deletes_resource(&self) -> bool {
        matches!(
            self,
            Self::DeleteRole { .. } | Self::DeleteInstanceProfile { .. }
        )
    }

    /// Whether the call makes a resource that would stay behind if nobody remembered it.
    pub fn creates(&self) -> bool {
        matches!(
            self,
            Self::CreateRole { .. } | Self::CreateInstanceProfile { .. }
        )
    }

    /// Whether the call takes something away, so that an answer of "not there" is success.
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
