//! The headers `Prefer` and `Preference-Applied` (RFC 7240): how long a caller waits.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponseParts, ResponseParts};

const DEFAULT_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_mins(2);

/// How long the caller wants to wait: `wait=SECONDS`, at most 120, or `respond-async`. With both, the
/// answer comes after the work or after the wait. Malformed preferences are ignored, as the RFC says;
/// of two equal ones the first counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefer {
    wait: Option<Duration>,
    respond_async: bool,
}

impl Prefer {
    /// Returns the time for a request that changes something: 30 seconds by default.
    pub(crate) fn wait_for_change(self) -> Duration {
        let default = if self.respond_async {
            Duration::ZERO
        } else {
            DEFAULT_WAIT
        };
        self.wait.unwrap_or(default)
    }

    /// Returns the time for a request that reads: zero by default.
    pub(crate) fn wait_for_read(self) -> Duration {
        self.wait.unwrap_or_default()
    }

    /// Returns what the answer to a change says of the preferences.
    pub(crate) fn applied_to_change(self) -> Applied {
        Applied(self)
    }

    /// Returns what the answer to a read says of the preferences: a read never responds before its
    /// wait is over because of `respond-async`.
    pub(crate) fn applied_to_read(self) -> Applied {
        Applied(Self {
            respond_async: false,
            ..self
        })
    }

    fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Self {
        let mut prefer = Self::default();
        for preference in headers.flat_map(|header| header.split(',')) {
            let preference = preference.split(';').next().unwrap_or_default().trim();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let name = name.trim();
            if name.eq_ignore_ascii_case("respond-async") {
                prefer.respond_async = true;
            }
            if name.eq_ignore_ascii_case("wait") && prefer.wait.is_none() {
                let seconds = value.trim().trim_matches('"').parse().ok();
                prefer.wait = seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
            }
        }
        prefer
    }
}

impl<S: Sync> FromRequestParts<S> for Prefer {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let values = parts.headers.get_all("prefer").iter();
        Ok(Self::parse(values.filter_map(|value| value.to_str().ok())))
    }
}

/// The preferences that were used, for the header `Preference-Applied`; no header where there are none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Applied(Prefer);

impl Applied {
    fn header(self) -> Option<HeaderValue> {
        let Self(Prefer {
            wait,
            respond_async,
        }) = self;
        let wait = wait.map(|wait| format!("wait={}", wait.as_secs()));
        let respond_async = respond_async.then(|| "respond-async".to_owned());
        let applied: Vec<String> = [respond_async, wait].into_iter().flatten().collect();
        let text = (!applied.is_empty()).then(|| applied.join(", "));
        text.map(|text| HeaderValue::from_str(&text).expect("letters and digits can be sent"))
    }
}

impl IntoResponseParts for Applied {
    type Error = Infallible;
    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        if let Some(value) = self.header() {
            let name = HeaderName::from_static("preference-applied");
            parts.headers_mut().insert(name, value);
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_parsed_as_rfc_7240_demands() {
        let cases = [
            ("", 30, None),
            ("wait=5", 5, Some("wait=5")),
            ("handling=lenient, Wait=7", 7, Some("wait=7")),
            ("wait=\"9\"; x=y", 9, Some("wait=9")),
            ("wait=9999", 120, Some("wait=120")),
            ("wait=soon", 30, None),
            ("wait=3, wait=4", 3, Some("wait=3")),
            ("respond-async", 0, Some("respond-async")),
            ("Respond-Async, wait=10", 10, Some("respond-async, wait=10")),
            ("wait=10, respond-async", 10, Some("respond-async, wait=10")),
        ];
        for (header, seconds, applied) in cases {
            let read = Prefer::parse([header].into_iter());
            let wait = read.wait_for_change();
            assert_eq!(wait, Duration::from_secs(seconds), "{header}");
            let sent = read.applied_to_change().header();
            let sent = sent.as_ref().and_then(|value| value.to_str().ok());
            assert_eq!(sent, applied, "{header}");
        }
        let read = Prefer::parse(["respond-async, wait=2"].into_iter());
        assert_eq!(read.wait_for_read(), Duration::from_secs(2));
        assert_eq!(read.applied_to_read().header().expect("a header"), "wait=2");
    }
}
