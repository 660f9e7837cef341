//! The headers `Prefer` (how long a caller waits), `ETag` and `If-Match` (which state of a binding
//! a change requires).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use reqwest::header::HeaderValue;

/// The longest that the service lets a caller wait.
const LONGEST_WAIT: Duration = Duration::from_mins(2);
/// How long the service waits for a change where the request has no `Prefer`.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// The text is not one strong entity tag.
#[derive(Debug, thiserror::Error)]
#[error("an entity tag must be a text in double quotes, such as \"3\"")]
pub struct InvalidEntityTag;

/// The strong entity tag of one state of a binding, with its quotes (RFC 9110, 8.8.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntityTag(String);

impl EntityTag {
    /// Returns the tag as it is sent in a header, with its quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EntityTag {
    type Err = InvalidEntityTag;
    fn from_str(text: &str) -> Result<Self, InvalidEntityTag> {
        let inner = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .ok_or(InvalidEntityTag)?;
        let valid = inner.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x7e));
        valid.then(|| Self(text.to_owned())).ok_or(InvalidEntityTag)
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How long a caller waits for an outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Prefer {
    /// The service's default: no `Prefer` header is sent.
    #[default]
    Nothing,
    Wait(Duration),
    RespondAsync,
}

impl Prefer {
    pub(crate) fn header(self) -> Option<HeaderValue> {
        match self {
            Self::Nothing => None,
            Self::RespondAsync => Some(HeaderValue::from_static("respond-async")),
            Self::Wait(wait) => {
                let text = format!("wait={}", wait.as_millis().div_ceil(1_000));
                Some(HeaderValue::from_str(&text).expect("letters and digits can be sent"))
            }
        }
    }

    /// Returns the longest time that the service waits before it answers a request for a change.
    pub(crate) fn wait_for_change(self) -> Duration {
        match self {
            Self::Nothing => DEFAULT_WAIT,
            Self::Wait(wait) => wait.min(LONGEST_WAIT),
            Self::RespondAsync => Duration::ZERO,
        }
    }

    /// Returns the longest time that the service waits before it answers a read.
    pub(crate) fn wait_for_read(self) -> Duration {
        match self {
            Self::Wait(wait) => wait.min(LONGEST_WAIT),
            Self::Nothing | Self::RespondAsync => Duration::ZERO,
        }
    }
}

/// Which state a binding must have for a change to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    Any,
    Tag(EntityTag),
}

impl IfMatch {
    pub(crate) fn header(&self) -> HeaderValue {
        match self {
            Self::Any => HeaderValue::from_static("*"),
            Self::Tag(tag) => {
                HeaderValue::from_str(tag.as_str()).expect("an entity tag is visible ASCII")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_tag_is_strong_and_quoted() {
        for text in ["\"3\"", "\"3-17\"", "\"\""] {
            let tag: EntityTag = text.parse().expect("a tag");
            assert_eq!(tag.to_string(), text);
        }
        for text in [
            "",
            "3",
            "\"",
            "W/\"3\"",
            "\"a b\"",
            "\"1\", \"2\"",
            "\"\n\"",
            "*",
        ] {
            assert!(text.parse::<EntityTag>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_wait_is_sent_in_whole_seconds() {
        let sent = |prefer: Prefer| prefer.header().map(|value| format!("{value:?}"));
        assert_eq!(sent(Prefer::Nothing), None);
        assert_eq!(
            sent(Prefer::RespondAsync).as_deref(),
            Some("\"respond-async\"")
        );
        for (millis, header) in [(0, "\"wait=0\""), (1, "\"wait=1\""), (2_000, "\"wait=2\"")] {
            let prefer = Prefer::Wait(Duration::from_millis(millis));
            assert_eq!(sent(prefer).as_deref(), Some(header));
        }
    }
}
