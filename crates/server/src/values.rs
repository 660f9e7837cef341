//! How the values of settings are read that have no type of their own. An error says the whole rule.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// The rule of a duration.
const DURATION: &str = "must be a duration such as 500ms, 30s, 15m, 2h or 1d";

/// Reads a duration. All settings and flags that are durations take the same ones.
///
/// # Errors
/// The rule.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text).map_err(|_| DURATION)
}

/// Reads an address to listen on.
///
/// # Errors
/// The rule.
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    let rule = "must be an IP address and a port, such as 127.0.0.1:3283 or [::]:3283";
    text.parse().map_err(|_| rule)
}

/// Returns how a number is read whose rule this is. The rule may have limits, which are checked later.
pub(crate) fn number<T: FromStr>(
    rule: &'static str,
) -> impl Fn(&str) -> Result<T, &'static str> + Clone {
    move |text| text.parse().map_err(|_| rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_answered_with_its_rule() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        for text in ["", "5", "x", "5 parsecs", "-1s"] {
            assert_eq!(duration(text), Err(DURATION), "{text}");
        }
        let rule = listen_address("localhost:3283").expect_err("a name");
        assert!(rule.contains("127.0.0.1:3283"), "{rule}");
        let small = number::<u8>("must be from 0 to 255");
        assert_eq!(small("7"), Ok(7));
        assert_eq!(small("256"), Err("must be from 0 to 255"));
    }
}
