//! Error answers (RFC 9457): the status and title of each code, and the mapping of each error of
//! the other crates to a code.

mod audit_log;
mod catalogue;
mod example;
mod failure;
mod invalid;
mod provisioner;
mod rejection;
mod render;
mod status;
mod store;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use engine_roles_contract as contract;
use engine_roles_contract::{Code, FieldError};
use engine_roles_domain::cluster::ClusterName;

pub(crate) use example::example;
pub(crate) use failure::{code as failure_code, denied_by, failed};
pub(crate) use invalid::{code as invalid_code, invalid};
pub(crate) use render::render_problems;
pub(crate) use status::{of as status_and_title, word};

/// How many seconds a caller should wait before it asks again about work in progress.
pub(crate) const RETRY_AFTER_PENDING: u32 = 2;
/// How many seconds a caller should wait after an outage before it sends the request again.
const RETRY_AFTER_OUTAGE: u32 = 5;

/// Returns how many seconds a caller should wait before it sends the request again; none where waiting
/// does not help, as with a used-up quota, for which a person is needed.
pub(crate) fn retry_after(code: Code) -> Option<u32> {
    match code {
        Code::TeardownInProgress => Some(RETRY_AFTER_PENDING),
        Code::RateLimited => Some(1),
        Code::QuotaExceeded => None,
        code if status::of(code).0 == StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_AFTER_OUTAGE),
        _ => None,
    }
}

/// An error answer before it is rendered. Boxed, to keep the `Result` of a handler small.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<contract::Problem>);

/// What a person is told about a problem.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) status: StatusCode,
    pub(crate) title: String,
    pub(crate) detail: String,
    /// After how many seconds the request may be sent again; none where waiting does not help.
    pub(crate) retry_after: Option<u32>,
    pub(crate) missing_permissions: Vec<String>,
    /// The policy statement that would allow a denied action; none where none would help.
    pub(crate) statement: Option<serde_json::Value>,
    /// The fields that break a rule, where the problem is about fields.
    pub(crate) errors: Vec<FieldError>,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let (status, title) = status::of(code);
        Self(Box::new(contract::Problem {
            r#type: format!("urn:engine-roles:problem:{}", status::word(code)),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.into(),
            request_id: String::new(),
            trace_id: None,
            retry_after: retry_after(code),
            missing_permissions: Vec::new(),
            denied_by: None,
            statement: None,
            alternative: None,
            blockers: Vec::new(),
            errors: Vec::new(),
        }))
    }

    /// Returns the problem with another time after which the request may be sent again, in seconds.
    pub(crate) fn after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// Returns whether this is the code of the problem.
    pub(crate) fn has(&self, code: Code) -> bool {
        self.0.code.is(&code)
    }

    /// Returns the problem of one field that breaks a rule.
    pub(crate) fn field(code: Code, field: impl Into<String>, reason: impl Into<String>) -> Self {
        let error = FieldError {
            field: field.into(),
            reason: reason.into(),
        };
        Self::fields(code, vec![error])
    }

    /// Returns the problem of several fields that each break a rule.
    pub(crate) fn fields(code: Code, errors: Vec<FieldError>) -> Self {
        let details = errors
            .iter()
            .map(|error| format!("{}: {}", error.field, error.reason));
        let mut problem = Self::new(code, details.collect::<Vec<_>>().join("; "));
        problem.0.errors = errors;
        problem
    }

    /// Returns the problem of all these fields; none where there is none. Its code is the fields' own
    /// where they agree. A field of the wrong kind makes the whole request invalid.
    pub(crate) fn all(wrong: Vec<(Code, FieldError)>) -> Result<(), Self> {
        let Some((first, _)) = wrong.first() else {
            return Ok(());
        };
        let is_invalid = wrong.iter().any(|(code, _)| *code == Code::InvalidRequest);
        let code = if is_invalid {
            Code::InvalidRequest
        } else {
            *first
        };
        let errors = wrong.into_iter().map(|(_, error)| error);
        Err(Self::fields(code, errors.collect()))
    }

    /// Returns the problem of a cluster without any binding.
    pub(crate) fn no_role(cluster: &ClusterName) -> Self {
        Self::new(
            Code::NotFound,
            format!("cluster {cluster} never had a role"),
        )
    }

    /// Returns the problem of a defect of this program. The log has the cause.
    pub(crate) fn internal() -> Self {
        Self::new(
            Code::Internal,
            "the service failed; its log has the cause under this request_id",
        )
    }

    /// Returns what a person is told about this problem.
    pub(crate) fn describe(self) -> Described {
        Described {
            status: self.status(),
            title: self.0.title,
            detail: self.0.detail,
            retry_after: self.0.retry_after,
            missing_permissions: self.0.missing_permissions,
            statement: self.0.statement,
            errors: self.0.errors,
        }
    }

    /// Returns the status and the JSON of this problem, for an answer that is not rendered by
    /// [`render_problems`].
    pub(crate) fn into_body(mut self, request_id: &str) -> (StatusCode, String) {
        request_id.clone_into(&mut self.0.request_id);
        let body = serde_json::to_string(&self.0).expect("plain data with text keys serialises");
        (self.status(), body)
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    /// Leaves the body to [`render_problems`], which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
