//! Why a request to provision or to plan changes nothing.

use engine_roles_contract::Code;
use engine_roles_domain::binding::PutRefusal;
use engine_roles_domain::grant::RolePolicyError;
use engine_roles_provisioner::ProvisionError;
use tracing::error;

use super::Problem;

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
