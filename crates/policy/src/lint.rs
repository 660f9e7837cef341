//! Findings in documents that IAM takes.

use serde::Serialize;

use crate::document::Document;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Probably not what was meant.
    Warning,
    /// To be changed before the document is used.
    Error,
}

/// Something about a document that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's stable name.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where, as in [`PolicyError::place`](crate::PolicyError).
    pub place: String,
    /// What was found and why it matters.
    pub reason: String,
}

/// What a person should look at in this document.
pub fn lint(_document: &Document) -> Vec<Finding> {
    Vec::new()
}
