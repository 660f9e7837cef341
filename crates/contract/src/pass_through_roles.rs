//! The prepared roles and their attestation.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::open::Open;
use crate::text::{PolicyArn, ProfileName, RoleReference};

/// Whether a prepared role is fit to be passed to engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// EC2 may assume the role, and the role can read the secrets.
    Fit,
    /// The role certainly can't be used by engines.
    Unfit,
    /// The service's identity can't read everything on which the verdict depends.
    Indeterminate,
    /// IAM was never read; the administrator declares the role fit.
    Declared,
}

/// How much a prepared role can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Width {
    /// The role can read no engine's secrets.
    Nothing,
    /// The role can read the secrets of certain clusters only.
    Clusters,
    /// The role can read every cluster's secrets.
    AllClusters,
    /// The role can do more than read engines' secrets.
    Beyond,
    /// The service does not know what the role can reach.
    Unknown,
}

/// The prepared roles that may be passed to engines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PassThroughRoleList {
    /// The roles, as the administrator's list names them.
    pub items: Vec<PassThroughRole>,
}

/// A role that the administrator prepared, with its attestation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PassThroughRole {
    /// The role's name or ARN, as the administrator's list has it.
    #[schema(value_type = RoleReference)]
    pub role: String,
    /// The instance profile that the administrator prepared for the role; null where the service
    /// creates one for each cluster.
    #[schema(value_type = Option<ProfileName>)]
    pub instance_profile: Option<String>,
    /// Whether the role is passed where a request names none.
    pub default: bool,
    /// `fit` (EC2 may assume the role, and the role can read the secrets), `unfit`, `indeterminate`
    /// (the service's identity can't read everything on which the verdict depends) or `declared`
    /// (IAM was never read; the administrator declares the role fit).
    #[schema(value_type = Verdict)]
    pub verdict: Open<Verdict>,
    /// How much the role can reach: `nothing` (no engine's secrets), `clusters` (the secrets of
    /// certain clusters only), `all_clusters` (every cluster's secrets), `beyond` (more than
    /// engines' secrets) or `unknown`.
    #[schema(value_type = Width)]
    pub width: Open<Width>,
    /// The only clusters whose secrets the role can read; null unless `width` is `clusters`. Each
    /// name is written as in the policy, and may contain a wildcard.
    pub clusters: Option<Vec<String>>,
    /// The ARN of the role's permissions boundary; null where the role has none, or where the
    /// service does not know.
    #[schema(value_type = Option<PolicyArn>)]
    pub boundary: Option<String>,
    /// The reasons for the verdict and the width, each with a `code` and a `detail`.
    #[schema(value_type = Vec<Object>)]
    pub reasons: Value,
    /// The grants beyond engines' secrets, each with its statement (`by`), `action`, `resource` and
    /// `certainty` (whether conditions, a boundary or a denial may narrow the grant).
    #[schema(value_type = Vec<Object>)]
    pub beyond: Value,
    /// When the role was last read from IAM; null where IAM was never read.
    #[serde(with = "crate::time::optional")]
    pub attested_at: Option<DateTime<Utc>>,
    /// Why the last attempt to read the role from IAM failed; null where the attempt did not fail.
    pub unread: Option<String>,
}
