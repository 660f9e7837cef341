//! Why a policy document can't be filled.

use engine_roles_contract::Code;
use engine_roles_domain::grant::CatalogueError;
use tracing::error;

use super::Problem;

impl From<CatalogueError> for Problem {
    fn from(failed: CatalogueError) -> Self {
        let detail = failed.to_string();
        match (failed.field(), &failed) {
            (
                Some(field),
                CatalogueError::RegionOfOtherPartition { .. }
                | CatalogueError::KeyOfOtherRegion { .. },
            ) => Self::field(Code::InvalidRegion, field, detail),
            (Some(field), _) => Self::field(Code::InvalidRequest, field, detail),
            (None, _) => {
                error!(
                    error = &failed as &dyn std::error::Error,
                    "a policy document has a flaw"
                );
                Self::internal()
            }
        }
    }
}
