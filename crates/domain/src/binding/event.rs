//! Audit events: one for each change of a binding's state, written with it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::binding::id::{BindingId, Generation};
use crate::binding::state::State;
use crate::cluster::name::ClusterName;

/// Who caused a change: an API key by its name, or a task of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(pub String);

impl Actor {
    /// The task that finishes what was left and checks what is.
    pub fn reconciler() -> Self {
        Self("reconciler".to_owned())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventAction {
    /// A role was asked for.
    ProvisionRequested,
    /// A change of a live role was asked for.
    UpdateRequested,
    /// A teardown was asked for.
    TeardownRequested,
    /// IAM took everything.
    Provisioned,
    /// IAM took the change.
    Updated,
    /// Everything of ours is gone.
    TornDown,
    /// The intent was refused for good; what was half-made goes again.
    Refused,
    /// What a refused intent had half-made is gone, or what was before is back.
    Withdrawn,
    /// The teardown met something that it may not remove.
    Blocked,
    /// An attempt failed and will be made again.
    Delayed,
    /// A read of IAM showed something else.
    DriftFound,
    /// What differed was put right.
    DriftRepaired,
    /// Something turned up after the teardown and was removed.
    GhostRemoved,
}

impl EventAction {
    /// All actions.
    pub const ALL: [Self; 13] = [
        Self::ProvisionRequested,
        Self::UpdateRequested,
        Self::TeardownRequested,
        Self::Provisioned,
        Self::Updated,
        Self::TornDown,
        Self::Refused,
        Self::Withdrawn,
        Self::Blocked,
        Self::Delayed,
        Self::DriftFound,
        Self::DriftRepaired,
        Self::GhostRemoved,
    ];

    /// The word that stands in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProvisionRequested => "provision_requested",
            Self::UpdateRequested => "update_requested",
            Self::TeardownRequested => "teardown_requested",
            Self::Provisioned => "provisioned",
            Self::Updated => "updated",
            Self::TornDown => "torn_down",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Blocked => "blocked",
            Self::Delayed => "delayed",
            Self::DriftFound => "drift_found",
            Self::DriftRepaired => "drift_repaired",
            Self::GhostRemoved => "ghost_removed",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

/// What is written into the log in the transaction of the change itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What changed.
    pub action: EventAction,
    /// Who caused it.
    pub actor: Actor,
    /// The HTTP request that caused it, where one did.
    pub request_id: Option<String>,
    /// What else a reader needs: steps, names, reasons. Never a secret.
    pub detail: serde_json::Value,
}

/// An event as it stands in the log, after the sequencer gave it its number.
#[derive(Clone, Debug, PartialEq)]
pub struct SequencedEvent {
    /// Its place in the log, from 1, without gaps.
    pub seq: i64,
    /// Its own id.
    pub id: Uuid,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// The cluster.
    pub cluster: ClusterName,
    /// The life of the cluster's role.
    pub binding_id: BindingId,
    /// The intent.
    pub generation: Generation,
    /// The state before; none for a new binding.
    pub from_state: Option<State>,
    /// The state after.
    pub to_state: State,
    /// What happened.
    pub event: Event,
}
