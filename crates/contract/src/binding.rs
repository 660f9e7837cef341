//! A binding as the interface shows it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::open::Open;
use crate::problem::Code;

/// Where a cluster's role comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The service creates it.
    Create,
    /// The administrator prepared it.
    PassThrough,
}

/// Where a binding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Provisioning,
    Active,
    Deleting,
    Deleted,
    Failed,
    Blocked,
}

/// The record that a cluster has a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Binding {
    pub cluster: String,
    /// One life of the cluster's role.
    pub binding_id: Uuid,
    /// `provisioning`, `active`, `deleting`, `deleted`, `failed` or `blocked`.
    #[schema(value_type = String)]
    pub state: Open<State>,
    /// `create` or `pass_through`.
    #[schema(value_type = String)]
    pub mode: Open<Mode>,
    /// The intent; also the `ETag`.
    pub generation: i64,
    /// The last intent that IAM took in full.
    pub applied_generation: Option<i64>,
    pub account_id: String,
    pub partition: String,
    pub role: Option<Role>,
    pub instance_profile: Option<InstanceProfile>,
    /// The inline policy as applied; none in pass-through.
    #[schema(value_type = Option<Object>)]
    pub policy: Option<Value>,
    /// The request as resolved.
    #[schema(value_type = Object)]
    pub spec: Value,
    /// When EC2 is expected to know the instance profile.
    pub usable_after: Option<DateTime<Utc>>,
    /// When IAM was last read and held what is meant.
    pub verified_at: Option<DateTime<Utc>>,
    pub drift: Vec<Drift>,
    pub last_error: Option<LastError>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// What the teardown did; none before.
    pub receipt: Option<Receipt>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Role {
    pub name: String,
    pub arn: Option<String>,
    /// `AROA…`
    pub id: Option<String>,
    pub path: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstanceProfile {
    pub name: String,
    pub arn: Option<String>,
    /// `AIPA…`
    pub id: Option<String>,
    /// Whether this service made it and removes it.
    pub managed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drift {
    pub kind: String,
    pub detail: String,
    pub missing_permission: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastError {
    #[schema(value_type = String)]
    pub code: Open<Code>,
    pub detail: String,
    pub missing_permissions: Vec<String>,
    pub blockers: Vec<String>,
    pub at: DateTime<Utc>,
    pub attempts: i32,
    pub next_attempt_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// When the engine's own grant ended.
    pub grant_ended_at: Option<DateTime<Utc>>,
    /// When all access ended; none in pass-through, where the role stays.
    pub access_ended_at: Option<DateTime<Utc>>,
    pub removed: Vec<String>,
    pub left: Vec<String>,
}
