//! Findings in documents that IAM accepts, but that a person should check.
//!
//! Each rule has a stable name. The escalation rules use the names that Rhino Security Labs gave
//! the methods ("AWS IAM Privilege Escalation – Methods and Mitigation"); Pacu, Cloudsplaining and
//! others use these names too.

mod actions;
mod conditions;
mod escalation;
mod literals;
mod secrets;
mod trust;
mod width;

use serde::Serialize;

use crate::document::Document;
use crate::error::PolicyError;
use crate::kind::Kind;
use crate::pattern::Pattern;
use crate::statement::{Effect, Scope, Statement};
use crate::variable::Template;
use crate::version::Version;

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Useful to know; often intended.
    Notice,
    /// Probably not what the author meant, or wider than necessary.
    Warning,
    /// Must be changed before the document is used.
    Error,
}

/// Something in a document that a person should check.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The rule's stable name.
    pub rule: &'static str,
    /// How serious the finding is.
    pub severity: Severity,
    /// The path in the document, as in [`PolicyError::place`].
    pub place: String,
    /// What was found and why it can be a problem.
    pub reason: String,
}

/// Returns the findings in a document, in the order of their places.
pub fn lint(document: &Document) -> Vec<Finding> {
    let mut findings = Findings::default();
    if document.version() == Version::V2008 {
        findings.add(
            "old-version",
            Severity::Warning,
            "Version",
            "version 2008-10-17, which also applies if the document states no version, has no policy variables",
        );
    }
    for (index, statement) in document.statements().iter().enumerate() {
        let place = format!("Statement[{index}]");
        literals::check(document.version(), statement, &place, &mut findings);
        conditions::check(statement, &place, &mut findings);
        actions::check(statement, &place, &mut findings);
        if document.kind() == Kind::Trust {
            trust::check(statement, &place, &mut findings);
        } else {
            width::check(document.version(), statement, &place, &mut findings);
            secrets::check(document.version(), statement, &place, &mut findings);
        }
    }
    if document.kind() != Kind::Trust {
        escalation::check(document, &mut findings);
    }
    findings.0
}

/// Returns the findings in a text. If IAM would reject the text, the only finding is the error,
/// under the name of its [`Rule`](crate::Rule).
pub fn lint_text(kind: Kind, text: &str) -> Vec<Finding> {
    match Document::parse(kind, text) {
        Ok(document) => lint(&document),
        Err(error) => vec![Finding::from(error)],
    }
}

impl From<PolicyError> for Finding {
    fn from(error: PolicyError) -> Finding {
        Finding {
            rule: error.rule.name(),
            severity: Severity::Error,
            place: error.place,
            reason: error.reason,
        }
    }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(
        &mut self,
        rule: &'static str,
        severity: Severity,
        place: &str,
        reason: impl Into<String>,
    ) {
        self.0.push(Finding {
            rule,
            severity,
            place: place.to_owned(),
            reason: reason.into(),
        });
    }
}

/// The resources that an Allow lists, each with a pattern in which a variable matches anything.
fn allowed_resources(version: Version, statement: &Statement) -> Vec<(&str, Pattern)> {
    match (statement.effect, &statement.resources) {
        (Effect::Allow, Some(Scope::Only(texts))) => texts
            .iter()
            .map(|text| (text.as_str(), widest(version, text)))
            .collect(),
        _ => Vec::new(),
    }
}

/// A pattern that matches everything that the text can match in any context.
fn widest(version: Version, text: &str) -> Pattern {
    Template::parse(version, text)
        .map_or_else(|_| Pattern::new("*"), |template| template.widest_pattern())
}

/// The first few items, and how many more there are.
fn some_of(items: &[&str]) -> String {
    const SHOWN: usize = 3;
    let shown = items[..items.len().min(SHOWN)].join(", ");
    match items.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
