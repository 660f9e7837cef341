//! What the service's own AWS identity may do.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::mode::Mode;
use crate::open::Open;
use crate::problem::DeniedBy;
use crate::text::{Permission, Word};

/// Whether the service's identity may use a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CapabilityStatus {
    /// AWS allows every action that the feature needs.
    Works,
    /// AWS denies an action that the feature needs.
    Missing,
    /// No action is known to be denied, and not every action is known to be allowed.
    Unknown,
    /// The configuration does not use the feature.
    Unused,
}

/// Which features the service's AWS identity may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Capabilities {
    /// The ARN of the service's identity; null where the account is configured and STS does not
    /// answer.
    pub identity: Option<String>,
    /// How the service detected what its identity may do: `simulated` (IAM's policy simulator
    /// answered), `evaluated` (the service evaluated its identity's own policies), `probed` (the
    /// service tried reads that change nothing), `remembered` (AWS allowed or denied the action in
    /// earlier work). Empty where probes are off and no earlier work has shown anything.
    #[schema(value_type = Vec<Word>)]
    pub found_by: Vec<String>,
    /// When the service detected what its identity may do.
    #[serde(with = "crate::time")]
    pub found_at: DateTime<Utc>,
    /// The features, the essential ones first.
    pub features: Vec<Capability>,
    /// What the administrator should do.
    pub recommendation: Recommendation,
}

/// Whether the service's AWS identity may use one feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Capability {
    /// `create` (create a role for each cluster), `teardown` (remove created roles),
    /// `pass_through` (put a prepared role into an instance profile), `drop_tags` (remove tags
    /// that a change drops), `detach_policies` (detach, at a teardown, managed policies that others
    /// attached), `attestation` (check prepared roles), `orphans` (find resources that no binding
    /// accounts for), `bulk_sweep` (check all roles with one listing) or `quota` (notice a full
    /// account before a role is created).
    #[schema(value_type = Word)]
    pub feature: String,
    /// `works` (AWS allows every action that the feature needs), `missing` (AWS denies one of these
    /// actions), `unknown` (no action is known to be denied, and not every action is known to be
    /// allowed) or `unused` (the configuration does not use the feature).
    #[schema(value_type = CapabilityStatus)]
    pub status: Open<CapabilityStatus>,
    /// The IAM actions that AWS denies.
    #[schema(value_type = Vec<Permission>)]
    pub missing_permissions: Vec<String>,
    /// What denies a missing action, by action, where no statement for the service's identity would help:
    /// an explicit Deny, or a layer of policies other than the identity's own.
    pub denied_by: BTreeMap<String, DeniedBy>,
    /// The IAM actions for which the service does not know whether AWS allows them.
    #[schema(value_type = Vec<Permission>)]
    pub unknown_permissions: Vec<String>,
    /// Policy statements for the service's identity that would allow the missing actions, where a
    /// statement helps.
    #[schema(value_type = Vec<Object>)]
    pub statements: Vec<Value>,
    /// Why the `unknown_permissions` are not known, one sentence each.
    pub reasons: Vec<String>,
}

/// What the administrator should do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recommendation {
    /// The mode to use, `create` or `pass_through`; null where neither is known to work.
    #[schema(value_type = Option<Mode>)]
    pub mode: Option<Open<Mode>>,
    /// What to attach to which identity, or what to configure, in sentences.
    pub advice: String,
}
