//! Problems of requests that were rejected.

use engine_roles_contract::{Code, FieldError};
use engine_roles_domain::binding::Rejection;
use engine_roles_domain::cluster::WrongField;
use engine_roles_domain::grant::RolePolicyError;
use tracing::error;

use super::Problem;

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let detail = rejection.to_string();
        match rejection {
            Rejection::NotFound => Self::new(Code::NotFound, detail),
            Rejection::PreconditionFailed { .. } => Self::new(Code::PreconditionFailed, detail),
            Rejection::TeardownInProgress => Self::new(Code::TeardownInProgress, detail),
            Rejection::TeardownBlocked { blockers } => {
                let mut problem = Self::new(Code::TeardownBlocked, detail);
                problem.0.blockers = blockers;
                problem
            }
            Rejection::ImmutableFields(fields) => {
                let rule = "can't change once something has been created; tear the role down first";
                let errors = fields.into_iter().map(|field| FieldError {
                    field: field.as_str().to_owned(),
                    reason: rule.to_owned(),
                });
                Self::fields(Code::ImmutableField, errors.collect())
            }
            Rejection::NotApplicable { field, rule } => {
                Self::field(Code::InvalidRequest, field.as_str(), rule)
            }
            Rejection::RegionOfOtherPartition { .. } | Rejection::KeyOfOtherRegion { .. } => {
                Self::field(Code::InvalidRegion, "region", detail)
            }
            Rejection::RoleNotAllowed(_) => {
                Self::field(Code::PassThroughRoleNotAllowed, "iam_role", detail)
            }
            Rejection::BoundaryNotAllowed(_) => {
                Self::field(Code::BoundaryNotAllowed, "permissions_boundary", detail)
            }
            Rejection::NotPermitted(wrong) => {
                Self::fields(Code::NotPermittedHere, field_errors(wrong))
            }
            Rejection::InvalidTags(wrong) => Self::fields(Code::InvalidTag, field_errors(wrong)),
            Rejection::Policy(cause @ RolePolicyError::TooLarge { .. }) => {
                Self::field(Code::PolicyTooLarge, "secrets", cause.to_string())
            }
            Rejection::Policy(cause) => {
                error!(
                    error = &cause as &dyn std::error::Error,
                    "rendered policy could not be proved to grant only what the spec allows"
                );
                Self::internal()
            }
            Rejection::RoleUnfit { .. } => Self::new(Code::PassThroughRoleUnfit, detail),
            Rejection::OtherAccount(_) => Self::new(Code::OtherAccount, detail),
        }
    }
}

fn field_errors(wrong: Vec<WrongField>) -> Vec<FieldError> {
    let errors = wrong.into_iter().map(|wrong| FieldError {
        field: wrong.field,
        reason: wrong.rule,
    });
    errors.collect()
}
