//! The last failure of a binding.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::binding::id::Generation;
use crate::identity::denial::DeniedBy;

/// The stable codes of a binding's `last_error`. The HTTP interface uses the same codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// Our identity lacks a permission.
    MissingPermission,
    /// A quota of the account is used up.
    QuotaExceeded,
    /// A resource of the same name exists that is not provably ours.
    NameTaken,
    /// The permissions boundary does not exist, or our identity may not use it.
    BoundaryNotAllowed,
    /// The inline policy is larger than IAM allows.
    PolicyTooLarge,
    /// The pass-through role does not exist, or attestation found it unfit.
    PassThroughRoleUnfit,
    /// The teardown found a resource that it may not remove.
    TeardownBlocked,
    /// The role has so many other tags that ours do not fit.
    TagLimitExceeded,
    /// AWS answered with resources of another account than the binding's.
    OtherAccount,
    /// AWS throttled us, is down, or did not answer. The attempt is repeated.
    IamUnavailable,
    /// IAM rejected a request of ours as malformed, which is an error of this program.
    Internal,
}

impl FailureCode {
    /// Returns the word in JSON and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingPermission => "missing_permission",
            Self::QuotaExceeded => "quota_exceeded",
            Self::NameTaken => "name_taken",
            Self::BoundaryNotAllowed => "boundary_not_allowed",
            Self::PolicyTooLarge => "policy_too_large",
            Self::PassThroughRoleUnfit => "pass_through_role_unfit",
            Self::TeardownBlocked => "teardown_blocked",
            Self::TagLimitExceeded => "tag_limit_exceeded",
            Self::OtherAccount => "other_account",
            Self::IamUnavailable => "iam_unavailable",
            Self::Internal => "internal",
        }
    }
}

/// The last failure of a binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable code, for a program.
    pub code: FailureCode,
    /// What happened, in words for a person.
    pub detail: String,
    /// The IAM actions that AWS denied, such as `iam:CreateRole`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_permissions: Vec<String>,
    /// Which layer of AWS's policies denied them; none where AWS does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied_by: Option<DeniedBy>,
    /// The resources that block a teardown, each in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<String>,
    /// The generation of the intent that failed, older than the binding's generation while the
    /// intent is being withdrawn.
    pub generation: Generation,
    /// The database's time of the failure.
    pub at: DateTime<Utc>,
    /// The number of failed attempts at the intent.
    pub attempts: i32,
    /// The time of the next attempt; none where the intent is given up.
    pub next_attempt_at: Option<DateTime<Utc>>,
}

impl Failure {
    /// Returns what blocks a teardown, each in words: the resources, or else what happened.
    pub fn obstacles(&self) -> Vec<String> {
        if self.blockers.is_empty() {
            vec![self.detail.clone()]
        } else {
            self.blockers.clone()
        }
    }

    /// Returns this failure with what another failure of the same intent lacks and names beside it.
    #[must_use]
    pub fn joined_with(mut self, other: &Self) -> Self {
        for permission in &other.missing_permissions {
            if !self.missing_permissions.contains(permission) {
                self.missing_permissions.push(permission.clone());
            }
        }
        for blocker in &other.blockers {
            if !self.blockers.contains(blocker) {
                self.blockers.push(blocker.clone());
            }
        }
        self
    }

    /// Returns whether the intent is given up, so that no further attempt is made.
    pub fn is_final(&self) -> bool {
        self.next_attempt_at.is_none()
    }
}
