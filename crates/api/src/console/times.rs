//! How pages write times.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};

/// Writes a time in full, in UTC.
pub(super) fn time(at: DateTime<Utc>) -> Markup {
    html! {
        time datetime=(at.to_rfc3339_opts(SecondsFormat::Micros, true)) {
            (at.format("%-d %b %Y, %H:%M:%S").to_string()) " UTC"
        }
    }
}

/// Writes a time in full, or that there is none yet.
pub(super) fn optional(at: Option<DateTime<Utc>>, none: &str) -> Markup {
    at.map_or_else(|| html! { span.quiet { (none) } }, time)
}

/// Writes how long ago a time was, with the time itself.
pub(super) fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    let passed = (now - at).to_std().unwrap_or_default();
    let words = match passed.as_secs() {
        0..5 => "just now".to_owned(),
        _ => format!("{} ago", duration(passed)),
    };
    html! {
        span.nowrap { (words) }
        " "
        time.quiet.small.nowrap datetime=(at.to_rfc3339_opts(SecondsFormat::Micros, true)) {
            (at.format("%-d %b, %H:%M:%S").to_string())
        }
    }
}

/// Writes a duration in its greatest units, such as `3 min` or `2 h 5 min`.
pub(super) fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) if minutes % 60 == 0 => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (1, ..) => "1 day".to_owned(),
        (days, ..) => format!("{days} days"),
    }
}

/// Returns a time of this computer's clock as one that can be written.
pub(super) fn of_system(at: SystemTime) -> DateTime<Utc> {
    at.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_in_its_greatest_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_600, "1 h"),
            (3_660, "1 h 1 min"),
            (86_400, "1 day"),
            (200_000, "2 days"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }
}
