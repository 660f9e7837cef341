//! The drift that a binding records.

use serde::{Deserialize, Serialize};

/// One way in which AWS differs from the applied spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// What differs.
    pub kind: DriftKind,
    /// What the read showed, in words for a person.
    pub detail: String,
    /// The permission that the repair lacks, such as `iam:PutRolePolicy`; none where AWS denied no
    /// repair.
    pub missing_permission: Option<String>,
}

/// The kinds of drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// Our inline policy differs in meaning.
    PolicyChanged,
    /// Our inline policy is gone.
    PolicyMissing,
    /// Tags of the role or the profile differ.
    TagsChanged,
    /// The role is not in its instance profile.
    RoleOutOfProfile,
    /// Another role is in our instance profile.
    OtherRoleInProfile,
    /// The role has an inline policy that is not ours.
    ForeignInlinePolicy,
    /// The role has a managed policy; we never attach one.
    ForeignManagedPolicy,
    /// The trust policy differs in meaning.
    TrustChanged,
    /// The permissions boundary differs or is gone.
    BoundaryChanged,
    /// The role does not exist any more.
    RoleDeleted,
    /// The instance profile does not exist any more.
    ProfileDeleted,
    /// The role was deleted, and somebody else created a role of the same name.
    RoleRecreated,
    /// The instance profile was deleted, and somebody else created one of the same name.
    ProfileRecreated,
}

impl DriftKind {
    /// Returns the word in JSON, in the audit log and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PolicyChanged => "policy_changed",
            Self::PolicyMissing => "policy_missing",
            Self::TagsChanged => "tags_changed",
            Self::RoleOutOfProfile => "role_out_of_profile",
            Self::OtherRoleInProfile => "other_role_in_profile",
            Self::ForeignInlinePolicy => "foreign_inline_policy",
            Self::ForeignManagedPolicy => "foreign_managed_policy",
            Self::TrustChanged => "trust_changed",
            Self::BoundaryChanged => "boundary_changed",
            Self::RoleDeleted => "role_deleted",
            Self::ProfileDeleted => "profile_deleted",
            Self::RoleRecreated => "role_recreated",
            Self::ProfileRecreated => "profile_recreated",
        }
    }
}
