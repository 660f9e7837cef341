//! The form of an export of the audit log: lines of JSON, a head and then one line for each event.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The name and version of the form.
pub(crate) const FORMAT: &str = "engine-roles-audit-export/1";

/// The first line of an export.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// [`FORMAT`].
    pub(crate) format: String,
    /// The number of the last event before the export; 0 for an export from the first event on.
    pub(crate) start: u64,
    /// The frontier of the events before the export, in base64.
    pub(crate) frontier: Vec<String>,
    /// The number of the last event of the export.
    pub(crate) size: u64,
    /// The checkpoint that the service returned. It is not needed to verify the export: the
    /// checkpoints that an auditor trusts are files of their own.
    pub(crate) checkpoint: Option<String>,
}

/// A line about an event.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The number.
    pub(crate) seq: u64,
    /// The hash of the leaf, from the tiles, in base64.
    pub(crate) leaf: Option<String>,
    /// The canonical bytes of the event, which are JSON; none where the event has expired.
    pub(crate) event: Option<String>,
    /// What `GET /v1/audit` returns for this number, where that is not what was hashed.
    #[serde(default, skip_serializing_if = "Shown::is_same")]
    pub(crate) shown: Shown,
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
                // A digest takes the place of a detail that is too long for an entry.
                .filter(|(name, _)| *name != "detail_sha256")
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
}
