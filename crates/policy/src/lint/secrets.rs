//! Patterns of secrets, whose ARNs end in a hyphen and six characters that Secrets Manager chooses
//! at random.
//!
//! "What's in a Secrets Manager secret?" and "Permissions policy examples", Secrets Manager User
//! Guide.

use super::granted::{Granted, filled_fields};
use super::{Findings, Severity};
use crate::arn;
use crate::pattern::{Pattern, Token};

/// The hyphen and the six characters.
const SUFFIX: usize = 7;

pub(super) fn check(granted: Granted<'_>, place: &str, findings: &mut Findings) {
    let place = format!("{place}.Resource");
    for (text, _) in granted.resources() {
        let pieces = arn::split(text);
        let [_, _, "secretsmanager", _, _, resource] = pieces.as_slice() else {
            continue;
        };
        let Some(name) = resource.strip_prefix("secret:") else {
            continue;
        };
        // A secret that the text matches although its name goes on after the text.
        let longer = || {
            let (fields, resource) = filled_fields(text)?;
            let start = super::sample::fill(resource.trim_end_matches('*'));
            granted.example_on(&format!("{fields}:{start}any-other-Ab12Cd"))
        };
        if name == "*" {
            findings.add_with_examples(
                "secret-any",
                Severity::Warning,
                &place,
                format!("{text:?} matches every secret"),
                longer(),
                None,
            );
        } else if !has_room(&super::widest(granted.version(), name)) {
            findings.add(
                "secret-without-suffix",
                Severity::Error,
                &place,
                format!("{text:?} can't match the hyphen and six characters at the end of a secret's ARN; end it with -??????"),
            );
        } else if name.ends_with("-*") {
            findings.add_with_examples(
                "secret-suffix-open",
                Severity::Warning,
                &place,
                format!("{text:?} also matches every secret whose name continues after that hyphen; -?????? is exact"),
                longer(),
                None,
            );
        } else if name.ends_with('*') && !name.trim_end_matches('*').ends_with('/') {
            findings.add_with_examples(
                "secret-prefix-open",
                Severity::Warning,
                &place,
                format!("{text:?} also matches every secret whose name begins with this text; put a slash before the star to end the name there"),
                longer(),
                None,
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
