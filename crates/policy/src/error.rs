//! What is wrong with a document, where, and by which rule.

use std::fmt;

use serde::Serialize;

/// The first mistake in a document for which IAM would reject it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct PolicyError {
    /// The path in the document, such as `Statement[1].Condition.StringEquals`; `document` if the
    /// mistake is in the document as a whole.
    pub place: String,
    /// The rule that the document breaks.
    pub rule: Rule,
    /// What was found and what would be valid, as a sentence without a full stop.
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
    /// The text has a character that IAM's API accepts in no policy.
    InvalidCharacter,
    /// Objects and lists are nested deeper than in any valid policy.
    TooDeep,
    /// The text is longer than any that IAM's API accepts.
    TooLong,
    /// A name occurs twice in one object.
    DuplicateKey,
    /// A value has the wrong JSON type, such as a number in place of a string.
    WrongType,
    /// An element that the language does not have.
    UnknownElement,
    /// A required element is missing.
    MissingElement,
    /// An element that is not allowed in this kind of document.
    ProhibitedElement,
    /// Two elements that exclude each other, such as `Action` and `NotAction`.
    ConflictingElements,
    /// An empty list or object.
    Empty,
    /// A language version other than 2008-10-17 and 2012-10-17.
    InvalidVersion,
    /// A Sid with characters other than letters and digits.
    InvalidSid,
    /// A Sid that an earlier statement has too.
    DuplicateSid,
    /// An Effect other than Allow and Deny.
    InvalidEffect,
    /// An action that is neither `*` nor `service:Name`.
    InvalidAction,
    /// A resource that is neither `*` nor an ARN.
    InvalidResource,
    /// A policy variable before the fifth colon of an ARN.
    VariableBeforeResource,
    /// A wildcard in the service or in the resource type of an ARN.
    WildcardInArn,
    /// A principal that does not have the form of its type.
    InvalidPrincipal,
    /// A condition operator that the language does not have.
    InvalidOperator,
    /// A condition key that is not `prefix:name`.
    InvalidConditionKey,
    /// A condition value that does not have its operator's type.
    InvalidConditionValue,
    /// A policy variable that is not of the form `${key}` or `${key, 'default'}`.
    InvalidVariable,
}

impl Rule {
    /// Returns the rule's stable name, in lower case with hyphens.
    pub fn name(self) -> &'static str {
        match self {
            Rule::JsonSyntax => "json-syntax",
            Rule::InvalidCharacter => "invalid-character",
            Rule::TooDeep => "too-deep",
            Rule::TooLong => "too-long",
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
            Rule::VariableBeforeResource => "variable-before-resource",
            Rule::WildcardInArn => "wildcard-in-arn",
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
