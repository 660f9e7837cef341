//! Errors of rendering a policy document.

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
                    "policy document could not be rendered"
                );
                Self::internal()
            }
        }
    }
}
