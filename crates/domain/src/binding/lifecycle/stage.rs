//! The states of a binding, each with what belongs to it.

use crate::binding::failure::Failure;
use crate::binding::id::Generation;
use crate::binding::receipt::Receipt;
use crate::binding::state::State;

/// Where a binding is in its life, with what belongs to that point.
///
/// Eight states; on the wire and in the database there are six words for them ([`State`]). The two
/// withdrawals share their words with `provisioning` and `failed`: see [`Lifecycle::from_stored`].
#[derive(Clone, Debug, PartialEq)]
pub enum Lifecycle {
    /// AWS is being brought to the spec.
    Provisioning {
        /// Why the last attempt has to be repeated.
        last_error: Option<Failure>,
    },
    /// A change was rejected; AWS is being brought back to the spec before it.
    WithdrawingChange {
        /// Why the change was rejected.
        rejection: Failure,
    },
    /// AWS took everything.
    Active {
        /// Why the last change was rejected, until the next one.
        last_error: Option<Failure>,
    },
    /// Everything that belongs to the binding is being removed.
    Deleting {
        /// Why the last attempt has to be repeated.
        last_error: Option<Failure>,
        /// What was removed so far.
        receipt: Receipt,
    },
    /// The teardown met something that it may not remove. It is tried again slowly.
    Blocked {
        /// What it met, or why the last attempt has to be repeated.
        last_error: Failure,
        /// What was removed so far.
        receipt: Receipt,
    },
    /// The first intent was rejected; what it had half-made is being removed.
    WithdrawingProvision {
        /// Why the intent was rejected.
        rejection: Failure,
        /// What was removed so far, and what could not be.
        receipt: Option<Receipt>,
    },
    /// The first intent was rejected and nothing of it is left: a new request may follow.
    Failed {
        /// Why the intent was rejected.
        rejection: Failure,
        /// What was removed late, after the withdrawal was over.
        receipt: Option<Receipt>,
    },
    /// A tombstone: torn down, and nothing is left.
    Deleted {
        /// What went wrong last: the rejection of an intent that had made nothing, or why a late
        /// resource could not be looked for.
        last_error: Option<Failure>,
        /// What the teardown did; none for a tombstone written for an orphan, until something of
        /// the orphan is removed.
        receipt: Option<Receipt>,
    },
}

/// A stored record whose columns contradict one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Contradiction(&'static str);

impl Lifecycle {
    /// Reads the state from the columns of a stored record. `provisioning` after a rejection of an
    /// older generation is [`Lifecycle::WithdrawingChange`]; `failed` that is still live is
    /// [`Lifecycle::WithdrawingProvision`].
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

    /// Returns whether the binding's role should exist at AWS.
    pub fn wants_presence(&self) -> bool {
        matches!(
            self,
            Self::Provisioning { .. } | Self::WithdrawingChange { .. } | Self::Active { .. }
        )
    }

    /// Returns what went wrong last.
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

    /// Returns what a removal did so far.
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

    /// Returns the receipt of a state in which something is removed, begun where there is none.
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
