//! Live characters where a literal is meant, and dead ones where a pattern is.

use super::{Findings, Severity};
use crate::arn;
use crate::condition::Family;
use crate::statement::{Effect, Scope, Statement};
use crate::version::Version;

pub(super) fn check(version: Version, statement: &Statement, place: &str, findings: &mut Findings) {
    let allowed = statement.effect == Effect::Allow;
    if let Some(scope) = &statement.resources {
        let (name, only) = match scope {
            Scope::Only(_) => ("Resource", true),
            Scope::Except(_) => ("NotResource", false),
        };
        let place = format!("{place}.{name}");
        for text in scope.patterns() {
            check_text(version, text, &place, findings);
            if allowed && only {
                check_resource(version, text, &place, findings);
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
            if plain && is_live(&without_variables(text)) {
                findings.add(
                    "dead-wildcard",
                    Severity::Warning,
                    &place,
                    format!("{text:?}: `*` and `?` are no wildcards for this operator"),
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
            format!("{text:?}: version 2008-10-17 takes a policy variable for its own text"),
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
            format!("{text:?}: <{name}> has not been filled"),
        );
    }
}

fn check_resource(version: Version, text: &str, place: &str, findings: &mut Findings) {
    let pieces = arn::split(text);
    let [_, partition, service, region, account, resource] = pieces.as_slice() else {
        return;
    };
    for (what, piece, severity) in [
        ("partition", partition, Severity::Notice),
        ("service", service, Severity::Warning),
        ("region", region, Severity::Notice),
        ("account", account, Severity::Warning),
    ] {
        if version == Version::V2012 && piece.contains("${") {
            findings.add(
                "variable-before-resource",
                Severity::Error,
                place,
                format!(
                    "{text:?}: IAM takes variables behind the fifth colon only, not in the {what}"
                ),
            );
        } else if is_live(piece) {
            findings.add(
                "live-arn-field",
                severity,
                place,
                format!("{text:?}: the {what} is a pattern, which can also reach past its colon"),
            );
        }
    }
    if version == Version::V2012 && has_variable(resource) {
        findings.add(
            "live-variable",
            Severity::Warning,
            place,
            format!("{text:?}: the value of a variable decides what this reaches"),
        );
    }
    let name = without_variables(resource);
    let name = name.strip_suffix("-??????").unwrap_or(&name);
    if name.contains('?') {
        findings.add(
            "live-question-mark",
            Severity::Warning,
            place,
            format!("{text:?}: each `?` stands for any character, also for `/` and `:`"),
        );
    }
    if name.trim_end_matches('*').contains('*') {
        findings.add(
            "live-inner-star",
            Severity::Warning,
            place,
            format!("{text:?}: a `*` that is not at the end also stands for any number of `/`"),
        );
    }
}

fn is_live(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Escapes are no variables.
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
