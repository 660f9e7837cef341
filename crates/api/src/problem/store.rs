//! Problems of requests that failed because of the database.

use engine_roles_contract::Code;
use engine_roles_store::StoreError;
use tracing::error;

use super::Problem;

impl From<StoreError> for Problem {
    fn from(failed: StoreError) -> Self {
        error!(
            error = &failed as &dyn std::error::Error,
            "request failed because of the database"
        );
        if failed.is_transient() {
            Self::new(
                Code::DatabaseUnavailable,
                "the database did not answer; send the same request again (a change may have been recorded already)",
            )
        } else {
            Self::internal()
        }
    }
}
