//! The id of an incarnation and the number of an intent.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Identifies one incarnation of a cluster's role. A cluster that is torn down and deployed again
/// gets another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BindingId(pub Uuid);

impl fmt::Display for BindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The number of a cluster's intent. The number only grows, also from one incarnation of the role
/// to the next.
pub type Generation = i64;
