//! The one table of errors: each code, its status and its title. RFC 9457.

use axum::Json;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use engine_roles_domain::binding::{Binding, DeletionRefusal, Failure, FailureCode, PutRefusal};
use engine_roles_domain::grant::RolePolicyError;
use engine_roles_domain::identity::PASSED_TO;
use engine_roles_domain::invalid::{Invalid, InvalidKind};
use engine_roles_provisioner::{
    AccessError, CallerError, ProvisionError, ScopeError, TeardownError,
};
use engine_roles_store::StoreError;
use serde::Serialize;
use serde_json::{Value, json};
use tracing::error;
use utoipa::ToSchema;

use crate::request_context::RequestId;

/// The stable codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
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

impl Code {
    fn status_and_title(self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::InvalidRequest => (S::BAD_REQUEST, "The request is not valid"),
            Self::Unauthenticated => (S::UNAUTHORIZED, "A valid API key is needed"),
            Self::NotFound => (S::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "The method is not allowed here"),
            Self::ImmutableField => (S::CONFLICT, "The field can't be changed"),
            Self::TeardownInProgress => (S::CONFLICT, "The role is being removed"),
            Self::TeardownBlocked => (S::CONFLICT, "Something stands in the way of the teardown"),
            Self::Superseded => (S::CONFLICT, "Another request changed the intent"),
            Self::NameTaken => (S::CONFLICT, "The name is somebody else's"),
            Self::PreconditionFailed => (S::PRECONDITION_FAILED, "The binding has changed"),
            Self::BodyTooLarge => (S::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::UnsupportedMediaType => (S::UNSUPPORTED_MEDIA_TYPE, "The body must be JSON"),
            Self::InvalidClusterName => (S::UNPROCESSABLE_ENTITY, "The cluster name is not valid"),
            Self::InvalidSecretName => (S::UNPROCESSABLE_ENTITY, "A secret name is not valid"),
            Self::InvalidRegion => (S::UNPROCESSABLE_ENTITY, "The region is not valid"),
            Self::InvalidRolePrefix => (S::UNPROCESSABLE_ENTITY, "The role prefix is not valid"),
            Self::InvalidTag => (S::UNPROCESSABLE_ENTITY, "A tag is not valid"),
            Self::PassThroughRoleNotAllowed => {
                (S::UNPROCESSABLE_ENTITY, "The role may not be passed")
            }
            Self::BoundaryNotAllowed => (
                S::UNPROCESSABLE_ENTITY,
                "The permissions boundary may not be used",
            ),
            Self::PolicyTooLarge => (S::UNPROCESSABLE_ENTITY, "The policy is too large"),
            Self::MissingPermission => (
                S::FAILED_DEPENDENCY,
                "AWS refused this service a permission",
            ),
            Self::PassThroughRoleUnfit => (S::FAILED_DEPENDENCY, "The passed role does not serve"),
            Self::QuotaExceeded => (S::SERVICE_UNAVAILABLE, "A quota of the AWS account is full"),
            Self::DatabaseUnavailable => (S::SERVICE_UNAVAILABLE, "The database can't be reached"),
            Self::IamUnavailable => (S::SERVICE_UNAVAILABLE, "AWS can't be reached"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "Something went wrong here"),
        }
    }
}

/// One field of a request and what is wrong with it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// The field, as a path such as `tags.team`.
    pub(crate) field: String,
    /// The rule that it breaks.
    pub(crate) reason: String,
}

/// An error answer, `application/problem+json`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// A URI of the kind of problem; always `about:blank`, the `code` tells.
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    code: Code,
    request_id: String,
    /// After how many seconds to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
    /// The IAM actions that were refused to this service's identity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_permissions: Vec<String>,
    /// The policy statement that would add them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    statement: Option<Value>,
    /// What can be done without them.
    #[serde(skip_serializing_if = "Option::is_none")]
    alternative: Option<&'static str>,
    /// What stands in the way, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blockers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// An error on its way to its answer; boxed, since most answers are none.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<ProblemBody>);

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let (status, title) = code.status_and_title();
        let retry = status == StatusCode::SERVICE_UNAVAILABLE;
        Self(Box::new(ProblemBody {
            r#type: "about:blank",
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code,
            request_id: String::new(),
            retry_after: retry.then_some(5),
            missing_permissions: Vec::new(),
            statement: None,
            alternative: None,
            blockers: Vec::new(),
            errors: Vec::new(),
        }))
    }

    /// A field that breaks a rule.
    pub(crate) fn field(code: Code, field: impl Into<String>, reason: impl Into<String>) -> Self {
        let error = FieldError {
            field: field.into(),
            reason: reason.into(),
        };
        let mut problem = Self::new(code, format!("{}: {}", error.field, error.reason));
        problem.0.errors.push(error);
        problem
    }

    /// A value that may not enter a name, an ARN or a policy.
    pub(crate) fn invalid(field: impl Into<String>, invalid: &Invalid) -> Self {
        let code = match invalid.kind {
            InvalidKind::ClusterName => Code::InvalidClusterName,
            InvalidKind::SecretName => Code::InvalidSecretName,
            InvalidKind::Region => Code::InvalidRegion,
            InvalidKind::RolePrefix => Code::InvalidRolePrefix,
            InvalidKind::Tag => Code::InvalidTag,
            InvalidKind::Role | InvalidKind::InstanceProfile => Code::PassThroughRoleNotAllowed,
            InvalidKind::Boundary => Code::BoundaryNotAllowed,
            InvalidKind::Namespace | InvalidKind::AccountId | InvalidKind::KmsKey => {
                Code::InvalidRequest
            }
        };
        Self::field(code, field, invalid.to_string())
    }

    /// Something that should not have happened; the log says what.
    pub(crate) fn internal() -> Self {
        Self::new(Code::Internal, "the log has more, under the request id")
    }

    /// How an intent failed.
    pub(crate) fn failed(failure: &Failure, binding: &Binding) -> Self {
        let code = match failure.code {
            FailureCode::MissingPermission => Code::MissingPermission,
            FailureCode::QuotaExceeded => Code::QuotaExceeded,
            FailureCode::NameTaken => Code::NameTaken,
            FailureCode::BoundaryNotAllowed => Code::BoundaryNotAllowed,
            FailureCode::PolicyTooLarge => Code::PolicyTooLarge,
            FailureCode::PassThroughRoleUnfit => Code::PassThroughRoleUnfit,
            FailureCode::TeardownBlocked => Code::TeardownBlocked,
            FailureCode::IamUnavailable => Code::IamUnavailable,
            FailureCode::Internal => Code::Internal,
        };
        let mut problem = Self::new(code, failure.detail.clone());
        let body = &mut *problem.0;
        body.missing_permissions
            .clone_from(&failure.missing_permissions);
        body.blockers.clone_from(&failure.blockers);
        if code == Code::MissingPermission {
            body.statement = Some(statement_to_add(&failure.missing_permissions, binding));
            let create = failure
                .missing_permissions
                .iter()
                .any(|action| action == "iam:CreateRole");
            body.alternative = create.then_some(
                "Where the account forbids creating roles, an administrator prepares a role from \
                 ai-unlimited-engine.json and puts it on ENGINE_ROLES_PASS_THROUGH_ROLES; then \
                 send mode pass_through.",
            );
        }
        problem
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The policy statement that would let the service's identity do what it was refused.
fn statement_to_add(actions: &[String], binding: &Binding) -> Value {
    let (partition, account) = (binding.scope.partition, &binding.scope.account);
    let path = binding.namespace.path();
    let ours = |kind: &str| format!("arn:{partition}:iam::{account}:{kind}{}*", path.as_str());
    if actions == ["iam:PassRole"] {
        return json!({
            "Effect": "Allow",
            "Action": actions,
            "Resource": [binding.role_resource()],
            "Condition": {"StringEquals": {"iam:PassedToService": PASSED_TO}},
        });
    }
    json!({
        "Effect": "Allow",
        "Action": actions,
        "Resource": [ours("role"), ours("instance-profile")],
    })
}

impl IntoResponse for Problem {
    /// The body is written by [`render_problems`], which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the bodies of error answers.
pub(crate) async fn render_problems(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    let Some(mut problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    problem.0.request_id = id.map(|id| id.0).unwrap_or_default();
    let retry_after = problem.0.retry_after;
    let unauthenticated = problem.0.code == Code::Unauthenticated;
    let mut rendered = (problem.status(), Json(&problem.0)).into_response();
    let headers = rendered.headers_mut();
    headers.extend(response.headers().clone());
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    rendered
}

impl From<StoreError> for Problem {
    fn from(failed: StoreError) -> Self {
        error!(
            error = &failed as &dyn std::error::Error,
            "the database failed a request"
        );
        if failed.is_transient() {
            Self::new(
                Code::DatabaseUnavailable,
                "the same request can be sent again as it is",
            )
        } else {
            Self::internal()
        }
    }
}

impl From<PutRefusal> for Problem {
    fn from(refusal: PutRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            PutRefusal::PreconditionFailed { .. } => Self::new(Code::PreconditionFailed, detail),
            PutRefusal::TeardownInProgress => Self::new(Code::TeardownInProgress, detail),
            PutRefusal::ImmutableField { field } => Self::field(
                Code::ImmutableField,
                field,
                "can't change once something has been made; tear the role down first",
            ),
            PutRefusal::NotApplicable { field, rule } => {
                Self::field(Code::InvalidRequest, field, rule)
            }
            PutRefusal::RegionOfOtherPartition { .. } | PutRefusal::KeyOfOtherRegion { .. } => {
                Self::field(Code::InvalidRegion, "region", detail)
            }
            PutRefusal::RoleNotAllowed(_) => {
                Self::field(Code::PassThroughRoleNotAllowed, "iam_role", detail)
            }
            PutRefusal::BoundaryNotAllowed(_) => {
                Self::field(Code::BoundaryNotAllowed, "permissions_boundary", detail)
            }
            PutRefusal::Policy(cause @ RolePolicyError::TooLarge { .. }) => {
                Self::field(Code::PolicyTooLarge, "secrets", cause.to_string())
            }
            PutRefusal::Policy(cause) => {
                error!(
                    error = &cause as &dyn std::error::Error,
                    "a policy could not be proved"
                );
                Self::internal()
            }
            PutRefusal::RoleUnfit { .. } => Self::new(Code::PassThroughRoleUnfit, detail),
            PutRefusal::OtherAccount { .. } => Self::new(Code::IamUnavailable, detail),
        }
    }
}

impl From<ProvisionError> for Problem {
    fn from(failed: ProvisionError) -> Self {
        match failed {
            ProvisionError::Refused(refusal) => refusal.into(),
            ProvisionError::Store(store) => store.into(),
            ProvisionError::Full(_) => Self::new(Code::QuotaExceeded, failed.to_string()),
            ProvisionError::OtherAccount { .. } => {
                Self::new(Code::IamUnavailable, failed.to_string())
            }
            ProvisionError::Scope(cause) => cause.into(),
        }
    }
}

impl From<CallerError> for Problem {
    fn from(failed: CallerError) -> Self {
        error!(
            error = &failed as &dyn std::error::Error,
            "STS failed a request"
        );
        Self::new(
            Code::IamUnavailable,
            "STS does not say in which account this service works; nothing was changed",
        )
    }
}

impl From<ScopeError> for Problem {
    fn from(failed: ScopeError) -> Self {
        match failed {
            ScopeError::Scope(cause) => cause.into(),
            ScopeError::Store(store) => store.into(),
        }
    }
}

impl From<AccessError> for Problem {
    fn from(failed: AccessError) -> Self {
        let detail = failed.to_string();
        match failed {
            AccessError::NoRole(_) | AccessError::NotShown(_) => Self::new(Code::NotFound, detail),
            AccessError::Recreated(_) => Self::new(Code::NameTaken, detail),
            AccessError::Busy | AccessError::OtherAccount { .. } => {
                Self::new(Code::IamUnavailable, detail)
            }
            AccessError::Iam { resource, source } => match source.missing_permission {
                Some(ref permission) => {
                    let mut problem = Self::new(Code::MissingPermission, source.describe());
                    problem.0.missing_permissions = vec![permission.clone()];
                    problem.0.statement = Some(json!({
                        "Effect": "Allow",
                        "Action": [permission],
                        "Resource": [resource],
                    }));
                    problem
                }
                None => Self::new(Code::IamUnavailable, source.describe()),
            },
            AccessError::Store(store) => store.into(),
        }
    }
}

impl From<TeardownError> for Problem {
    fn from(failed: TeardownError) -> Self {
        match failed {
            TeardownError::Refused(refusal) => {
                let detail = refusal.to_string();
                let code = match refusal {
                    DeletionRefusal::NotFound => Code::NotFound,
                    DeletionRefusal::PreconditionFailed { .. } => Code::PreconditionFailed,
                    DeletionRefusal::OtherAccount { .. } => Code::IamUnavailable,
                };
                Self::new(code, detail)
            }
            TeardownError::Store(store) => store.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_codes() {
        let codes = [
            Code::InvalidRequest,
            Code::Unauthenticated,
            Code::NotFound,
            Code::MethodNotAllowed,
            Code::ImmutableField,
            Code::TeardownInProgress,
            Code::TeardownBlocked,
            Code::Superseded,
            Code::NameTaken,
            Code::PreconditionFailed,
            Code::BodyTooLarge,
            Code::UnsupportedMediaType,
            Code::InvalidClusterName,
            Code::InvalidSecretName,
            Code::InvalidRegion,
            Code::InvalidRolePrefix,
            Code::InvalidTag,
            Code::PassThroughRoleNotAllowed,
            Code::BoundaryNotAllowed,
            Code::PolicyTooLarge,
            Code::MissingPermission,
            Code::PassThroughRoleUnfit,
            Code::QuotaExceeded,
            Code::DatabaseUnavailable,
            Code::IamUnavailable,
            Code::Internal,
        ];
        let table: Vec<String> = codes
            .iter()
            .map(|code| {
                let status = Problem::new(*code, "").status();
                let word = json!(code);
                format!("{} {}", status.as_u16(), word.as_str().unwrap_or_default())
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"), @"
        400 invalid_request
        401 unauthenticated
        404 not_found
        405 method_not_allowed
        409 immutable_field
        409 teardown_in_progress
        409 teardown_blocked
        409 superseded
        409 name_taken
        412 precondition_failed
        413 body_too_large
        415 unsupported_media_type
        422 invalid_cluster_name
        422 invalid_secret_name
        422 invalid_region
        422 invalid_role_prefix
        422 invalid_tag
        422 pass_through_role_not_allowed
        422 boundary_not_allowed
        422 policy_too_large
        424 missing_permission
        424 pass_through_role_unfit
        503 quota_exceeded
        503 database_unavailable
        503 iam_unavailable
        500 internal
        ");
    }
}
