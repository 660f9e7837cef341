//! The states of a binding.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::invalid::UnknownWord;

/// The six words for the state of a binding on the wire and in the database. What a binding can do
/// is decided by [`crate::binding::lifecycle::Lifecycle`], which has eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// AWS is being brought to the spec.
    Provisioning,
    /// AWS took everything that the spec says.
    Active,
    /// Everything that belongs to the binding is being removed.
    Deleting,
    /// A tombstone: nothing is left at AWS.
    Deleted,
    /// The intent was rejected: it takes a changed request or a person.
    Failed,
    /// The teardown met something that it may not remove; it is tried again slowly.
    Blocked,
}

impl State {
    /// Every word, in the order of a binding's life.
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
