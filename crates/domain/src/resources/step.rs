//! One call to IAM, as a plan holds it.

use std::collections::BTreeMap;
use std::fmt;

use engine_roles_policy::Document;

use crate::binding::drift::DriftKind;
use crate::binding::record::{ProfileRecord, RoleRecord};
use crate::grant::boundary::BoundaryArn;
use crate::resources::names::{ProfileName, ResourceKind, ResourcePath, RoleName};

/// Whether a call changes something: an unanswered write may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// Get, List and Simulate calls.
    Read,
    /// Every other call.
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

/// How AWS answered a step that it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// A role was created.
    Role(RoleRecord),
    /// An instance profile was created.
    Profile(ProfileRecord),
    /// AWS took the call, and it created no resource.
    Done,
    /// What was to be removed was not there, as far as IAM sees.
    AlreadyGone,
    /// The removal was denied, and a read does not show what was to be removed: what is not there
    /// has no path, so that a policy which goes by paths denies it.
    Unseen,
}

/// One write to IAM, with what it takes.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "IAM's own names of calls and parameters")]
pub enum Step {
    CreateRole {
        role: RoleName,
        path: ResourcePath,
        /// The trust policy: who may assume the role.
        trust: Document,
        /// The permissions boundary; none where the installation sets none.
        boundary: Option<BoundaryArn>,
        tags: BTreeMap<String, String>,
    },
    CreateInstanceProfile {
        profile: ProfileName,
        path: ResourcePath,
        tags: BTreeMap<String, String>,
    },
    /// Replaces the inline policy as a whole; IAM keeps one document per policy name.
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

    /// Returns what the call is about, in words for a message and for the receipt.
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

    /// Returns which kind of resource the call creates, changes or removes.
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

    /// Returns whether the call removes a role or an instance profile itself.
    pub fn deletes_resource(&self) -> bool {
        matches!(
            self,
            Self::DeleteRole { .. } | Self::DeleteInstanceProfile { .. }
        )
    }

    /// Returns whether the call creates a resource that would stay behind if nobody remembered it.
    pub fn creates(&self) -> bool {
        matches!(
            self,
            Self::CreateRole { .. } | Self::CreateInstanceProfile { .. }
        )
    }

    /// Returns whether the call takes something away, so that an answer of "not there" is success.
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
