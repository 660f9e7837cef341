//! What the audit log says about a change of a binding. Each event is written in the same transaction
//! as its change.

use serde::{Serialize, Serializer};

use crate::audit::EventAction;
use crate::binding::drift::Drift;
use crate::binding::failure::FailureCode;
use crate::binding::receipt::Receipt;
use crate::binding::record::RoleRecord;
use crate::cluster::spec::RoleSpec;

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
