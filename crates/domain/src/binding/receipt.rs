//! The receipt of a teardown.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};

/// What a teardown removed and left, and when access ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// When our grant ended, because AWS removed the inline policy, or the role from its instance
    /// profile. None while the grant has not ended.
    #[serde(serialize_with = "in_microseconds")]
    pub grant_ended_at: Option<DateTime<Utc>>,
    /// When all access ended, because AWS removed the role. None while the role exists, so always
    /// none in mode pass-through, where the role stays.
    #[serde(serialize_with = "in_microseconds")]
    pub access_ended_at: Option<DateTime<Utc>>,
    /// The resources that were removed, by kind and name.
    pub removed: Vec<String>,
    /// The resources that were found and left in place, each with the reason.
    pub left: Vec<String>,
}

// The audit log shows a receipt as it was stored, and each time there has six digits of a second.
#[allow(clippy::ref_option, reason = "serde calls it with a reference")]
fn in_microseconds<S: Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let text = time.map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true));
    text.serialize(serializer)
}
