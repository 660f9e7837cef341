//! Patterns of secrets, whose ARNs end in a hyphen and six characters that Secrets Manager chooses
//! at random.
//!
//! "What's in a Secrets Manager secret?" and "Permissions policy examples", Secrets Manager User
//! Guide.

use super::{Findings, Severity, allowed_resources};
use crate::arn;
use crate::pattern::{Pattern, Token};
use crate::statement::Statement;
use crate::version::Version;

/// The hyphen and the six characters.
const SUFFIX: usize = 7;

pub(super) fn check(version: Version, statement: &Statement, place: &str, findings: &mut Findings) {
    let place = format!("{place}.Resource");
    for (text, _) in allowed_resources(version, statement) {
        let pieces = arn::split(text);
        let [_, _, "secretsmanager", _, _, resource] = pieces.as_slice() else {
            continue;
        };
        let Some(name) = resource.strip_prefix("secret:") else {
            continue;
        };
        if name == "*" {
            findings.add(
                "secret-any",
                Severity::Warning,
                &place,
                format!("{text:?} matches every secret"),
            );
        } else if !has_room(&super::widest(version, name)) {
            findings.add(
                "secret-without-suffix",
                Severity::Error,
                &place,
                format!("{text:?} can't match the hyphen and six characters at the end of a secret's ARN; end it with -??????"),
            );
        } else if name.ends_with("-*") {
            findings.add(
                "secret-suffix-open",
                Severity::Warning,
                &place,
                format!("{text:?} also matches every secret whose name continues after that hyphen; -?????? is exact"),
            );
        } else if name.ends_with('*') && !name.trim_end_matches('*').ends_with('/') {
            findings.add(
                "secret-prefix-open",
                Severity::Warning,
                &place,
                format!("{text:?} also matches every secret whose name begins with this text; put a slash before the star to end the name there"),
            );
        }
    }
}

/// Whether the pattern can match a text that ends in a hyphen and six letters or digits.
fn has_room(name: &Pattern) -> bool {
    let tokens = name.tokens();
    for (from_end, token) in tokens.iter().rev().take(SUFFIX).enumerate() {
        let fits = match token {
            Token::Many => return true,
            Token::One => true,
            Token::Literal(character) if from_end + 1 == SUFFIX => *character == '-',
            Token::Literal(character) => character.is_ascii_alphanumeric(),
        };
        if !fits {
            return false;
        }
    }
    tokens.len() >= SUFFIX
}
