//! Points in time, as condition values write them.

/// Seconds since 1970-01-01T00:00:00Z, and the nanoseconds after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    seconds: i64,
    nanoseconds: u32,
}

impl Moment {
    /// Parses the profile of ISO 8601 in the W3C's note "Date and Time Formats", the compact form
    /// `20260102T030405Z`, or seconds since 1970 (five digits or more; four digits are a year).
    pub(crate) fn parse(text: &str) -> Option<Moment> {
        if !text.is_ascii() {
            return None;
        }
        if let Some(epoch) = parse_epoch(text) {
            return Some(epoch);
        }
        let (date, time) = match text.split_once(['T', 't']) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let days = parse_date(date, time.is_some())?;
        let (seconds, nanoseconds) = match time {
            Some(time) => parse_time(time)?,
            None => (0, 0),
        };
        Some(Moment {
            seconds: days * 86_400 + seconds,
            nanoseconds,
        })
    }
}

fn parse_epoch(text: &str) -> Option<Moment> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.len() == 4 && digits.len() == text.len() {
        return None;
    }
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Moment {
        seconds: text.parse().ok()?,
        nanoseconds: 0,
    })
}

/// Days since 1970-01-01.
fn parse_date(text: &str, whole: bool) -> Option<i64> {
    let (year, month, day) = if text.len() == 8 && whole {
        (
            number(&text[..4])?,
            number(&text[4..6])?,
            number(&text[6..])?,
        )
    } else {
        let mut pieces = text.split('-');
        let year = pieces
            .next()
            .filter(|piece| piece.len() == 4)
            .and_then(number)?;
        let mut two = |otherwise: i64| match pieces.next() {
            Some(piece) if piece.len() == 2 => number(piece),
            Some(_) => None,
            None if whole => None,
            None => Some(otherwise),
        };
        let (month, day) = (two(1)?, two(1)?);
        if pieces.next().is_some() {
            return None;
        }
        (year, month, day)
    };
    if !(1..=12).contains(&month) || !(1..=days_of_month(year, month)).contains(&day) {
        return None;
    }
    // Howard Hinnant's algorithm "days from civil": a year begins in March, so the leap day is the
    // last day.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Seconds since midnight minus the offset of the time zone, and nanoseconds.
fn parse_time(text: &str) -> Option<(i64, u32)> {
    let (clock, offset) = if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        (clock, 0)
    } else {
        let sign = text.rfind(['+', '-'])?;
        let (hours, minutes) = text[sign + 1..].split_once(':')?;
        let offset = two_digits(hours, 23)? * 3600 + two_digits(minutes, 59)? * 60;
        let east = text.as_bytes()[sign] == b'+';
        (&text[..sign], if east { offset } else { -offset })
    };
    let (clock, nanoseconds) = match clock.split_once('.') {
        Some((clock, fraction)) => (clock, parse_fraction(fraction)?),
        None => (clock, 0),
    };
    let (hours, minutes, seconds) = if clock.len() == 6 && !clock.contains(':') {
        (&clock[..2], &clock[2..4], &clock[4..])
    } else {
        let mut pieces = clock.split(':');
        let found = (
            pieces.next()?,
            pieces.next()?,
            pieces.next().unwrap_or("00"),
        );
        if pieces.next().is_some() {
            return None;
        }
        found
    };
    // A leap second counts as the first second of the next minute.
    let seconds =
        two_digits(hours, 23)? * 3600 + two_digits(minutes, 59)? * 60 + two_digits(seconds, 60)?;
    Some((seconds - offset, nanoseconds))
}

fn parse_fraction(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = &text[..text.len().min(9)];
    let scale = 10_u32.pow(u32::try_from(9 - digits.len()).ok()?);
    Some(digits.parse::<u32>().ok()? * scale)
}

fn two_digits(text: &str, most: i64) -> Option<i64> {
    let value = number(text)?;
    (text.len() == 2 && value <= most).then_some(value)
}

fn number(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
