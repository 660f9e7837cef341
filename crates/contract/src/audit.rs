//! The audit log.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::binding::State;
use crate::open::Open;

/// Which events, and which page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Of this cluster only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// By this actor only: an API key's name, or `reconciler`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Of this action only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Not before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// With a greater `seq` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
    /// 1 to 1000, default 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
}

/// One change of a binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEvent {
    /// Its place in the log, from 1, without gaps.
    pub seq: i64,
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub cluster: String,
    pub binding_id: Uuid,
    pub generation: i64,
    pub action: String,
    pub actor: String,
    pub request_id: Option<String>,
    #[schema(value_type = Option<String>)]
    pub from_state: Option<Open<State>>,
    #[schema(value_type = String)]
    pub to_state: Open<State>,
    #[schema(value_type = Object)]
    pub detail: Value,
}

/// A page of events, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    pub items: Vec<AuditEvent>,
    /// The `after` of the next page; null when there is no more yet.
    pub next_after: Option<i64>,
}
