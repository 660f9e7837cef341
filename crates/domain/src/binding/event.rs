//! Audit events: one for each change of a binding's state, written with it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use crate::binding::drift::Drift;
use crate::binding::failure::FailureCode;
use crate::binding::id::{BindingId, Generation};
use crate::binding::receipt::Receipt;
use crate::binding::state::State;
use crate::cluster::name::ClusterName;
use crate::cluster::spec::RoleSpec;

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
    /// The intent was rejected for good; what was half-made is removed again.
    #[serde(rename = "refused")]
    Rejected,
    /// What a rejected intent had half-made is gone, or the spec before it is back.
    Withdrawn,
    /// The teardown met something that it may not remove.
    Blocked,
    /// An attempt failed and will be made again.
    Delayed,
    /// A read of IAM showed something else.
    DriftFound,
    /// What differed was put right.
    DriftRepaired,
    /// A resource turned up after the teardown and was removed.
    #[serde(rename = "ghost_removed")]
    LateResourceRemoved,
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
        Self::Rejected,
        Self::Withdrawn,
        Self::Blocked,
        Self::Delayed,
        Self::DriftFound,
        Self::DriftRepaired,
        Self::LateResourceRemoved,
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
            Self::Rejected => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Blocked => "blocked",
            Self::Delayed => "delayed",
            Self::DriftFound => "drift_found",
            Self::DriftRepaired => "drift_repaired",
            Self::LateResourceRemoved => "ghost_removed",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

/// Who or what causes a change, for the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Who causes it.
    pub actor: Actor,
    /// The HTTP request that causes it, where one does.
    pub request_id: Option<String>,
}

impl Cause {
    /// Returns the cause of what the service does by itself.
    pub fn reconciler() -> Self {
        Self {
            actor: Actor::reconciler(),
            request_id: None,
        }
    }
}

/// What changed, with what a reader of the audit log needs to know about it.
///
/// It is stored as a JSON object of the variant's fields, beside the word of its action.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EventDetail {
    /// A role was asked for.
    ProvisionRequested {
        /// An operator took an orphan over.
        #[serde(skip_serializing_if = "is_false")]
        adopted: bool,
        /// What should exist.
        spec: RoleSpec,
    },
    /// A change of a live role was asked for.
    UpdateRequested {
        /// What should exist.
        spec: RoleSpec,
    },
    /// A teardown was asked for.
    TeardownRequested {
        /// It was blocked, and was asked for again.
        #[serde(skip_serializing_if = "is_false")]
        again: bool,
        /// The spec under which an orphan that an operator wants removed is looked for.
        #[serde(flatten, serialize_with = "adopted_spec")]
        adopted: Option<RoleSpec>,
    },
    /// AWS took everything.
    Provisioned {
        /// How many calls it took.
        calls: usize,
    },
    /// AWS took a change.
    Updated {
        /// How many calls it took.
        calls: usize,
    },
    /// The intent was rejected for good.
    Rejected {
        /// The stable code.
        code: FailureCode,
        /// What happened, for a person.
        reason: String,
        /// The IAM actions that were denied.
        missing_permissions: Vec<String>,
    },
    /// A rejected change was withdrawn: the spec before it is back.
    ChangeWithdrawn {
        /// How many calls it took.
        calls: usize,
    },
    /// A rejected first intent was withdrawn: what it had half-made is gone.
    ProvisionWithdrawn {
        /// What was removed, by kind and name.
        removed: Vec<String>,
    },
    /// Everything of ours is gone.
    TornDown {
        /// What the teardown did.
        receipt: Receipt,
    },
    /// The record of a binding that had made nothing was closed.
    #[serde(serialize_with = "nothing_was_made")]
    NothingToTearDown,
    /// A removal met something that it may not remove.
    Blocked {
        /// The stable code.
        code: FailureCode,
        /// What happened, for a person.
        reason: String,
        /// The IAM actions that were denied.
        missing_permissions: Vec<String>,
        /// What it met, by name.
        blockers: Vec<String>,
    },
    /// An attempt failed and will be repeated.
    Delayed {
        /// Why.
        reason: String,
    },
    /// A read of AWS showed something else than the applied spec.
    DriftFound {
        /// What differs.
        drift: Vec<Drift>,
    },
    /// This service repaired drift.
    DriftRepaired {
        /// The calls that it made.
        steps: Vec<String>,
    },
    /// A read showed that drift is gone.
    #[serde(serialize_with = "by_others")]
    DriftRepairedByOthers,
    /// A resource turned up after the teardown and was removed.
    LateResourceRemoved {
        /// What was removed since the teardown began, by kind and name.
        removed: Vec<String>,
    },
}

impl EventDetail {
    /// Returns the action under which the audit log lists the event.
    pub fn action(&self) -> EventAction {
        match self {
            Self::ProvisionRequested { .. } => EventAction::ProvisionRequested,
            Self::UpdateRequested { .. } => EventAction::UpdateRequested,
            Self::TeardownRequested { .. } => EventAction::TeardownRequested,
            Self::Provisioned { .. } => EventAction::Provisioned,
            Self::Updated { .. } => EventAction::Updated,
            Self::Rejected { .. } => EventAction::Rejected,
            Self::ChangeWithdrawn { .. } | Self::ProvisionWithdrawn { .. } => {
                EventAction::Withdrawn
            }
            Self::TornDown { .. } | Self::NothingToTearDown => EventAction::TornDown,
            Self::Blocked { .. } => EventAction::Blocked,
            Self::Delayed { .. } => EventAction::Delayed,
            Self::DriftFound { .. } => EventAction::DriftFound,
            Self::DriftRepaired { .. } | Self::DriftRepairedByOthers => EventAction::DriftRepaired,
            Self::LateResourceRemoved { .. } => EventAction::LateResourceRemoved,
        }
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[derive(Serialize)]
struct Adopted<'a> {
    adopted: bool,
    spec: &'a RoleSpec,
}

#[allow(clippy::ref_option, reason = "serde calls it with a reference")]
fn adopted_spec<S: Serializer>(spec: &Option<RoleSpec>, serializer: S) -> Result<S::Ok, S::Error> {
    let adopted = spec.as_ref().map(|spec| Adopted {
        adopted: true,
        spec,
    });
    adopted.serialize(serializer)
}

fn nothing_was_made<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map([("nothing_was_made", true)])
}

fn by_others<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map([("by", "others")])
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
    /// The incarnation of the cluster's role.
    pub binding_id: BindingId,
    /// The intent.
    pub generation: Generation,
    /// The state before; none for a new binding.
    pub from_state: Option<State>,
    /// The state after.
    pub to_state: State,
    /// What changed.
    pub action: EventAction,
    /// Who caused it.
    pub actor: Actor,
    /// The HTTP request that caused it, where one did.
    pub request_id: Option<String>,
    /// The event's detail as it was stored, also by older releases.
    pub detail: Value,
}
