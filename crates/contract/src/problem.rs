//! Error answers, `application/problem+json` (RFC 9457).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::schema::{AnyOfBuilder, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::open::Open;
use crate::text::{Permission, ProblemType, RequestId, TraceId, Word};

/// The stable code of a problem. Later versions may add codes: treat an unknown code by the class
/// of its HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request is malformed; `errors` names the field.
    InvalidRequest,
    /// No valid API key was sent.
    Unauthenticated,
    /// The API key does not permit the request: it lacks a scope, or is limited to other clusters.
    Forbidden,
    /// The resource does not exist.
    NotFound,
    /// The path does not support the method.
    MethodNotAllowed,
    /// A field of the request can't change after something has been created; `errors` names the
    /// field.
    ImmutableField,
    /// The cluster's role is being removed.
    TeardownInProgress,
    /// The teardown can't remove a resource; `blockers` names the resource.
    TeardownBlocked,
    /// Another request changed the intent while this one waited.
    Superseded,
    /// A resource of the same name exists that the service can't prove to be its own.
    NameTaken,
    /// The binding does not have the generation that `If-Match` names.
    PreconditionFailed,
    /// The body is larger than the service accepts.
    BodyTooLarge,
    /// The request's head or body did not arrive in time.
    RequestTimeout,
    /// The request's path and query are too long.
    UriTooLong,
    /// The request's head is larger than the service accepts.
    HeaderTooLarge,
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// The cluster name breaks its rule.
    InvalidClusterName,
    /// A secret name breaks its rule.
    InvalidSecretName,
    /// The region is not one of AWS's, or does not match the account's partition or the KMS key.
    InvalidRegion,
    /// The role prefix breaks its rule.
    InvalidRolePrefix,
    /// A tag breaks its rule, or has a key of the administrator's tags; `errors` names the tag.
    InvalidTag,
    /// The role is not on the administrator's list of pass-through roles.
    PassThroughRoleNotAllowed,
    /// The permissions boundary is not one that the administrator allows.
    BoundaryNotAllowed,
    /// The administrator does not permit what the request asks for; `errors` names each field.
    NotPermittedHere,
    /// The role's inline policy would be larger than IAM accepts.
    PolicyTooLarge,
    /// AWS denied the service's identity an action; `missing_permissions` names the action.
    MissingPermission,
    /// The pass-through role can't be used by engines.
    PassThroughRoleUnfit,
    /// Too many requests came with this API key, or without a valid one from this address.
    RateLimited,
    /// The role has so many tags of others that the service's own do not fit.
    TagLimitExceeded,
    /// The service works in another AWS account than the binding's, or than the configured one.
    OtherAccount,
    /// A quota of the AWS account is used up.
    QuotaExceeded,
    /// The database can't be reached; the request may have been recorded.
    DatabaseUnavailable,
    /// AWS can't be reached, throttles, or does not accept the service's credentials.
    IamUnavailable,
    /// A defect of the service; its log has the details.
    Internal,
}

/// The schema of a code: later versions may add codes, so any other text is valid, too.
pub(crate) struct OpenCode;

impl PartialSchema for OpenCode {
    fn schema() -> RefOr<Schema> {
        let known = Ref::from_schema_name("Code");
        let other = ObjectBuilder::new().schema_type(Type::String);
        let any = AnyOfBuilder::new()
            .item(known)
            .item(other)
            .description(Some(
                "The kind of problem, for a program. Treat a code that you do not know by the class of \
                 the HTTP status.",
            ));
        RefOr::T(any.into())
    }
}

impl ToSchema for OpenCode {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(("Code".to_owned(), Code::schema()));
        schemas.push(("OpenCode".to_owned(), Self::schema()));
    }
}

/// A field of the request that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// The field, as a path such as `tags.team`.
    pub field: String,
    /// The rule that the field breaks.
    pub reason: String,
}

/// What denied a call to AWS, as far as AWS says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeniedBy {
    /// The layer of AWS's policies: `identity_policy`, `service_control_policy`,
    /// `resource_control_policy`, `permissions_boundary`, `session_policy`, `endpoint_policy`,
    /// `resource_policy`, or `unknown` where AWS does not name it. Later versions may add layers.
    #[schema(value_type = Word)]
    pub layer: String,
    /// True if a policy of the layer denies the call explicitly; false if none of the layer allows it.
    pub explicit: bool,
    /// The ARN of the policy with the Deny; null where AWS does not name it.
    pub policy: Option<String>,
}

/// An error answer, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind of problem as a URI: `urn:engine-roles:problem:` and the `code`.
    #[schema(value_type = ProblemType)]
    pub r#type: String,
    /// The kind of problem, for a person; the same for every problem of one `code`.
    pub title: String,
    /// The HTTP status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened, for a person.
    pub detail: String,
    /// The kind of problem, for a program.
    #[schema(value_type = OpenCode)]
    pub code: Open<Code>,
    /// The id of the request, which the service's log and audit log contain.
    #[schema(value_type = RequestId)]
    pub request_id: String,
    /// The id of the distributed trace that the request belongs to, which the service's log and audit
    /// log contain; absent where it belongs to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TraceId>)]
    pub trace_id: Option<String>,
    /// How many seconds to wait before sending the request again; absent where waiting does not
    /// help.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub retry_after: Option<u32>,
    /// The IAM actions that AWS denied to the service's identity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Permission>)]
    pub missing_permissions: Vec<String>,
    /// What denied the `missing_permissions`; absent where AWS does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied_by: Option<DeniedBy>,
    /// A policy statement for the service's identity that would allow the `missing_permissions`; absent
    /// where no such statement would help.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub statement: Option<Value>,
    /// What can be done without the `missing_permissions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative: Option<String>,
    /// The resources that block the request, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<String>,
    /// The fields of the request that break a rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn a_problem_of_a_newer_service_can_be_parsed() {
        let body = json!({
            "type": "about:blank", "title": "Too late", "status": 409, "detail": "it is gone",
            "code": "too_late", "request_id": "1", "denied_because": "it is Monday",
        });
        let problem: Problem = from_value(body).expect("a problem");
        assert_eq!(problem.code, Open::Unknown("too_late".to_owned()));
        assert_eq!(problem.errors, []);
        assert_eq!(problem.retry_after, None);
    }
}
