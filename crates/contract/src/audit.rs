//! The audit log's query, pages and events.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::binding::State;
use crate::open::Open;
use crate::text::{Actor, Address, AwsRequestId, ClusterName, RequestId, RoleId, TraceId, Word};

/// What an event of the audit log says that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditAction {
    /// A caller asked for a role.
    ProvisionRequested,
    /// A caller asked for a change of a role.
    UpdateRequested,
    /// A caller asked for a teardown.
    TeardownRequested,
    /// AWS accepted the first spec.
    Provisioned,
    /// AWS accepted the change.
    Updated,
    /// Everything that the service created is removed.
    TornDown,
    /// The intent can't be carried out.
    Rejected,
    /// What a rejected intent had created is removed.
    Withdrawn,
    /// A teardown needs to remove something that the service may not remove.
    Blocked,
    /// An attempt failed and is repeated later.
    Delayed,
    /// AWS differs from the applied spec.
    DriftFound,
    /// AWS no longer differs from the applied spec.
    DriftRepaired,
    /// A resource appeared after the teardown and was removed.
    LateResourceRemoved,
    /// Requests were not accepted: they had no valid key, or the key does not permit them.
    Denied,
    /// An API key was created.
    KeyCreated,
    /// An API key was revoked.
    KeyRevoked,
    /// The audit log was read.
    LogRead,
    /// Somebody signed in to the console.
    SignedIn,
    /// An AWS resource was found that no binding accounts for.
    OrphanFound,
    /// An orphan is no longer there.
    OrphanGone,
    /// The verdict about a pass-through role changed.
    RoleAttested,
}

/// Selects events of the audit log, and a page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only events of this cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<ClusterName>)]
    pub cluster: Option<String>,
    /// Only events that this actor caused: the name of an API key, or `reconciler` for the
    /// service's own background work.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Actor>)]
    pub actor: Option<String>,
    /// Only events of this action, such as `provisioned` or `torn_down`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<AuditAction>, example = "provisioned")]
    pub action: Option<String>,
    /// Only events at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(example = "2026-11-26T10:00:00Z")]
    pub since: Option<DateTime<Utc>>,
    /// Only events before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(example = "2026-11-26T11:00:00Z")]
    pub until: Option<DateTime<Utc>>,
    /// Only events with a `seq` greater than this number; `next_after` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 17)]
    pub after: Option<i64>,
    /// The most events on one page: 1 to 1000, default 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000, default = 100, example = 100)]
    pub limit: Option<i64>,
}

/// One event of the audit log: a change of a binding, or something about the installation, such as a
/// denied request. An event about the installation has no cluster, binding, generation and state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEvent {
    /// The event's number in the log: from 1, without gaps, in the order of the commits.
    #[schema(minimum = 1)]
    pub seq: i64,
    /// The event's unique id.
    pub id: Uuid,
    /// When the change was recorded, by the database's clock.
    #[serde(with = "crate::time")]
    pub at: DateTime<Utc>,
    /// The cluster whose binding changed.
    #[schema(value_type = Option<ClusterName>)]
    pub cluster: Option<String>,
    /// The incarnation of the cluster's role that changed.
    pub binding_id: Option<Uuid>,
    /// The binding's generation after the change.
    #[schema(minimum = 0)]
    pub generation: Option<i64>,
    /// What happened: `provision_requested`, `update_requested`, `teardown_requested`,
    /// `provisioned`, `updated`, `torn_down`, `rejected`, `withdrawn`, `blocked`, `delayed`,
    /// `drift_found`, `drift_repaired`, `late_resource_removed`, `denied`, `key_created`,
    /// `key_revoked`, `log_read`, `signed_in`, `orphan_found`, `orphan_gone` or `role_attested`. Later
    /// versions may add actions.
    #[schema(value_type = Word)]
    pub action: String,
    /// What became of it: `accepted` (a request that is carried out), `succeeded`, `failed`, `denied`, or
    /// `observed` (nobody asked for it). Later versions may add outcomes.
    #[schema(value_type = Word)]
    pub outcome: String,
    /// Who caused the event: the name of an API key, `operator` for the command line, `anonymous` for
    /// requests without a known key, or `reconciler` for the service's own background work.
    #[schema(value_type = Actor)]
    pub actor: String,
    /// The id of the API key; null for the initial key, and where there was no known key.
    pub key_id: Option<Uuid>,
    /// The address from which the request came: behind a trusted proxy, the one that the proxy names. Null
    /// where no request caused the event.
    #[schema(value_type = Option<Address>)]
    pub source: Option<String>,
    /// The id of the HTTP request that caused the event; null where no request did.
    #[schema(value_type = Option<RequestId>)]
    pub request_id: Option<String>,
    /// The trace that the caller named in the header `traceparent`; null where it named none.
    #[schema(value_type = Option<TraceId>)]
    pub trace_id: Option<String>,
    /// The ids that AWS gave to the calls that led to the event, in the order of the answers, at most 100.
    /// AWS's own log of calls has each call under this id.
    #[schema(value_type = Vec<AwsRequestId>, max_items = 100)]
    pub aws_request_ids: Vec<String>,
    /// The binding's state before the change; null where the change created the binding.
    #[schema(value_type = Option<State>)]
    pub from_state: Option<Open<State>>,
    /// The binding's state after the change.
    #[schema(value_type = Option<State>)]
    pub to_state: Option<Open<State>>,
    /// The unique id of the role that the service created for the binding; null where it created none
    /// yet.
    #[schema(value_type = Option<RoleId>)]
    pub role_id: Option<String>,
    /// Facts about the change; its members depend on `action`.
    #[schema(value_type = Object)]
    pub detail: Value,
}

/// A page of events, in the order of their numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The events of this page.
    pub items: Vec<AuditEvent>,
    /// Send this as `after` to get the events that follow: the number of the last event that was
    /// examined, whether it matched or not.
    #[schema(minimum = 0)]
    pub next_after: i64,
}
