//! Findings in documents that IAM accepts, but that a person should check.
//!
//! Each rule has a stable name. The rules about privilege escalation are named as the field names
//! the methods; see [`escalation_methods`].
//!
//! A finding about a grant has a counterexample: requests that the document allows. A grant that an
//! unconditional Deny removes is no finding.
//!
//! The work spent on counterexamples is limited, so that of a document with thousands of statements
//! only the first findings have one. A method of escalation is looked for on at most 64 resources
//! for each action.

mod actions;
mod conditions;
mod escalation;
mod example;
mod granted;
mod literals;
mod methods;
mod probe;
mod sample;
mod secrets;
mod trust;
mod width;

use serde::Serialize;

use crate::document::Document;
use crate::error::PolicyError;
use crate::kind::Kind;
use crate::pattern::Pattern;
use crate::variable::Template;
use crate::version::Version;

use granted::Granted;
use probe::Probe;

pub use example::ExampleRequest;
pub use methods::{Method, escalation_methods};

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
#[non_exhaustive]
pub struct Finding {
    /// The rule's stable name.
    pub rule: &'static str,
    /// How serious the finding is.
    pub severity: Severity,
    /// The path in the document, as in [`PolicyError::place`].
    pub place: String,
    /// What was found and why it can be a problem.
    pub reason: String,
    /// Requests that the document allows and probably should not, in the order in which somebody
    /// would make them. Empty if the finding is not about a grant, or if no context was found in
    /// which the conditions of the document allow the request.
    pub counterexample: Vec<ExampleRequest>,
    /// A page that explains the problem, if one does.
    pub source: Option<&'static str>,
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
    let probe = Probe::new(document);
    for (index, statement) in document.statements().iter().enumerate() {
        let place = format!("Statement[{index}]");
        let granted = Granted::new(&probe, statement);
        literals::check(granted, &place, &mut findings);
        conditions::check(granted, &place, &mut findings);
        actions::check(statement, &place, &mut findings);
        if document.kind() == Kind::Trust {
            trust::check(&probe, statement, &place, &mut findings);
        } else {
            width::check(granted, &place, &mut findings);
            secrets::check(granted, &place, &mut findings);
        }
    }
    if document.kind() != Kind::Trust {
        escalation::check(&probe, &mut findings);
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
            counterexample: Vec::new(),
            source: None,
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
        self.add_with_examples(rule, severity, place, reason, [], None);
    }

    fn add_with_examples(
        &mut self,
        rule: &'static str,
        severity: Severity,
        place: &str,
        reason: impl Into<String>,
        counterexample: impl IntoIterator<Item = ExampleRequest>,
        source: Option<&'static str>,
    ) {
        self.0.push(Finding {
            rule,
            severity,
            place: place.to_owned(),
            reason: reason.into(),
            counterexample: counterexample.into_iter().collect(),
            source,
        });
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
