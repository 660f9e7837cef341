//! Problems of requests about the tree over the audit log.

use engine_roles_contract::Code;
use engine_roles_provisioner::AuditLogError;
use tracing::error;

use super::Problem;

impl From<AuditLogError> for Problem {
    fn from(failed: AuditLogError) -> Self {
        match failed {
            AuditLogError::Store(error) => error.into(),
            AuditLogError::NoKey
            | AuditLogError::NoCheckpoint
            | AuditLogError::NotInTree { .. } => Self::new(Code::NotFound, failed.to_string()),
            _ => {
                error!(
                    error = &failed as &dyn std::error::Error,
                    "request failed because the audit log is damaged"
                );
                Self::internal()
            }
        }
    }
}
