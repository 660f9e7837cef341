//! The receipt of a teardown.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a teardown removed and left, and when access ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// When our grant ended, because AWS removed the inline policy, or the role from its instance
    /// profile. None while the grant has not ended.
    pub grant_ended_at: Option<DateTime<Utc>>,
    /// When all access ended, because AWS removed the role. None while the role exists, so always
    /// none in mode pass-through, where the role stays.
    pub access_ended_at: Option<DateTime<Utc>>,
    /// The resources that were removed, by kind and name.
    pub removed: Vec<String>,
    /// The resources that were found and left in place, each with the reason.
    pub left: Vec<String>,
}
