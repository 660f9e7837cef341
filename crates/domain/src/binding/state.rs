//! The words for the states of a binding.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::invalid::UnknownWord;

/// The six words for the state of a binding on the wire and in the database.
/// [`crate::binding::lifecycle::Lifecycle`] has eight states and decides which transitions are
/// possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// AWS is being brought to the spec.
    Provisioning,
    /// AWS accepted the whole spec.
    Active,
    /// All resources of the binding are being removed.
    Deleting,
    /// A tombstone: nothing is left at AWS.
    Deleted,
    /// The intent was rejected: a changed request or an operator has to resolve the reason.
    Failed,
    /// The teardown found a resource that it may not remove; it is retried at long intervals.
    Blocked,
}

impl State {
    /// Every word.
    pub const ALL: [Self; 6] = [
        Self::Provisioning,
        Self::Active,
        Self::Deleting,
        Self::Deleted,
        Self::Failed,
        Self::Blocked,
    ];

    /// Returns the word in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Active => "active",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(UnknownWord)
    }
}
