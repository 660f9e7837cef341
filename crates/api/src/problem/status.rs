//! The HTTP status and the title of each code.

use axum::http::StatusCode;
use engine_roles_contract::Code;

/// Returns the HTTP status and the title of the problems of a code.
pub(crate) fn of(code: Code) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match code {
        Code::InvalidRequest => (S::BAD_REQUEST, "The request is not valid"),
        Code::Unauthenticated => (S::UNAUTHORIZED, "A valid API key is required"),
        Code::Forbidden => (S::FORBIDDEN, "The API key does not permit the request"),
        Code::RateLimited => (S::TOO_MANY_REQUESTS, "Too many requests"),
        Code::NotFound => (S::NOT_FOUND, "Not found"),
        Code::MethodNotAllowed => (
            S::METHOD_NOT_ALLOWED,
            "The method is not allowed for this path",
        ),
        Code::ImmutableField => (S::CONFLICT, "The field can't be changed"),
        Code::TeardownInProgress => (S::CONFLICT, "The role is being removed"),
        Code::TeardownBlocked => (S::CONFLICT, "The teardown is blocked"),
        Code::Superseded => (S::CONFLICT, "Another request changed the intent"),
        Code::NameTaken => (
            S::CONFLICT,
            "The name is taken by a resource of somebody else",
        ),
        Code::PreconditionFailed => (S::PRECONDITION_FAILED, "The binding has changed"),
        Code::BodyTooLarge => (S::PAYLOAD_TOO_LARGE, "The body is too large"),
        Code::RequestTimeout => (S::REQUEST_TIMEOUT, "The request did not arrive in time"),
        Code::UriTooLong => (S::URI_TOO_LONG, "The path and query are too long"),
        Code::HeaderTooLarge => (
            S::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "The head of the request is too large",
        ),
        Code::UnsupportedMediaType => (S::UNSUPPORTED_MEDIA_TYPE, "The body must be JSON"),
        Code::InvalidClusterName => (S::UNPROCESSABLE_ENTITY, "The cluster name is not valid"),
        Code::InvalidSecretName => (S::UNPROCESSABLE_ENTITY, "A secret name is not valid"),
        Code::InvalidRegion => (S::UNPROCESSABLE_ENTITY, "The region is not valid"),
        Code::InvalidRolePrefix => (S::UNPROCESSABLE_ENTITY, "The role prefix is not valid"),
        Code::InvalidTag => (S::UNPROCESSABLE_ENTITY, "A tag is not valid"),
        Code::PassThroughRoleNotAllowed => (
            S::UNPROCESSABLE_ENTITY,
            "The role is not on the list of pass-through roles",
        ),
        Code::BoundaryNotAllowed => (
            S::UNPROCESSABLE_ENTITY,
            "The permissions boundary is not allowed",
        ),
        Code::NotPermittedHere => (
            S::UNPROCESSABLE_ENTITY,
            "The administrator does not permit the request",
        ),
        Code::PolicyTooLarge => (S::UNPROCESSABLE_ENTITY, "The policy is too large"),
        Code::MissingPermission => (S::FAILED_DEPENDENCY, "AWS denied this service a permission"),
        Code::PassThroughRoleUnfit => (S::FAILED_DEPENDENCY, "The pass-through role is unfit"),
        Code::QuotaExceeded => (S::SERVICE_UNAVAILABLE, "A quota of the AWS account is full"),
        Code::DatabaseUnavailable => (S::SERVICE_UNAVAILABLE, "The database is not available"),
        Code::TagLimitExceeded => (S::CONFLICT, "The role has too many tags"),
        Code::OtherAccount => (
            S::SERVICE_UNAVAILABLE,
            "The service works in another AWS account",
        ),
        Code::IamUnavailable => (S::SERVICE_UNAVAILABLE, "AWS is unavailable"),
        Code::Internal => (S::INTERNAL_SERVER_ERROR, "The service failed"),
    }
}

/// Returns the word of a code on the wire.
pub(crate) fn word(code: Code) -> String {
    let word = serde_json::to_value(code).expect("a code is a word");
    word.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_code_has_its_status() {
        let codes = [
            Code::InvalidRequest,
            Code::Unauthenticated,
            Code::Forbidden,
            Code::RateLimited,
            Code::NotFound,
            Code::MethodNotAllowed,
            Code::ImmutableField,
            Code::TeardownInProgress,
            Code::TeardownBlocked,
            Code::Superseded,
            Code::NameTaken,
            Code::PreconditionFailed,
            Code::BodyTooLarge,
            Code::RequestTimeout,
            Code::UriTooLong,
            Code::HeaderTooLarge,
            Code::UnsupportedMediaType,
            Code::InvalidClusterName,
            Code::InvalidSecretName,
            Code::InvalidRegion,
            Code::InvalidRolePrefix,
            Code::InvalidTag,
            Code::PassThroughRoleNotAllowed,
            Code::BoundaryNotAllowed,
            Code::NotPermittedHere,
            Code::PolicyTooLarge,
            Code::MissingPermission,
            Code::PassThroughRoleUnfit,
            Code::QuotaExceeded,
            Code::DatabaseUnavailable,
            Code::TagLimitExceeded,
            Code::OtherAccount,
            Code::IamUnavailable,
            Code::Internal,
        ];
        let table: Vec<String> = codes
            .iter()
            .map(|code| {
                let (status, _) = of(*code);
                let word = json!(code);
                format!("{} {}", status.as_u16(), word.as_str().unwrap_or_default())
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"), @"
        400 invalid_request
        401 unauthenticated
        403 forbidden
        429 rate_limited
        404 not_found
        405 method_not_allowed
        409 immutable_field
        409 teardown_in_progress
        409 teardown_blocked
        409 superseded
        409 name_taken
        412 precondition_failed
        413 body_too_large
        408 request_timeout
        414 uri_too_long
        431 header_too_large
        415 unsupported_media_type
        422 invalid_cluster_name
        422 invalid_secret_name
        422 invalid_region
        422 invalid_role_prefix
        422 invalid_tag
        422 pass_through_role_not_allowed
        422 boundary_not_allowed
        422 not_permitted_here
        422 policy_too_large
        424 missing_permission
        424 pass_through_role_unfit
        503 quota_exceeded
        503 database_unavailable
        409 tag_limit_exceeded
        503 other_account
        503 iam_unavailable
        500 internal
        ");
    }
}
