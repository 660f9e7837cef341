//! The administrator's roles with their attestation.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::open::Open;

/// Whether a prepared role serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Fit,
    Unfit,
    /// This identity can't read all that matters.
    Indeterminate,
    /// IAM was not read; the administrator's word is taken.
    Declared,
}

/// How wide a prepared role is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Width {
    /// It can read no engine's secrets.
    Nothing,
    /// It can read the secrets of some clusters only.
    Clusters,
    /// It can read every cluster's secrets.
    AllClusters,
    /// It can do more than read engines' secrets.
    Beyond,
    Unknown,
}

/// The roles that may be passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PassThroughRoleList {
    pub items: Vec<PassThroughRole>,
}

/// A role that the administrator prepared, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PassThroughRole {
    /// As the administrator wrote it.
    pub role: String,
    /// The administrator's instance profile; null where one is made per cluster.
    pub instance_profile: Option<String>,
    /// Whether it is passed where a request names none.
    pub default: bool,
    /// `fit`, `unfit`, `indeterminate` (this identity can't read all that matters), or `declared`
    /// (IAM was not reached; the administrator's word counts).
    #[schema(value_type = String)]
    pub verdict: Open<Verdict>,
    /// How wide it is: `nothing`, `clusters`, `all_clusters`, `beyond` or `unknown`.
    #[schema(value_type = String)]
    pub width: Open<Width>,
    /// The clusters whose secrets alone it reaches, where it is limited so.
    pub clusters: Option<Vec<String>>,
    /// Its permissions boundary.
    pub boundary: Option<String>,
    /// Why, each with a `code` and a `detail`.
    #[schema(value_type = Vec<Object>)]
    pub reasons: Value,
    /// What it grants beyond engines' secrets: statement, actions, resources, and how surely.
    #[schema(value_type = Vec<Object>)]
    pub beyond: Value,
    /// When IAM was read; null where it never was.
    pub attested_at: Option<DateTime<Utc>>,
    /// Why IAM could not be read when that was last tried.
    pub unread: Option<String>,
}
