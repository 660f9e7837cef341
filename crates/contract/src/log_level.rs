//! The level of the log.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text::{LogDirectives, LogLevelText, ShortTime};

/// A change of the level at which one replica logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogLevelRequest {
    /// The new level.
    #[schema(value_type = LogLevelText)]
    pub level: String,
    /// For how long the level is in effect. Then the one comes back that was last set without a time, or
    /// that of the configuration. Absent or null: until the next change or the end of the process.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ShortTime>)]
    pub lasts: Option<String>,
}

/// The level at which the replica that answers logs. Each replica has its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLevel {
    /// The level, or directives, in effect.
    #[schema(value_type = LogDirectives)]
    pub level: String,
    /// The level, or directives, of the configuration.
    #[schema(value_type = LogDirectives)]
    pub configured: String,
    /// Until when the level is in effect; null where no time was given.
    #[serde(with = "crate::time::optional")]
    pub until: Option<DateTime<Utc>>,
}
