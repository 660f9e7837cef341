//! Problems of requests that were rejected.

use engine_roles_contract::Code;
use engine_roles_domain::binding::Rejection;
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
            Rejection::ImmutableField { field } => Self::field(
                Code::ImmutableField,
                field.as_str(),
                "can't change once something has been created; tear the role down first",
            ),
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
