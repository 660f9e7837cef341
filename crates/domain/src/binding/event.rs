//! Audit events. Each is written in the same transaction as the change of the binding that it
//! reports.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use crate::binding::drift::Drift;
use crate::binding::failure::FailureCode;
use crate::binding::id::{BindingId, Generation};
use crate::binding::receipt::Receipt;
use crate::binding::record::RoleRecord;
use crate::binding::state::State;
use crate::cluster::name::ClusterName;
use crate::cluster::spec::RoleSpec;

/// Who caused a change: the name of an API key, or a task of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(pub String);

impl Actor {
    /// Returns the actor of changes that the reconciler makes without a request.
    pub fn reconciler() -> Self {
        Self("reconciler".to_owned())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The kind of a change. Each has one word on the wire; [`EventAction::stored_words`] has the
/// words that earlier releases stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventAction {
    /// A caller asked for a role.
    ProvisionRequested,
    /// A caller asked for a change of a live role.
    UpdateRequested,
    /// A caller asked for a teardown.
    TeardownRequested,
    /// AWS matches the first intent of an incarnation.
    Provisioned,
    /// AWS matches a changed intent.
    Updated,
    /// All resources of the binding are removed.
    TornDown,
    /// The intent can't be carried out and was given up. Its partial changes are undone next.
    #[serde(alias = "refused")]
    Rejected,
    /// The partial changes of a rejected intent are undone.
    Withdrawn,
    /// A removal found a resource that it may not remove.
    Blocked,
    /// An attempt failed and will be repeated.
    Delayed,
    /// A read of AWS showed a difference from the applied spec.
    DriftFound,
    /// We repaired drift, or somebody else did.
    DriftRepaired,
    /// A late resource appeared after its incarnation had ended, and was removed.
    #[serde(alias = "ghost_removed")]
    LateResourceRemoved,
}

impl EventAction {
    /// Every kind, in the order of declaration.
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

    /// Returns the word on the wire, under which new events are stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProvisionRequested => "provision_requested",
            Self::UpdateRequested => "update_requested",
            Self::TeardownRequested => "teardown_requested",
            Self::Provisioned => "provisioned",
            Self::Updated => "updated",
            Self::TornDown => "torn_down",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Blocked => "blocked",
            Self::Delayed => "delayed",
            Self::DriftFound => "drift_found",
            Self::DriftRepaired => "drift_repaired",
            Self::LateResourceRemoved => "late_resource_removed",
        }
    }

    /// Returns every word under which events of this kind may be stored: the current word first,
    /// then the words of earlier releases.
    pub fn stored_words(self) -> Vec<&'static str> {
        let earlier: &[&str] = match self {
            Self::Rejected => &["refused"],
            Self::LateResourceRemoved => &["ghost_removed"],
            _ => &[],
        };
        [self.as_str()]
            .into_iter()
            .chain(earlier.iter().copied())
            .collect()
    }

    /// Reads a current word or the word of an earlier release; none for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|action| action.stored_words().contains(&text))
    }
}

/// The cause of a change, as the audit log records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The API key or the task that causes the change.
    pub actor: Actor,
    /// The id of the HTTP request; none where a task causes the change.
    pub request_id: Option<String>,
}

impl Cause {
    /// Returns the cause of changes that the service makes without a request.
    pub fn reconciler() -> Self {
        Self {
            actor: Actor::reconciler(),
            request_id: None,
        }
    }
}

/// What changed, with the details that a reader of the audit log needs.
///
/// A detail is stored as a JSON object of the variant's fields; the action has a column of its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EventDetail {
    /// A caller asked for a role, or an operator adopted an orphan.
    ProvisionRequested {
        /// True where an operator adopted an orphan.
        #[serde(skip_serializing_if = "is_false")]
        adopted: bool,
        /// The spec of the new intent, resolved.
        spec: RoleSpec,
    },
    /// A caller asked for a change of a live role.
    UpdateRequested {
        /// The spec of the new intent, resolved.
        spec: RoleSpec,
    },
    /// A caller asked for a teardown, or an operator wants an orphan removed.
    TeardownRequested {
        /// True where the teardown was blocked and the caller asked again.
        #[serde(skip_serializing_if = "is_false")]
        again: bool,
        /// The spec that was read back from an orphan that an operator wants removed; none for a
        /// teardown by a caller.
        #[serde(flatten, serialize_with = "adopted_spec")]
        adopted: Option<RoleSpec>,
    },
    /// AWS matches the first intent of an incarnation.
    Provisioned {
        /// The number of calls that the last attempt made.
        calls: usize,
        /// The role, by name, ARN, path and unique id, so that the log shows which cluster it was for.
        role: RoleRecord,
    },
    /// AWS matches a changed intent.
    Updated {
        /// The number of calls that the last attempt made.
        calls: usize,
    },
    /// The intent can't be carried out and was given up.
    Rejected {
        /// The stable code, for a program.
        code: FailureCode,
        /// What happened, in words for a person.
        reason: String,
        /// The IAM actions that were denied.
        missing_permissions: Vec<String>,
    },
    /// A rejected change was withdrawn: AWS matches the spec before the change again.
    ChangeWithdrawn {
        /// The number of calls that the last attempt made.
        calls: usize,
    },
    /// A rejected first intent was withdrawn: the resources that it had created are removed.
    ProvisionWithdrawn {
        /// The removed resources, by kind and name.
        removed: Vec<String>,
    },
    /// All resources of the binding are removed.
    TornDown {
        /// What was removed and left, and when access ended.
        receipt: Receipt,
    },
    /// The record of a binding without any resource was closed.
    #[serde(serialize_with = "nothing_was_made")]
    NothingToTearDown,
    /// A removal found a resource that it may not remove.
    Blocked {
        /// The stable code, for a program.
        code: FailureCode,
        /// What happened, in words for a person.
        reason: String,
        /// The IAM actions that were denied.
        missing_permissions: Vec<String>,
        /// The resources that block the removal, each in words.
        blockers: Vec<String>,
    },
    /// An attempt failed and will be repeated.
    Delayed {
        /// Why the attempt failed, in words for a person.
        reason: String,
    },
    /// A read of AWS showed a difference from the applied spec.
    DriftFound {
        /// Every difference that the read showed.
        drift: Vec<Drift>,
    },
    /// AWS accepted at least one step of a repair.
    DriftRepaired {
        /// The steps that AWS accepted, in words.
        steps: Vec<String>,
    },
    /// A read showed that the drift is gone, without a repair of ours.
    #[serde(serialize_with = "by_others")]
    DriftRepairedByOthers,
    /// A late resource appeared after its incarnation had ended, and was removed.
    LateResourceRemoved {
        /// The resources that were removed since the teardown began, by kind and name.
        removed: Vec<String>,
    },
}

impl EventDetail {
    /// Returns the action that the event is listed under in the audit log.
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

/// An event of the audit log, after the sequencer has numbered it.
#[derive(Clone, Debug, PartialEq)]
pub struct SequencedEvent {
    /// The event's number in the log, from 1, without gaps.
    pub seq: i64,
    /// The id that the event got when it was written, before it had a number.
    pub id: Uuid,
    /// The database's time at which the event was written.
    pub at: DateTime<Utc>,
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
    /// The kind of the change.
    pub action: EventAction,
    /// The API key or the task that caused the change.
    pub actor: Actor,
    /// The id of the HTTP request that caused the change; none where a task caused the change.
    pub request_id: Option<String>,
    /// The event's detail as this release or an earlier one stored it.
    pub detail: Value,
}
