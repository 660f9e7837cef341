//! Wildcards and variables where a literal is probably meant, and literal `*` and `?` where a
//! pattern is probably meant.

use super::granted::{Granted, filled_fields};
use super::{Findings, Severity, sample};
use crate::arn;
use crate::condition::Family;
use crate::statement::Scope;
use crate::version::Version;

pub(super) fn check(granted: Granted<'_>, place: &str, findings: &mut Findings) {
    let (version, statement) = (granted.version(), granted.statement);
    if let Some(scope) = &statement.resources {
        let name = match scope {
            Scope::Only(_) => "Resource",
            Scope::Except(_) => "NotResource",
        };
        let place = format!("{place}.{name}");
        let granted_texts = granted.resources();
        for text in scope.patterns() {
            check_text(version, text, &place, findings);
            if granted_texts.iter().any(|(own, _)| own == text) {
                check_resource(granted, text, &place, findings);
            }
        }
    }
    for condition in &statement.conditions {
        let place = format!("{place}.Condition.{}.{}", condition.operator, condition.key);
        for text in &condition.values {
            check_text(version, text, &place, findings);
            let plain = matches!(
                condition.operator.test.family(),
                Family::Text | Family::TextIgnoringCase
            );
            if plain && is_pattern(&without_variables(text)) {
                findings.add(
                    "dead-wildcard",
                    Severity::Warning,
                    &place,
                    format!("{text:?}: `*` and `?` are not wildcards for this operator"),
                );
            }
        }
    }
}

fn check_text(version: Version, text: &str, place: &str, findings: &mut Findings) {
    if version == Version::V2008 && text.contains("${") {
        findings.add(
            "variable-in-old-version",
            Severity::Error,
            place,
            format!("{text:?}: version 2008-10-17 reads a policy variable as literal text"),
        );
    }
    let placeholder = text
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    if let Some((name, _)) = placeholder {
        findings.add(
            "placeholder-left",
            Severity::Error,
            place,
            format!("{text:?}: the placeholder <{name}> has not been filled"),
        );
    }
}

fn check_resource(granted: Granted<'_>, text: &str, place: &str, findings: &mut Findings) {
    let version = granted.version();
    let example = || granted.example_on(&sample::fill_arn(text));
    let surprise = || {
        let (fields, resource) = filled_fields(text)?;
        granted.example_on(&format!("{fields}:{}", sample::fill_surprisingly(resource)))
    };
    let pieces = arn::split(text);
    let [_, partition, _, region, account, resource] = pieces.as_slice() else {
        return;
    };
    for (what, piece, severity) in [
        ("partition", partition, Severity::Notice),
        ("region", region, Severity::Notice),
        ("account", account, Severity::Warning),
    ] {
        if is_pattern(piece) {
            findings.add_with_examples(
                "live-arn-field",
                severity,
                place,
                format!(
                    "{text:?}: the {what} is a pattern, which can also match past the next colon"
                ),
                example(),
                None,
            );
        }
    }
    if version == Version::V2012 && has_variable(resource) {
        findings.add_with_examples(
            "live-variable",
            Severity::Warning,
            place,
            format!("{text:?}: the value of a variable decides which resources this matches"),
            example(),
            None,
        );
    }
    let name = without_variables(resource);
    let name = name.strip_suffix("-??????").unwrap_or(&name);
    if name.contains('?') {
        findings.add_with_examples(
            "live-question-mark",
            Severity::Warning,
            place,
            format!("{text:?}: each `?` matches any character, also `/` and `:`"),
            surprise(),
            None,
        );
    }
    if name.trim_end_matches('*').contains('*') {
        findings.add_with_examples(
            "live-inner-star",
            Severity::Warning,
            place,
            format!("{text:?}: a `*` that is not at the end also matches any number of `/`"),
            surprise(),
            None,
        );
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether the text has a variable; the escapes `${*}`, `${?}` and `${$}` do not count.
fn has_variable(text: &str) -> bool {
    text.match_indices("${").any(|(at, _)| {
        !["${*}", "${?}", "${$}"]
            .iter()
            .any(|escape| text[at..].starts_with(escape))
    })
}

fn without_variables(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::new();
    while let Some(start) = rest.find("${") {
        plain.push_str(&rest[..start]);
        let variable = &rest[start..];
        rest = variable.find('}').map_or("", |end| &variable[end + 1..]);
    }
    plain + rest
}
