//! What went wrong last with a binding.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::binding::id::Generation;

/// The stable codes that a binding's `last_error` may have; the HTTP interface answers the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// AWS denied our own identity a permission.
    MissingPermission,
    /// A quota of the account is used up.
    QuotaExceeded,
    /// A resource of the same name exists that is not provably ours.
    NameTaken,
    /// The permissions boundary does not exist or may not be used.
    BoundaryNotAllowed,
    /// The inline policy is larger than IAM takes.
    PolicyTooLarge,
    /// The pass-through role does not exist, or attestation found it unfit.
    PassThroughRoleUnfit,
    /// The teardown met something that it may not remove.
    TeardownBlocked,
    /// AWS throttles, is down, or did not answer; the attempt is repeated.
    IamUnavailable,
    /// IAM called something malformed that this program wrote.
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
            Self::IamUnavailable => "iam_unavailable",
            Self::Internal => "internal",
        }
    }
}

/// The last thing that went wrong with a binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable code, for a program.
    pub code: FailureCode,
    /// What happened, for a person.
    pub detail: String,
    /// The IAM actions that AWS denied, such as `iam:CreateRole`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_permissions: Vec<String>,
    /// The resources that keep a teardown from going on, each in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<String>,
    /// The number of the intent that failed; older than the binding's while the intent is withdrawn.
    pub generation: Generation,
    /// When it failed, by the database's time.
    pub at: DateTime<Utc>,
    /// How many attempts at the intent have failed.
    pub attempts: i32,
    /// When the next attempt is due; none where the intent is given up.
    pub next_attempt_at: Option<DateTime<Utc>>,
}

impl Failure {
    /// Returns whether the intent is given up: it is not tried again.
    pub fn is_final(&self) -> bool {
        self.next_attempt_at.is_none()
    }
}
