//! Problems of requests that failed because of the database.

use engine_roles_contract::Code;
use engine_roles_store::StoreError;
use tracing::error;

use super::Problem;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        error!(
            error = &error as &dyn std::error::Error,
            "request failed because of the database"
        );
        if error.is_transient() {
            let why = match error.original() {
                StoreError::Refused(_) => "the database refused the service's login",
                StoreError::ReadOnly(_) => "the database accepts no writes now",
                StoreError::NoRights(_) => "the service's database user lacks a right",
                StoreError::Pooler(_) => "the service is not configured for its connection pooler",
                StoreError::ClusterBusy => "the record of the cluster is locked in the database",
                StoreError::Token(_) => "the service has no valid token for the database",
                StoreError::NoTables(_) => "the database has no tables of this service yet",
                StoreError::SchemaTooNew { .. } => "a newer release has changed the database",
                StoreError::Query(_) => "the database answered with an error",
                _ => "the database did not answer",
            };
            Self::new(
                Code::DatabaseUnavailable,
                format!(
                    "{why}; send the same request again (a change may have been recorded already)"
                ),
            )
        } else if let StoreError::UnreadableEvent { seq, .. } = error.original() {
            let detail = format!(
                "event {seq} of the audit log can't be read: somebody changed the database; `after={seq}` \
                 continues with the events after it"
            );
            Self::new(Code::Internal, detail)
        } else {
            Self::internal()
        }
    }
}
