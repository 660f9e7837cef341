//! The kinds of events.

use serde::{Deserialize, Serialize};

/// The kind of an event. Each has one word on the wire; [`EventAction::stored_words`] has the
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
    /// Requests were not accepted.
    Denied,
    /// An operator created an API key.
    KeyCreated,
    /// An operator revoked an API key.
    KeyRevoked,
    /// A caller read the audit log.
    LogRead,
    /// A person signed in to the console.
    SignedIn,
    /// A sweep found an AWS resource that no binding accounts for.
    OrphanFound,
    /// An orphan is gone: it was adopted or removed, or somebody else deleted it.
    OrphanGone,
    /// The verdict about a pass-through role changed.
    RoleAttested,
}

impl EventAction {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 21] = [
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
        Self::Denied,
        Self::KeyCreated,
        Self::KeyRevoked,
        Self::LogRead,
        Self::SignedIn,
        Self::OrphanFound,
        Self::OrphanGone,
        Self::RoleAttested,
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
            Self::Denied => "denied",
            Self::KeyCreated => "key_created",
            Self::KeyRevoked => "key_revoked",
            Self::LogRead => "log_read",
            Self::SignedIn => "signed_in",
            Self::OrphanFound => "orphan_found",
            Self::OrphanGone => "orphan_gone",
            Self::RoleAttested => "role_attested",
        }
    }

    /// Returns what became of what the event is about.
    pub fn outcome(self) -> EventOutcome {
        match self {
            Self::ProvisionRequested | Self::UpdateRequested | Self::TeardownRequested => {
                EventOutcome::Accepted
            }
            Self::Provisioned
            | Self::Updated
            | Self::TornDown
            | Self::Withdrawn
            | Self::DriftRepaired
            | Self::LateResourceRemoved
            | Self::KeyCreated
            | Self::KeyRevoked
            | Self::LogRead
            | Self::SignedIn => EventOutcome::Succeeded,
            Self::Rejected | Self::Blocked | Self::Delayed => EventOutcome::Failed,
            Self::Denied => EventOutcome::Denied,
            Self::DriftFound | Self::OrphanFound | Self::OrphanGone | Self::RoleAttested => {
                EventOutcome::Observed
            }
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

/// What became of what an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventOutcome {
    /// A caller's request was recorded and is carried out.
    Accepted,
    /// It is done.
    Succeeded,
    /// It could not be done, at least not yet.
    Failed,
    /// Somebody was not allowed to do it.
    Denied,
    /// Nobody asked for it: the service found it.
    Observed,
}

impl EventOutcome {
    /// Returns the word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Observed => "observed",
        }
    }
}
