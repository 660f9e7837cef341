//! The states of a binding.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::invalid::UnknownWord;

/// Where a binding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// On its way to what its spec says.
    Provisioning,
    /// IAM took everything.
    Active,
    /// On its way to nothing.
    Deleting,
    /// A tombstone.
    Deleted,
    /// Needs a changed request or a person.
    Failed,
    /// The teardown met something that it may not remove.
    Blocked,
}

impl State {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Provisioning,
        Self::Active,
        Self::Deleting,
        Self::Deleted,
        Self::Failed,
        Self::Blocked,
    ];

    /// The word that stands in JSON and in the database.
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
