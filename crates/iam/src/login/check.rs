//! Checks of a signed request that need no call to AWS.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use engine_roles_domain::account::Region;
use engine_roles_domain::caller::ServerName;

use super::{LoginHeaders, signed_headers};

/// How old a signature may be.
const OLDEST: Duration = Duration::from_mins(15);
/// How far the clock of a caller may be ahead.
const AHEAD: Duration = Duration::from_mins(1);
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The longest session token. AWS states no limit; its tokens have up to about 2,000 characters.
const LONGEST_TOKEN: usize = 8_192;

/// Why a signed request is not accepted. The messages contain nothing that the caller sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// A part has not the form that the service needs.
    #[error("{field} {rule}")]
    Malformed {
        /// The member of [`LoginHeaders`].
        field: &'static str,
        /// The rule that the part breaks, to be read after its name.
        rule: &'static str,
    },
    /// The request was signed for another service.
    #[error("the request was signed for a server of another name")]
    OtherServer,
    /// The signature is too old.
    #[error("the signature is older than 15 minutes; sign a new request")]
    Expired,
    /// The signature is from the future.
    #[error("the date of the signature is in the future; correct the clock of the signer")]
    NotYetValid,
}

/// A request whose form, server and age are right. Only STS can tell whether the signature is. `Debug`
/// shows only the region.
#[derive(Clone)]
pub struct SignedLogin {
    pub(super) region: Region,
    /// The header `Authorization`, put together from its parts.
    pub(super) authorization: String,
    pub(super) date: String,
    pub(super) security_token: Option<String>,
    pub(super) server: ServerName,
}

impl SignedLogin {
    /// Returns the region for whose STS the request was signed.
    pub fn region(&self) -> &Region {
        &self.region
    }
}

impl fmt::Debug for SignedLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedLogin")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl LoginHeaders {
    /// Checks the headers of a caller for a service of this name.
    ///
    /// # Errors
    /// When a header has another form, the request was signed for another service, or its signature is
    /// older than 15 minutes or from the future.
    pub fn check(self, server: &ServerName, now: SystemTime) -> Result<SignedLogin, NotAccepted> {
        let signed_at = time(&self.date).ok_or(NotAccepted::Malformed {
            field: "date",
            rule: "must be the X-Amz-Date of the signature, such as 20261126T080000Z",
        })?;
        let token = self.security_token.as_deref();
        if !token.is_none_or(is_token) {
            return Err(NotAccepted::Malformed {
                field: "security_token",
                rule: "must be a session token of AWS: 1 to 8192 visible characters of ASCII",
            });
        }
        let signature = Signature::read(&self.authorization)?;
        let day = self.date.get(..8).unwrap_or_default();
        if signature.day != day {
            return Err(malformed("must have the day of `date` in its scope"));
        }
        let names = signed_headers(token.is_some());
        if signature.signed_headers != names {
            let rule = if token.is_some() {
                "must have exactly the SignedHeaders \
                 content-type;host;x-amz-date;x-amz-security-token;x-engine-roles-server"
            } else {
                "must have exactly the SignedHeaders \
                 content-type;host;x-amz-date;x-engine-roles-server without a session token"
            };
            return Err(malformed(rule));
        }
        if self.server != server.as_str() {
            return Err(NotAccepted::OtherServer);
        }
        if signed_at + OLDEST < now {
            return Err(NotAccepted::Expired);
        }
        if signed_at > now + AHEAD {
            return Err(NotAccepted::NotYetValid);
        }
        let authorization = signature.header();
        Ok(SignedLogin {
            authorization,
            region: signature.region,
            date: self.date,
            security_token: self.security_token,
            server: server.clone(),
        })
    }
}

/// The parts of the header `Authorization`.
struct Signature<'a> {
    access_key: &'a str,
    day: &'a str,
    region: Region,
    signed_headers: &'a str,
    hash: &'a str,
}

impl<'a> Signature<'a> {
    fn read(header: &'a str) -> Result<Self, NotAccepted> {
        let form = "must be AWS4-HMAC-SHA256 Credential=KEY/DAY/REGION/sts/aws4_request, \
                    SignedHeaders=NAMES, Signature=HEX";
        let read = || {
            let members = header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
            let (credential, rest) = members.split_once(',')?;
            let (names, signature) = rest.split_once(',')?;
            let value = |member: &'a str, name: &str| {
                let member = member.strip_prefix(' ').unwrap_or(member);
                member.strip_prefix(name)?.strip_prefix('=')
            };
            let credential = value(credential, "Credential")?;
            let signature = value(signature, "Signature")?;
            let parts: Vec<&str> = credential.split('/').collect();
            let [access_key, day, region, "sts", "aws4_request"] = parts[..] else {
                return None;
            };
            (is_access_key(access_key) && is_hash(signature)).then_some((
                access_key,
                day,
                region,
                value(names, "SignedHeaders")?,
                signature,
            ))
        };
        let (access_key, day, region, signed_headers, hash) = read().ok_or(malformed(form))?;
        let region = Region::parse_supported(region);
        let region = region.map_err(|_| malformed("must name a region of AWS in its scope"))?;
        Ok(Self {
            access_key,
            day,
            region,
            signed_headers,
            hash,
        })
    }

    fn header(&self) -> String {
        let Self {
            access_key,
            day,
            region,
            signed_headers,
            hash,
        } = self;
        format!(
            "{ALGORITHM} Credential={access_key}/{day}/{region}/sts/aws4_request, \
             SignedHeaders={signed_headers}, Signature={hash}"
        )
    }
}

fn malformed(rule: &'static str) -> NotAccepted {
    let field = "authorization";
    NotAccepted::Malformed { field, rule }
}

/// Source: IAM API Reference, "AccessKey": 16 to 128 word characters.
fn is_access_key(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (16..=128).contains(&text.len()) && text.bytes().all(is_word)
}

fn is_hash(text: &str) -> bool {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.len() == 64 && text.bytes().all(is_digit)
}

fn is_token(text: &str) -> bool {
    (1..=LONGEST_TOKEN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Reads a time such as `20261126T080000Z`.
fn time(text: &str) -> Option<SystemTime> {
    let is_digit = |(place, b): (usize, u8)| match place {
        8 => b == b'T',
        15 => b == b'Z',
        _ => b.is_ascii_digit(),
    };
    if text.len() != 16 || !text.bytes().enumerate().all(is_digit) {
        return None;
    }
    let (day, time) = (&text[..8], &text[9..15]);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &day[..4],
        &day[4..6],
        &day[6..],
        &time[..2],
        &time[2..4],
        &time[4..],
    );
    let read = DateTime::from_str(&text, Format::DateTime).ok()?;
    SystemTime::try_from(read).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-26T08:00:00Z.
    const SIGNED_AT: u64 = 1_795_680_000;
    const NAMES: &str = "content-type;host;x-amz-date;x-engine-roles-server";
    const WITH_TOKEN: &str =
        "content-type;host;x-amz-date;x-amz-security-token;x-engine-roles-server";

    fn authorization(scope: &str, names: &str) -> String {
        let signature = "0a".repeat(32);
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE000000000/{scope}, SignedHeaders={names}, \
             Signature={signature}"
        )
    }

    fn headers() -> LoginHeaders {
        LoginHeaders {
            authorization: authorization("20261126/us-west-2/sts/aws4_request", NAMES),
            date: "20261126T080000Z".to_owned(),
            security_token: None,
            server: "roles.example".to_owned(),
        }
    }

    fn check_at(headers: LoginHeaders, seconds: i64) -> Result<SignedLogin, NotAccepted> {
        let server = ServerName::parse("roles.example").expect("a name");
        let at = SIGNED_AT.checked_add_signed(seconds).expect("a time");
        headers.check(&server, SystemTime::UNIX_EPOCH + Duration::from_secs(at))
    }

    #[test]
    fn a_request_is_built_from_the_parts_of_its_signature() {
        let signed = check_at(headers(), 0).expect("accepted");
        assert_eq!(signed.authorization, headers().authorization);
        assert_eq!(signed.region().as_str(), "us-west-2");
        let without_spaces = LoginHeaders {
            authorization: headers().authorization.replace(", ", ","),
            ..headers()
        };
        let signed = check_at(without_spaces, 0).expect("accepted");
        assert_eq!(signed.authorization, headers().authorization);
        let with_token = LoginHeaders {
            authorization: authorization("20261126/us-west-2/sts/aws4_request", WITH_TOKEN),
            security_token: Some("a/session+token==".to_owned()),
            ..headers()
        };
        assert!(check_at(with_token, 0).is_ok());
        assert!(!format!("{:?} {signed:?}", headers()).contains("0a0a"));
    }

    #[test]
    fn a_signature_is_at_most_fifteen_minutes_old_and_not_from_the_future() {
        for (seconds, expected) in [
            (-61, Some(NotAccepted::NotYetValid)),
            (-60, None),
            (900, None),
            (901, Some(NotAccepted::Expired)),
        ] {
            assert_eq!(check_at(headers(), seconds).err(), expected, "{seconds}");
        }
        let other = LoginHeaders {
            server: "Roles.example".to_owned(),
            ..headers()
        };
        assert_eq!(check_at(other, 0).err(), Some(NotAccepted::OtherServer));
    }

    #[test]
    fn a_header_of_another_form_is_not_accepted() {
        let of = |authorization: &str| LoginHeaders {
            authorization: authorization.to_owned(),
            ..headers()
        };
        let scope = "20261126/us-west-2/sts/aws4_request";
        let good = headers().authorization;
        let mut wrong = vec![
            of(""),
            of(&good.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")),
            of(&good.replace("Credential=", "credential=")),
            of(&format!("{good}, Signature={}", "0b".repeat(32))),
            of(&format!("{good}\r\nhost: evil.example")),
            of(&good.replace("0a0a", "0A0A")),
            of(&good.replace("AKIAEXAMPLE", "AKIA EXAMPLE")),
            of(&authorization("20261125/us-west-2/sts/aws4_request", NAMES)),
            of(&authorization("20261126/us-west-2/iam/aws4_request", NAMES)),
            of(&authorization("20261126/evil.com/sts/aws4_request", NAMES)),
            of(&authorization(
                "20261126/evil.com%2F/sts/aws4_request",
                NAMES,
            )),
            of(&authorization(
                "20261126/us-west-2.evil.com/sts/aws4_request",
                NAMES,
            )),
            of(&authorization(
                "20261126/xx-nowhere-1/sts/aws4_request",
                NAMES,
            )),
            of(&authorization(scope, WITH_TOKEN)),
            of(&authorization(scope, "content-type;host;x-amz-date")),
            of(&authorization(
                scope,
                "host;x-amz-date;x-engine-roles-server",
            )),
            of(&authorization(scope, &NAMES.to_uppercase())),
            of(&authorization(scope, &format!("accept;{NAMES}"))),
            of(&authorization(
                scope,
                &format!("{NAMES};x-engine-roles-server"),
            )),
        ];
        for date in [
            "",
            "2026-11-26T08:00:00Z",
            "20261126T080000",
            "20261326T080000Z",
        ] {
            wrong.push(LoginHeaders {
                date: date.to_owned(),
                ..headers()
            });
        }
        // A session token that is not signed, and ones that no header can have.
        for token in ["token", "", "a b", "a\r\nb", "é", &"t".repeat(8_193)] {
            wrong.push(LoginHeaders {
                security_token: Some(token.to_owned()),
                ..headers()
            });
        }
        for headers in wrong {
            let (date, authorization) = (headers.date.clone(), headers.authorization.clone());
            let refused = check_at(headers, 0).err();
            let is_malformed = matches!(refused, Some(NotAccepted::Malformed { .. }));
            assert!(is_malformed, "{refused:?}: {date} {authorization}");
        }
    }
}
