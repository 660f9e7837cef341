//! What the service's identity may do.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::binding::Mode;
use crate::open::Open;

/// Whether a feature works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapabilityStatus {
    /// All that it needs is allowed.
    Works,
    /// AWS denies something that it needs.
    Missing,
    /// Nothing is known to be denied, and not all is known to be allowed.
    Unknown,
    /// The configuration has no use for it.
    Unused,
}

/// What this service's identity may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Capabilities {
    /// The ARN of the identity; null where the account is configured and STS does not say.
    pub identity: Option<String>,
    /// How it was found: `simulated` by IAM, `evaluated` from the identity's own policies,
    /// `probed` by reads that change nothing, `remembered` from earlier work.
    pub found_by: Vec<String>,
    pub found_at: DateTime<Utc>,
    pub features: Vec<Capability>,
    pub recommendation: Recommendation,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Capability {
    /// `create`, `teardown`, `pass_through`, `drop_tags`, `detach_policies`, `attestation`,
    /// `orphans`, `bulk_sweep` or `quota`.
    pub feature: String,
    /// `works`, `missing`, `unknown`, or `unused` where the configuration has no use for it.
    #[schema(value_type = String)]
    pub status: Open<CapabilityStatus>,
    /// The actions that are refused.
    pub missing_permissions: Vec<String>,
    /// The actions of which it is not known.
    pub unknown_permissions: Vec<String>,
    /// The statements that would add what is missing.
    #[schema(value_type = Vec<Object>)]
    pub statements: Vec<Value>,
    /// Why it is not known.
    pub reasons: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recommendation {
    /// `create` or `pass_through`; null where neither is known to work.
    #[schema(value_type = Option<String>)]
    pub mode: Option<Open<Mode>>,
    /// What to attach to what, or to configure.
    pub advice: String,
}
