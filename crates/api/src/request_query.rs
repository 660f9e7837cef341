//! Strict parsing of query strings.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono::{DateTime, Datelike, Utc};
use engine_roles_contract::Code;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// A query string. A parameter that is unknown or has the wrong type is rejected by its name.
pub(crate) struct StrictQuery<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let parameters = form_urlencoded::parse(query.as_bytes());
        let parameters = serde_urlencoded::Deserializer::new(parameters);
        serde_path_to_error::deserialize(parameters)
            .map(Self)
            .map_err(|error| {
                let path = error.path().to_string();
                let is_whole_query = path == "." || path == "?";
                let parameter = if is_whole_query { "query" } else { &path };
                let reason = error.inner().to_string();
                Problem::field(Code::InvalidRequest, parameter, reason)
            })
    }
}

/// Checks a time that a statement will compare with. Postgres's times begin in 4713 BC and end in the
/// year 294276, and RFC 3339 has only the years 0 to 9999.
pub(crate) fn check_time(
    parameter: &'static str,
    time: Option<DateTime<Utc>>,
) -> Result<Option<DateTime<Utc>>, Problem> {
    match time {
        Some(time) if !(1..=9999).contains(&time.year()) => {
            let reason = "must be in the years 0001 to 9999";
            Err(Problem::field(Code::InvalidRequest, parameter, reason))
        }
        time => Ok(time),
    }
}
