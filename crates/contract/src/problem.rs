//! Error answers, `application/problem+json` (RFC 9457).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::open::Open;

/// The stable codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    InvalidRequest,
    Unauthenticated,
    NotFound,
    MethodNotAllowed,
    ImmutableField,
    TeardownInProgress,
    TeardownBlocked,
    Superseded,
    NameTaken,
    PreconditionFailed,
    BodyTooLarge,
    UnsupportedMediaType,
    InvalidClusterName,
    InvalidSecretName,
    InvalidRegion,
    InvalidRolePrefix,
    InvalidTag,
    PassThroughRoleNotAllowed,
    BoundaryNotAllowed,
    PolicyTooLarge,
    MissingPermission,
    PassThroughRoleUnfit,
    QuotaExceeded,
    DatabaseUnavailable,
    IamUnavailable,
    Internal,
}

/// One field of a request and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// The field, as a path such as `tags.team`.
    pub field: String,
    /// The rule that it breaks.
    pub reason: String,
}

/// An error answer, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI of the kind of problem; always `about:blank`, the `code` tells.
    pub r#type: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    #[schema(value_type = Code)]
    pub code: Open<Code>,
    pub request_id: String,
    /// After how many seconds to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// The IAM actions that were refused to this service's identity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_permissions: Vec<String>,
    /// The policy statement that would add them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub statement: Option<Value>,
    /// What can be done without them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative: Option<String>,
    /// What stands in the way, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn a_problem_of_a_newer_service_can_be_read() {
        let body = json!({
            "type": "about:blank", "title": "Too late", "status": 409, "detail": "it is gone",
            "code": "too_late", "request_id": "1", "denied_by": "session policy",
        });
        let problem: Problem = from_value(body).expect("a problem");
        assert_eq!(problem.code, Open::Unknown("too_late".to_owned()));
        assert_eq!(problem.errors, []);
        assert_eq!(problem.retry_after, None);
    }
}
