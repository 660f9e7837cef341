//! Errors of the database.

use engine_roles_contract::Code;
use engine_roles_store::StoreError;
use tracing::error;

use super::Problem;

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
