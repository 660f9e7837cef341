//! The states of a binding, each with its own data.

use crate::binding::failure::Failure;
use crate::binding::id::Generation;
use crate::binding::receipt::Receipt;
use crate::binding::state::State;

/// The state of a binding, with the data that belongs to the state.
///
/// There are eight states, and six words for them on the wire and in the database ([`State`]). The
/// two withdrawals share the words `provisioning` and `failed`: see [`Lifecycle::from_stored`].
#[derive(Clone, Debug, PartialEq)]
pub enum Lifecycle {
    /// AWS is being brought to the spec.
    Provisioning {
        /// Why the last attempt failed; none where no attempt has failed.
        last_error: Option<Failure>,
    },
    /// A change was rejected; AWS is being brought back to the spec before the change.
    WithdrawingChange {
        /// Why the change was rejected.
        rejection: Failure,
    },
    /// AWS accepted the whole spec.
    Active {
        /// Why the last change was rejected; none after a change that was applied.
        last_error: Option<Failure>,
    },
    /// All resources of the binding are being removed.
    Deleting {
        /// Why the last attempt failed; none where no attempt has failed.
        last_error: Option<Failure>,
        /// What was removed so far.
        receipt: Receipt,
    },
    /// A teardown, or the withdrawal of the first intent, found a resource that it may not remove. It is
    /// retried at long intervals.
    Blocked {
        /// What blocks the teardown, or why the last attempt failed.
        last_error: Failure,
        /// What was removed so far.
        receipt: Receipt,
    },
    /// The first intent was rejected; the resources that it had created are being removed.
    WithdrawingProvision {
        /// Why the intent was rejected.
        rejection: Failure,
        /// What was removed so far, and what was left in place; none while both are empty.
        receipt: Option<Receipt>,
    },
    /// The first intent was rejected, and none of its resources is left. The cluster may be
    /// provisioned again.
    Failed {
        /// Why the intent was rejected.
        rejection: Failure,
        /// What the withdrawal left in place, and the late resources that were removed after it had
        /// ended; none where there were none.
        receipt: Option<Receipt>,
    },
    /// A tombstone: the binding is torn down, and none of its resources is left.
    Deleted {
        /// The last failure: the rejection of an intent that had created nothing, or why a check
        /// for late resources failed.
        last_error: Option<Failure>,
        /// What the teardown did; none for the tombstone of an orphan until something of the
        /// orphan is removed.
        receipt: Option<Receipt>,
    },
}

/// A stored record whose columns contradict one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Contradiction(&'static str);

impl Lifecycle {
    /// Reads the state from the columns of a stored record. A record that is `provisioning` with
    /// the rejection of an older generation is [`Lifecycle::WithdrawingChange`]; a record that is
    /// `failed` and still live is [`Lifecycle::WithdrawingProvision`].
    ///
    /// # Errors
    /// When the columns contradict one another, which no release of this program writes.
    pub fn from_stored(
        state: State,
        live: bool,
        generation: Generation,
        last_error: Option<Failure>,
        receipt: Option<Receipt>,
    ) -> Result<Self, Contradiction> {
        Ok(match (state, live) {
            (State::Provisioning, true) => match last_error {
                Some(rejection) if rejection.is_final() && rejection.generation < generation => {
                    Self::WithdrawingChange { rejection }
                }
                last_error => Self::Provisioning { last_error },
            },
            (State::Active, true) => Self::Active { last_error },
            (State::Deleting, true) => Self::Deleting {
                last_error,
                receipt: receipt.unwrap_or_default(),
            },
            (State::Blocked, true) => Self::Blocked {
                last_error: last_error.ok_or(Contradiction("blocked without a reason"))?,
                receipt: receipt.unwrap_or_default(),
            },
            (State::Failed, live) => {
                let rejection = last_error.ok_or(Contradiction("failed without a reason"))?;
                if live {
                    Self::WithdrawingProvision { rejection, receipt }
                } else {
                    Self::Failed { rejection, receipt }
                }
            }
            (State::Deleted, false) => Self::Deleted {
                last_error,
                receipt,
            },
            (State::Deleted, true) => return Err(Contradiction("deleted and still live")),
            (_, false) => return Err(Contradiction("in progress and not live")),
        })
    }

    /// Returns the word for the state on the wire and in the database.
    pub fn state(&self) -> State {
        match self {
            Self::Provisioning { .. } | Self::WithdrawingChange { .. } => State::Provisioning,
            Self::Active { .. } => State::Active,
            Self::Deleting { .. } => State::Deleting,
            Self::Blocked { .. } => State::Blocked,
            Self::WithdrawingProvision { .. } | Self::Failed { .. } => State::Failed,
            Self::Deleted { .. } => State::Deleted,
        }
    }

    /// Returns whether anything of the binding may still exist at AWS, so that the cluster can't
    /// have another binding.
    pub fn is_live(&self) -> bool {
        !matches!(self, Self::Failed { .. } | Self::Deleted { .. })
    }

    /// Returns whether the current intent wants the binding's role to exist at AWS.
    pub fn wants_presence(&self) -> bool {
        matches!(
            self,
            Self::Provisioning { .. } | Self::WithdrawingChange { .. } | Self::Active { .. }
        )
    }

    /// Returns the last failure, or the rejection that a withdrawal or a closed record keeps.
    pub fn last_error(&self) -> Option<&Failure> {
        match self {
            Self::Provisioning { last_error }
            | Self::Active { last_error }
            | Self::Deleting { last_error, .. }
            | Self::Deleted { last_error, .. } => last_error.as_ref(),
            Self::WithdrawingChange { rejection }
            | Self::WithdrawingProvision { rejection, .. }
            | Self::Failed { rejection, .. } => Some(rejection),
            Self::Blocked { last_error, .. } => Some(last_error),
        }
    }

    /// Returns what a removal did so far; none where nothing is or was being removed.
    pub fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Deleting { receipt, .. } | Self::Blocked { receipt, .. } => Some(receipt),
            Self::WithdrawingProvision { receipt, .. }
            | Self::Failed { receipt, .. }
            | Self::Deleted { receipt, .. } => receipt.as_ref(),
            Self::Provisioning { .. } | Self::WithdrawingChange { .. } | Self::Active { .. } => {
                None
            }
        }
    }

    /// Returns the receipt of a state in which something is removed, and starts an empty one where
    /// there is none.
    pub(crate) fn receipt_mut(&mut self) -> Option<&mut Receipt> {
        match self {
            Self::Deleting { receipt, .. } | Self::Blocked { receipt, .. } => Some(receipt),
            Self::WithdrawingProvision { receipt, .. }
            | Self::Failed { receipt, .. }
            | Self::Deleted { receipt, .. } => Some(receipt.get_or_insert_default()),
            Self::Provisioning { .. } | Self::WithdrawingChange { .. } | Self::Active { .. } => {
                None
            }
        }
    }
}
