//! Where a cluster's role comes from.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a cluster's role comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The service creates a role for the cluster.
    Create,
    /// The cluster uses a role that the administrator prepared.
    PassThrough,
}
