//! What a removal did.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a teardown did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// When the engine's own grant ended: its inline policy was gone.
    pub grant_ended_at: Option<DateTime<Utc>>,
    /// When all access ended: the role was gone. None in pass-through, where the role stays.
    pub access_ended_at: Option<DateTime<Utc>>,
    /// What was removed, by kind and name.
    pub removed: Vec<String>,
    /// What was found and left, with the reason.
    pub left: Vec<String>,
}
