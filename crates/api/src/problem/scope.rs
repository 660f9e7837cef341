//! Why the service can't tell in which account it works.

use engine_roles_contract::Code;
use engine_roles_provisioner::{CallerError, ScopeError};
use tracing::error;

use super::Problem;

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
