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
    /// Returns the reconciler, which acts without a request.
    pub fn reconciler() -> Self {
        Self("reconciler".to_owned())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The kind of a change, as the audit log lists it. The words of two kinds are older than their
/// names here; stored events keep them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventAction {
    /// A role was asked for.
    ProvisionRequested,
    /// A change of a live role was asked for.
    UpdateRequested,
    /// A teardown was asked for.
    TeardownRequested,
    /// AWS took everything of a first intent.
    Provisioned,
    /// AWS took everything of a changed intent.
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
    /// A read of AWS showed a difference to the applied spec.
    DriftFound,
    /// Drift is gone, by our repair or by somebody else.
    DriftRepaired,
    /// A resource turned up after the teardown and was removed.
    #[serde(rename = "ghost_removed")]
    LateResourceRemoved,
}

impl EventAction {
    /// Every kind.
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

    /// Returns the word in JSON and in the database.
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

    /// Reads the word in JSON and in the database; none where it is no such word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

/// Who or what causes a change, for the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The API key or the task.
    pub actor: Actor,
    /// The id of the HTTP request; none where no request causes the change.
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
        /// The spec of the new intent, resolved.
        spec: RoleSpec,
    },
    /// A change of a live role was asked for.
    UpdateRequested {
        /// The spec of the new intent, resolved.
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
    /// AWS took everything of a first intent.
    Provisioned {
        /// How many calls the last attempt made.
        calls: usize,
    },
    /// AWS took everything of a changed intent.
    Updated {
        /// How many calls the last attempt made.
        calls: usize,
    },
    /// The intent was rejected for good.
    Rejected {
        /// The stable code, for a program.
        code: FailureCode,
        /// What happened, for a person.
        reason: String,
        /// The IAM actions that were denied.
        missing_permissions: Vec<String>,
    },
    /// A rejected change was withdrawn: the spec before it is back.
    ChangeWithdrawn {
        /// How many calls the last attempt made.
        calls: usize,
    },
    /// A rejected first intent was withdrawn: what it had half-made is gone.
    ProvisionWithdrawn {
        /// What was removed, by kind and name.
        removed: Vec<String>,
    },
    /// Everything of ours is gone.
    TornDown {
        /// What was removed and left, and when access ended.
        receipt: Receipt,
    },
    /// The record of a binding that had made nothing was closed.
    #[serde(serialize_with = "nothing_was_made")]
    NothingToTearDown,
    /// A removal met something that it may not remove.
    Blocked {
        /// The stable code, for a program.
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
        /// Why the attempt failed, for a person.
        reason: String,
    },
    /// A read of AWS showed something else than the applied spec.
    DriftFound {
        /// Every difference that the read showed.
        drift: Vec<Drift>,
    },
    /// AWS took at least one step of a repair.
    DriftRepaired {
        /// The steps that AWS took, in words.
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
    /// The id that the event got when it was written; its number comes later.
    pub id: Uuid,
    /// The database's time when it was written.
    pub at: DateTime<Utc>,
    /// The cluster whose binding changed.
    pub cluster: ClusterName,
    /// The incarnation of the cluster's role.
    pub binding_id: BindingId,
    /// The number of the intent under which the binding changed.
    pub generation: Generation,
    /// The state before; none for a new binding.
    pub from_state: Option<State>,
    /// The state after; the same as before where only something else changed.
    pub to_state: State,
    /// The kind of the change.
    pub action: EventAction,
    /// The API key or the task that caused the change.
    pub actor: Actor,
    /// The id of the HTTP request that caused the change; none where none did.
    pub request_id: Option<String>,
    /// The event's detail as it was stored, also by older releases.
    pub detail: Value,
}
