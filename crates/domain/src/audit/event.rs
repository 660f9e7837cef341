//! Events as readers of the audit log get them.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::audit::action::EventAction;
use crate::audit::actor::Actor;
use crate::binding::{BindingId, Generation, State};
use crate::cluster::ClusterName;

/// An event of the audit log, after the sequencer has numbered it.
#[derive(Clone, Debug, PartialEq)]
pub struct SequencedEvent {
    /// The event's number in the log, from 1, without gaps.
    pub seq: i64,
    /// The id that the event got when it was written, before it had a number.
    pub id: Uuid,
    /// The database's time at which the event was written.
    pub at: DateTime<Utc>,
    /// The binding that changed; none for an event about the installation.
    pub change: Option<BindingChange>,
    /// The kind of the event.
    pub action: EventAction,
    /// The API key or the task that caused the event.
    pub actor: Actor,
    /// The id of the API key; none for the key in the configuration, and where there was no key.
    pub key_id: Option<Uuid>,
    /// The address from which the request came; none where no request caused the event.
    pub source: Option<String>,
    /// The id of the HTTP request; none where no request caused the event.
    pub request_id: Option<String>,
    /// The trace that the request belonged to; none where the caller named none.
    pub trace_id: Option<String>,
    /// The ids that AWS gave to the calls that led to the event, in the order of the answers.
    pub aws_request_ids: Vec<String>,
    /// The event's detail as this release or an earlier one stored it.
    pub detail: Value,
}

/// How a binding changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingChange {
    /// The cluster whose binding changed.
    pub cluster: ClusterName,
    /// The incarnation of the cluster's role.
    pub binding_id: BindingId,
    /// The generation of the intent under which the binding changed.
    pub generation: Generation,
    /// The binding's state before the change; none for a new binding.
    pub from_state: Option<State>,
    /// The binding's state after the change; it equals `from_state` where the state did not change.
    pub to_state: State,
    /// The unique id of the role that the service created for the binding; none where it created none yet.
    pub role_id: Option<String>,
}
