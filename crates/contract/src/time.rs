//! Times on the wire: RFC 3339 in UTC, always with six digits of a second.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer>(time: &DateTime<Utc>, into: S) -> Result<S::Ok, S::Error> {
    into.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
    DateTime::deserialize(from)
}

/// The same for a time that may be null.
pub(crate) mod optional {
    use super::{DateTime, Deserialize, Deserializer, Serializer, Utc};

    #[allow(clippy::ref_option, reason = "serde passes a reference to the member")]
    pub(crate) fn serialize<S: Serializer>(
        time: &Option<DateTime<Utc>>,
        into: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, into),
            None => into.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        Option::deserialize(from)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::json;

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Times {
        #[serde(with = "super")]
        at: DateTime<Utc>,
        #[serde(with = "super::optional")]
        until: Option<DateTime<Utc>>,
    }

    #[test]
    fn a_time_has_six_digits_of_a_second() {
        let read = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
        for (text, sent) in [
            ("2026-11-26T10:00:00Z", "2026-11-26T10:00:00.000000Z"),
            ("2026-11-26T10:00:00.12Z", "2026-11-26T10:00:00.120000Z"),
            (
                "2026-11-26T10:00:00.123456789Z",
                "2026-11-26T10:00:00.123456Z",
            ),
        ] {
            let times = Times {
                at: read(text),
                until: Some(read(text)),
            };
            assert_eq!(json!(times), json!({"at": sent, "until": sent}));
        }
        let never = json!({"at": "2026-11-26T10:00:00Z", "until": null});
        let times: Times = serde_json::from_value(never).expect("times");
        assert_eq!(times.until, None);
    }
}
