//! What is wrong with a document, where, and by which rule.

use std::fmt;

use serde::Serialize;

/// The first thing in a document that IAM would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct PolicyError {
    /// Where, as a path into the document: `Statement[1].Condition.StringEquals`;
    /// `document` for the whole of it.
    pub place: String,
    /// The rule that is broken.
    pub rule: Rule,
    /// What was found and what would be right, as a sentence without its full stop.
    pub reason: String,
}

impl PolicyError {
    pub(crate) fn new(place: &str, rule: Rule, reason: impl Into<String>) -> PolicyError {
        let place = if place.is_empty() { "document" } else { place };
        PolicyError {
            place: place.to_owned(),
            rule,
            reason: reason.into(),
        }
    }
}

/// A rule of the policy grammar.
///
/// From "Grammar of the IAM JSON policy language" and, where the grammar is silent, from the
/// errors of "IAM policy validation check reference" (both in the IAM User Guide).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Rule {
    /// The text is not JSON.
    JsonSyntax,
    /// The text has a character that IAM's API takes in no policy.
    InvalidCharacter,
    /// Objects and lists nest deeper than any policy does.
    TooDeep,
    /// A name occurs twice in one object.
    DuplicateKey,
    /// A string was due and something else stands there, or the like.
    WrongType,
    /// An element that the language does not have.
    UnknownElement,
    /// An element that has to be there is not.
    MissingElement,
    /// An element that this kind of document must not have.
    ProhibitedElement,
    /// Two elements that exclude each other, such as `Action` and `NotAction`.
    ConflictingElements,
    /// A list or an object without anything in it.
    Empty,
    /// A language version other than 2008-10-17 and 2012-10-17.
    InvalidVersion,
    /// A Sid with characters other than letters and digits.
    InvalidSid,
    /// A Sid that an earlier statement has already.
    DuplicateSid,
    /// An Effect other than Allow and Deny.
    InvalidEffect,
    /// An action that is neither `*` nor `service:Name`.
    InvalidAction,
    /// A resource that is neither `*` nor an ARN.
    InvalidResource,
    /// A principal that is not of its type's form.
    InvalidPrincipal,
    /// A condition operator that the language does not have.
    InvalidOperator,
    /// A condition key that is not `prefix:name`.
    InvalidConditionKey,
    /// A condition value that is not of its operator's type.
    InvalidConditionValue,
    /// A policy variable that is not of the form `${key}` or `${key, 'default'}`.
    InvalidVariable,
}

impl Rule {
    /// The rule's stable name, in lower case with hyphens.
    pub fn name(self) -> &'static str {
        match self {
            Rule::JsonSyntax => "json-syntax",
            Rule::InvalidCharacter => "invalid-character",
            Rule::TooDeep => "too-deep",
            Rule::DuplicateKey => "duplicate-key",
            Rule::WrongType => "wrong-type",
            Rule::UnknownElement => "unknown-element",
            Rule::MissingElement => "missing-element",
            Rule::ProhibitedElement => "prohibited-element",
            Rule::ConflictingElements => "conflicting-elements",
            Rule::Empty => "empty",
            Rule::InvalidVersion => "invalid-version",
            Rule::InvalidSid => "invalid-sid",
            Rule::DuplicateSid => "duplicate-sid",
            Rule::InvalidEffect => "invalid-effect",
            Rule::InvalidAction => "invalid-action",
            Rule::InvalidResource => "invalid-resource",
            Rule::InvalidPrincipal => "invalid-principal",
            Rule::InvalidOperator => "invalid-operator",
            Rule::InvalidConditionKey => "invalid-condition-key",
            Rule::InvalidConditionValue => "invalid-condition-value",
            Rule::InvalidVariable => "invalid-variable",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
