//! Why the provisioner did not do what it was asked.

use engine_roles_contract::Code;
use engine_roles_provisioner::{CallerError, IamError, ProvisionerError};
use serde_json::json;
use tracing::error;

use super::Problem;

impl From<ProvisionerError> for Problem {
    fn from(failed: ProvisionerError) -> Self {
        let detail = failed.to_string();
        match failed {
            ProvisionerError::Rejected(rejection) => rejection.into(),
            ProvisionerError::AccountUnknown(cause) => cause.into(),
            ProvisionerError::Store(cause) => cause.into(),
            ProvisionerError::Unreadable { resource, source } => unreadable(&resource, &source),
            ProvisionerError::QuotaExceeded(_) => Self::new(Code::QuotaExceeded, detail),
            ProvisionerError::BudgetUsedUp => Self::new(Code::IamUnavailable, detail),
            ProvisionerError::NoRole(_)
            | ProvisionerError::NotShown(_)
            | ProvisionerError::NothingFound(_) => Self::new(Code::NotFound, detail),
            ProvisionerError::Recreated(_) => Self::new(Code::NameTaken, detail),
            // Orphans are resolved on the command line, never by a request.
            failed @ (ProvisionerError::NotARoleName(_)
            | ProvisionerError::NotAdoptable { .. }
            | ProvisionerError::NoOrphan(_)
            | ProvisionerError::WrongState(_)) => {
                error!(
                    error = &failed as &dyn std::error::Error,
                    "request met an error of this program"
                );
                Self::internal()
            }
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

fn unreadable(resource: &str, source: &IamError) -> Problem {
    let Some(permission) = &source.missing_permission else {
        return Problem::new(Code::IamUnavailable, source.describe());
    };
    let mut problem = Problem::new(Code::MissingPermission, source.describe());
    problem.0.missing_permissions = vec![permission.clone()];
    problem.0.statement = Some(json!({
        "Effect": "Allow",
        "Action": [permission],
        "Resource": [resource],
    }));
    problem
}
