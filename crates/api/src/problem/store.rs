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
            Self::new(
                Code::DatabaseUnavailable,
                "the database did not answer; send the same request again (a change may have been recorded already)",
            )
        } else {
            Self::internal()
        }
    }
}
