//! The form of an export of the audit log: lines of JSON, a head and then one line for each event.

use engine_roles_provisioner::detail_digest;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The name and version of the form.
pub(crate) const FORMAT: &str = "engine-roles-audit-export/1";

/// The member of an event with the digest of its detail.
const DETAIL_DIGEST: &str = "detail_sha256";

/// The first line of an export.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    /// [`FORMAT`].
    pub(crate) format: String,
    /// The number of the last event before the export; 0 for an export from the first event on.
    pub(crate) start: u64,
    /// The frontier of the events before the export, in base64.
    pub(crate) frontier: Vec<String>,
    /// The number of the last event of the export.
    pub(crate) size: u64,
    /// The checkpoint that the service returned. It has to be signed, and the events have to lead to it,
    /// but it proves none: the checkpoints that an auditor trusts are files of their own.
    pub(crate) checkpoint: Option<String>,
}

/// A line about an event. It has no other members: nothing would prove them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    /// The number.
    pub(crate) seq: u64,
    /// The hash of the leaf, from the tiles, in base64.
    pub(crate) leaf: Option<String>,
    /// The canonical bytes of the event, which are JSON; none where the event has expired.
    pub(crate) event: Option<String>,
    /// The detail as `GET /v1/audit` returns it, where the event has only its digest; none where the
    /// event itself has the detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<Value>,
    /// What `GET /v1/audit` returns for this number, where that is not what was hashed.
    #[serde(default, skip_serializing_if = "Shown::is_same")]
    pub(crate) shown: Shown,
}

impl Line {
    /// Compares the detail with its digest in the event.
    pub(crate) fn long_detail(&self) -> LongDetail {
        let digest = self.event.as_deref().and_then(digest_of_detail);
        match (digest, &self.detail) {
            (None, None) => LongDetail::None,
            (None, Some(_)) => LongDetail::Unproved,
            (Some(_), None) => LongDetail::Missing,
            (Some(digest), Some(detail)) if digest == detail_digest(detail) => LongDetail::Same,
            (Some(_), Some(_)) => LongDetail::Changed,
        }
    }
}

/// How the detail of a line compares with its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LongDetail {
    /// The event has no digest of a detail.
    None,
    /// The detail is the one that was hashed.
    Same,
    /// The detail is another one.
    Changed,
    /// The line has no detail.
    Missing,
    /// The line has a detail, but the event has no digest of it.
    Unproved,
}

/// Returns the digest that an event has in the place of a detail that is too long for an entry.
pub(crate) fn digest_of_detail(entry: &str) -> Option<String> {
    // Most events have none; they need not be parsed.
    if !entry.contains(DETAIL_DIGEST) {
        return None;
    }
    let event: Value = serde_json::from_str(entry).ok()?;
    Some(event.get(DETAIL_DIGEST)?.as_str()?.to_owned())
}

/// What `GET /v1/audit` returns for an event, compared with what was hashed.
#[derive(Debug, Default)]
pub(crate) enum Shown {
    /// The same, or the event has expired.
    #[default]
    Same,
    /// No event, or another one.
    Other(Option<Value>),
}

impl Shown {
    fn is_same(&self) -> bool {
        matches!(self, Self::Same)
    }

    /// Compares an event with what was hashed. Members that were not hashed are not compared, so that
    /// a later release may show more.
    pub(crate) fn compare(entry: &str, shown: Option<Value>) -> Self {
        let hashed: Value = serde_json::from_str(entry).unwrap_or_default();
        if hashed["expired"] == true && shown.is_none() {
            return Self::Same;
        }
        let is_same = match (hashed.as_object(), &shown) {
            (Some(members), Some(shown)) => members
                .iter()
                // The detail itself is in the line, and is compared where the export is verified.
                .filter(|(name, _)| *name != DETAIL_DIGEST)
                .all(|(name, value)| shown.get(name) == Some(value)),
            _ => false,
        };
        if is_same {
            Self::Same
        } else {
            Self::Other(shown)
        }
    }
}

impl Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Same => serializer.serialize_none(),
            Self::Other(shown) => shown.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_compared_by_the_members_that_were_hashed() {
        let entry = r#"{"actor":"x","detail":{"calls":4},"seq":3}"#;
        let same = json!({"seq": 3, "actor": "x", "detail": {"calls": 4}, "newer": 1});
        assert!(Shown::compare(entry, Some(same)).is_same());
        for other in [
            json!({"seq": 3, "actor": "y", "detail": {"calls": 4}}),
            json!({"seq": 3, "actor": "x", "detail": {"calls": 5}}),
            json!({"seq": 3, "actor": "x"}),
            json!(null),
        ] {
            assert!(
                !Shown::compare(entry, Some(other.clone())).is_same(),
                "{other}"
            );
        }
        assert!(!Shown::compare(entry, None).is_same());
        assert!(Shown::compare(r#"{"expired":true,"seq":3}"#, None).is_same());
    }

    #[test]
    fn a_line_says_what_is_shown_only_where_it_differs() {
        let mut line = Line {
            seq: 1,
            leaf: None,
            event: None,
            detail: None,
            shown: Shown::Same,
        };
        let text = serde_json::to_string(&line).expect("JSON");
        assert_eq!(text, r#"{"seq":1,"leaf":null,"event":null}"#);
        assert!(
            serde_json::from_str::<Line>(&text)
                .expect("a line")
                .shown
                .is_same()
        );
        line.shown = Shown::Other(None);
        let text = serde_json::to_string(&line).expect("JSON");
        assert_eq!(text, r#"{"seq":1,"leaf":null,"event":null,"shown":null}"#);
        assert!(
            !serde_json::from_str::<Line>(&text)
                .expect("a line")
                .shown
                .is_same()
        );
    }

    #[test]
    fn a_detail_is_compared_with_its_digest() {
        let line = |event: &str, detail| Line {
            seq: 3,
            leaf: None,
            event: Some(event.to_owned()),
            detail,
            shown: Shown::Same,
        };
        let detail = json!({"b": [1], "a": "x"});
        let event = json!({"detail_sha256": detail_digest(&detail), "seq": 3}).to_string();
        let compared = |detail| line(&event, detail).long_detail();
        assert_eq!(compared(Some(detail)), LongDetail::Same);
        let changed = json!({"b": [2], "a": "x"});
        assert_eq!(compared(Some(changed)), LongDetail::Changed);
        assert_eq!(compared(None), LongDetail::Missing);
        // Only the event's own member is a digest of its detail.
        let event = r#"{"detail":{"detail_sha256":"x"},"seq":3}"#;
        assert_eq!(line(event, None).long_detail(), LongDetail::None);
        let beside = line(event, Some(json!({"b": 1})));
        assert_eq!(beside.long_detail(), LongDetail::Unproved);
    }
    #[test]
    fn a_line_has_no_other_members() {
        for text in [
            r#"{"seq":1,"leaf":null,"event":null,"more":1}"#,
            r#"{"seq":1,"leaf":null,"event":null,"seq":1}"#,
        ] {
            serde_json::from_str::<Line>(text).expect_err(text);
        }
        let head = json!({"format": FORMAT, "start": 0, "frontier": [], "size": 0,
                          "checkpoint": null, "more": 1});
        serde_json::from_value::<Head>(head).expect_err("another member");
    }
}
