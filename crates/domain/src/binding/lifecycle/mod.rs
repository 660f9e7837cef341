//! The states of a binding, and every transition from one state to another.
//!
//! A transition is a pure function named after what happened. A transition takes the binding, what
//! happened and the time, and returns the changed binding with the audit event that reports the
//! change. The store writes what a transition returns and decides nothing; the provisioner calls
//! transitions and assigns no field of a binding.
//!
//! ```text
//!                    change_requested
//!                  ┌────────────────────┐
//!                  ▼                    │
//! (new) ──▶ Provisioning ─activated─▶ Active ◀──────────activated──────────┐
//!             │      │                  ▲                                  │
//!             │      └─rejected (again)─┘                                  │
//!             ├─rejected, with a spec that was applied before─▶ WithdrawingChange
//!             ├─rejected, with none──▶ WithdrawingProvision ─resources_gone─▶ Failed
//!             └─rejected_with_nothing_created─────────────────────────────────▶ Failed
//!                                                                           │
//! any of these but Failed ─teardown_begun─▶ Deleting ─resources_gone─▶ Deleted ◀─closed
//!                                            ▲    │                       ▲
//!                             teardown_resumed    blocked                 │
//!                                            │    ▼                       │
//!                                           Blocked ─────resources_gone───┘
//! ```
//!
//! A withdrawal that is blocked becomes `Blocked` too.
//!
//! `Failed` and `Deleted` are not live: nothing of the binding exists at AWS, so the cluster may
//! get another binding. If a late resource appears after all, the reconciler removes it, and the
//! binding keeps its state.

pub(crate) mod check;
pub(crate) mod intent;
pub(crate) mod outcome;
pub(crate) mod stage;

pub use check::{DeniedStep, drift_found, drift_repaired, verified};
pub use intent::{
    NewBinding, adopted, adopted_as_deleted, change_requested, closed, provision_requested,
    teardown_begun, teardown_resumed,
};
pub use outcome::{
    Activation, activated, blocked, delayed, rejected, rejected_with_nothing_created,
    resources_gone, superseded,
};
pub use stage::{Contradiction, Lifecycle};

use crate::binding::event::EventDetail;
use crate::binding::intent_key::IntentKey;
use crate::binding::record::Binding;
use crate::binding::state::State;

/// A changed binding, and the audit event that reports the change.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The binding after the change.
    pub binding: Binding,
    /// The audit event; none where the change does not interest a reader of the audit log.
    pub event: Option<EventDetail>,
}

impl Transition {
    pub(crate) fn with(binding: Binding, event: EventDetail) -> Self {
        Self {
            binding,
            event: Some(event),
        }
    }

    /// Returns the same recording of an intent, with what recognises its request when it is sent again:
    /// the request's digest, and whether it records a new binding.
    #[must_use]
    pub fn recognised_by(mut self, digest: String, created: bool) -> Self {
        self.binding.intent_key = Some(IntentKey {
            generation: self.binding.generation,
            digest,
            created,
        });
        self
    }

    /// Returns a change without an audit event.
    pub fn silent(binding: Binding) -> Self {
        Self {
            binding,
            event: None,
        }
    }
}

/// A transition that the binding's state does not allow, which is an error of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event} can't happen to a binding that is {state}")]
pub struct WrongState {
    /// The name of the transition.
    pub event: &'static str,
    /// The state of the binding, as the word on the wire.
    pub state: State,
}

impl WrongState {
    pub(crate) fn new(event: &'static str, binding: &Binding) -> Self {
        Self {
            event,
            state: binding.state(),
        }
    }
}
