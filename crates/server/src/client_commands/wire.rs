//! Texts of values that the service answered.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use engine_roles_contract::{Open, State};

use super::screen::Colour;
use super::table::Cell;

/// What a table shows for a value that is null.
pub(super) const NONE: &str = "-";

/// Returns a word, or another value, as JSON has it, without the quotes of a text.
pub(super) fn word(value: impl Serialize) -> String {
    match json!(value) {
        Value::String(text) => text,
        Value::Null => NONE.to_owned(),
        other => other.to_string(),
    }
}

/// Returns a time in whole seconds.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Returns a time in whole seconds, or a dash.
pub(super) fn optional_time(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| NONE.to_owned(), time)
}

/// Returns a text, or a dash.
pub(super) fn optional(text: Option<&str>) -> &str {
    text.unwrap_or(NONE)
}

/// Returns a state in its colour.
pub(super) fn state(state: &Open<State>) -> Cell {
    let colour = match state.known() {
        Some(State::Active) => Some(Colour::Green),
        Some(State::Provisioning | State::Deleting) => Some(Colour::Yellow),
        Some(State::Failed | State::Blocked) => Some(Colour::Red),
        Some(State::Deleted) => Some(Colour::Grey),
        None => None,
    };
    Cell::coloured(word(state), colour)
}

/// Returns a decision about access in its colour.
pub(super) fn decision(word: &str, is_wanted: bool) -> Cell {
    let colour = match (word, is_wanted) {
        ("allowed", true) | ("denied", false) => Colour::Green,
        ("allowed", false) | ("denied", true) => Colour::Red,
        _ => Colour::Yellow,
    };
    Cell::coloured(word, Some(colour))
}

/// Reads a time: RFC 3339, or a duration before now.
pub(super) fn read_time(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.into());
    }
    let before = humantime::parse_duration(text).ok();
    let before = before.and_then(|before| chrono::TimeDelta::from_std(before).ok());
    let at = before.and_then(|before| Utc::now().checked_sub_signed(before));
    at.ok_or_else(|| {
        "must be a time such as 2026-11-26T10:00:00Z, or a duration such as 2h".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_absolute_or_before_now() {
        let at = read_time("2026-11-26T10:00:00+01:00").expect("a time");
        assert_eq!(time(at), "2026-11-26T09:00:00Z");
        let before = read_time("2h").expect("a duration");
        let age = Utc::now() - before;
        assert!((7_200..7_300).contains(&age.num_seconds()), "{age}");
        for text in ["", "yesterday", "2026-11-26", "9999999999y"] {
            assert!(read_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_word_has_no_quotes_and_null_is_a_dash() {
        assert_eq!(word(State::Active), "active");
        assert_eq!(word(Open::<State>::Unknown("later".to_owned())), "later");
        assert_eq!(word(None::<&str>), NONE);
        assert_eq!(word(3), "3");
    }
}
