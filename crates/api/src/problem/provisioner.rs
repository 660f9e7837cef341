//! Problems of requests that the provisioner did not carry out.

use engine_roles_contract::Code;
use engine_roles_domain::identity::DeniedBy;
use engine_roles_provisioner::{CallerError, IamError, NotConfirmed, ProvisionerError};
use serde_json::json;
use tracing::error;

use super::Problem;
use super::failure::denied_by;

impl From<ProvisionerError> for Problem {
    fn from(failed: ProvisionerError) -> Self {
        let detail = failed.to_string();
        match failed {
            ProvisionerError::Rejected(rejection) => rejection.into(),
            ProvisionerError::AccountUnknown(cause) => cause.into(),
            ProvisionerError::Store(cause) => cause.into(),
            ProvisionerError::Unreadable { resource, source } => unreadable(&resource, &source),
            ProvisionerError::PermitEnded => Self::new(Code::Unauthenticated, detail),
            ProvisionerError::QuotaExceeded(_) => Self::new(Code::QuotaExceeded, detail),
            ProvisionerError::BudgetUsedUp => Self::new(Code::IamUnavailable, detail),
            ProvisionerError::NoRole(_)
            | ProvisionerError::NotShown(_)
            | ProvisionerError::NothingFound(_) => Self::new(Code::NotFound, detail),
            ProvisionerError::Recreated(_) => Self::new(Code::NameTaken, detail),
            // Operations on orphans exist on the command line only, so no HTTP request gets these.
            failed @ (ProvisionerError::NotARoleName(_)
            | ProvisionerError::NotAdoptable { .. }
            | ProvisionerError::NoOrphan(_)
            | ProvisionerError::NoHeartbeat
            | ProvisionerError::Thread(_)
            | ProvisionerError::WrongState(_)) => {
                error!(
                    error = &failed as &dyn std::error::Error,
                    "request failed with an error that no request should get"
                );
                Self::internal()
            }
        }
    }
}

impl From<NotConfirmed> for Problem {
    fn from(failed: NotConfirmed) -> Self {
        Self::new(
            Code::IamUnavailable,
            format!("{failed}; nothing was changed; send the request again"),
        )
    }
}

impl From<CallerError> for Problem {
    fn from(failed: CallerError) -> Self {
        error!(
            error = &failed as &dyn std::error::Error,
            "STS did not return the account id; request failed"
        );
        Self::new(
            Code::IamUnavailable,
            "STS did not return the AWS account in which this service works; nothing was changed; send the request again",
        )
    }
}

fn unreadable(resource: &str, source: &IamError) -> Problem {
    let Some(permission) = &source.missing_permission else {
        return Problem::new(Code::IamUnavailable, source.describe());
    };
    let mut problem = Problem::new(Code::MissingPermission, source.describe());
    problem.0.missing_permissions = vec![permission.clone()];
    problem.0.denied_by = source.denied_by.as_deref().cloned().map(denied_by);
    let by = source.denied_by.as_deref();
    if by.is_none_or(DeniedBy::is_mended_by_allowing) {
        problem.0.statement = Some(json!({
            "Effect": "Allow",
            "Action": [permission],
            "Resource": [resource],
        }));
    }
    problem
}
