//! What a teardown removed and left, and when access ended.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a teardown removed and left, and when access ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// When our grant ended: AWS had removed the inline policy, or the role from its profile. None
    /// until then.
    pub grant_ended_at: Option<DateTime<Utc>>,
    /// When all access ended: AWS had removed the role. None until then, and in pass-through, where
    /// the role stays.
    pub access_ended_at: Option<DateTime<Utc>>,
    /// The resources that were removed, by kind and name.
    pub removed: Vec<String>,
    /// The resources that were found and left, each with the reason.
    pub left: Vec<String>,
}
