//! The last failure of a binding.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::binding::id::Generation;

/// The stable codes that a binding's `last_error` may have; the HTTP interface answers the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// AWS refused our own identity.
    MissingPermission,
    /// The account is full.
    QuotaExceeded,
    /// Somebody else holds the name.
    NameTaken,
    /// The permissions boundary does not exist or may not be used.
    BoundaryNotAllowed,
    /// The inline policy is larger than IAM takes.
    PolicyTooLarge,
    /// The administrator's role is not there or does not serve.
    PassThroughRoleUnfit,
    /// The teardown met something that it may not remove.
    TeardownBlocked,
    /// IAM is throttling, down, or did not answer; the work goes on.
    IamUnavailable,
    /// IAM refused what should have been right.
    Internal,
}

impl FailureCode {
    /// The word that stands in JSON and in metrics.
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
    /// The stable code.
    pub code: FailureCode,
    /// What happened, for a person.
    pub detail: String,
    /// The IAM actions that were refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_permissions: Vec<String>,
    /// What stands in the way of a teardown, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<String>,
    /// The intent that failed.
    pub generation: Generation,
    /// When.
    pub at: DateTime<Utc>,
    /// How often this intent was tried.
    pub attempts: i32,
    /// When it is tried again; none where it is not.
    pub next_attempt_at: Option<DateTime<Utc>>,
}

impl Failure {
    /// Returns whether the intent is given up: it is not tried again.
    pub fn is_final(&self) -> bool {
        self.next_attempt_at.is_none()
    }
}
