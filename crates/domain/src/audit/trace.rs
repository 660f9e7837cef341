//! The id of a distributed trace.

use std::fmt;

/// The id of the trace that a request belongs to: 32 hexadecimal digits, not all zero. Source:
/// <https://www.w3.org/TR/trace-context/#trace-id>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceId(String);

impl TraceId {
    /// Reads a trace id.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_valid = text.len() == 32 && text.bytes().all(is_digit);
        let is_zero = text.bytes().all(|byte| byte == b'0');
        (is_valid && !is_zero).then(|| Self(text.to_owned()))
    }

    /// Reads the trace id in a header `traceparent` of any version that begins as version 00 does.
    /// Source: <https://www.w3.org/TR/trace-context/#versioning-of-traceparent>.
    pub fn of_traceparent(header: &str) -> Option<Self> {
        let is_hex = |text: &str, length| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let mut parts = header.split('-');
        let (version, trace) = (parts.next()?, parts.next()?);
        let (parent, flags) = (parts.next()?, parts.next()?);
        let has_more = parts.next().is_some();
        let is_valid = is_hex(version, 2)
            && version != "ff"
            && (version != "00" || !has_more)
            && is_hex(parent, 16)
            && parent.bytes().any(|byte| byte != b'0')
            && is_hex(flags, 2);
        if is_valid { Self::parse(trace) } else { None }
    }

    /// Returns the 32 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_id_is_read_from_a_valid_header_only() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let read = |header: &str| TraceId::of_traceparent(header).map(|id| id.to_string());
        for header in [
            format!("00-{trace}-00f067aa0ba902b7-01"),
            format!("01-{trace}-00f067aa0ba902b7-01-more"),
        ] {
            assert_eq!(read(&header).as_deref(), Some(trace), "{header}");
        }
        let zero = "0".repeat(32);
        for header in [
            String::new(),
            trace.to_owned(),
            format!("00-{trace}-00f067aa0ba902b7-01-more"),
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{zero}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", &trace[1..]),
            format!("00-{trace}-00f067aa0ba902b7"),
        ] {
            assert_eq!(read(&header), None, "{header}");
        }
    }
}
