//! The headers `Prefer`, `If-Match` and `ETag`.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use engine_roles_contract::Code;
use engine_roles_domain::binding::{Binding, IfMatch};

use crate::problem::Problem;

const DEFAULT_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_mins(2);

/// How long the caller wants to wait (RFC 7240): `wait=SECONDS`, at most 120, or `respond-async`.
/// Malformed preferences are ignored, as the RFC says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefer {
    wait: Option<Duration>,
}

impl Prefer {
    /// Returns the time for a request that changes something: 30 seconds by default.
    pub(crate) fn wait_for_change(self) -> Duration {
        self.wait.unwrap_or(DEFAULT_WAIT)
    }

    /// Returns the time for a request that reads: zero by default.
    pub(crate) fn wait_for_read(self) -> Duration {
        self.wait.unwrap_or_default()
    }

    fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Self {
        let mut wait = None;
        for preference in headers.flat_map(|header| header.split(',')) {
            let preference = preference.split(';').next().unwrap_or_default().trim();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let name = name.trim();
            if name.eq_ignore_ascii_case("respond-async") {
                return Self {
                    wait: Some(Duration::ZERO),
                };
            }
            if name.eq_ignore_ascii_case("wait") && wait.is_none() {
                let seconds = value.trim().trim_matches('"').parse().ok();
                wait = seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
            }
        }
        Self { wait }
    }
}

impl<S: Sync> FromRequestParts<S> for Prefer {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let values = parts.headers.get_all("prefer").iter();
        Ok(Self::parse(values.filter_map(|value| value.to_str().ok())))
    }
}

/// The request's `If-Match`; `None` where the header is absent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Precondition(pub(crate) Option<IfMatch>);

impl<S: Sync> FromRequestParts<S> for Precondition {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(IF_MATCH) else {
            return Ok(Self(None));
        };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(Some(IfMatch::Any)));
        }
        let tag = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        let generation = tag.and_then(|tag| tag.parse().ok()).ok_or_else(|| {
            Problem::field(
                Code::InvalidRequest,
                "If-Match",
                "must be * or one ETag of this service, such as \"3\"",
            )
        })?;
        Ok(Self(Some(IfMatch::Generation(generation))))
    }
}

/// Returns the `ETag` of a binding, which is its generation.
pub(crate) fn etag(binding: &Binding) -> String {
    format!("\"{}\"", binding.generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_parsed_as_rfc_7240_demands() {
        let cases = [
            ("", None),
            ("wait=5", Some(5)),
            ("handling=lenient, Wait=7", Some(7)),
            ("wait=\"9\"; x=y", Some(9)),
            ("wait=9999", Some(120)),
            ("wait=soon", None),
            ("wait=3, wait=4", Some(3)),
            ("respond-async, wait=10", Some(0)),
        ];
        for (header, seconds) in cases {
            let read = Prefer::parse([header].into_iter());
            assert_eq!(read.wait, seconds.map(Duration::from_secs), "{header}");
        }
    }
}
