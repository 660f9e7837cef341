//! A policy document that was checked when it was created.

use std::borrow::Cow;

use crate::arn;
use crate::canonical;
use crate::error::PolicyError;
use crate::json::Node;
use crate::kind::Kind;
use crate::parse;
use crate::size;
use crate::statement::{Principal, Scope, Statement};
use crate::validate;
use crate::version::Version;
use crate::write;

/// A policy document that IAM would accept.
///
/// `==` compares the text; [`Document::equivalent`] compares the meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    kind: Kind,
    written_version: Option<Version>,
    id: Option<String>,
    statements: Vec<Statement>,
}

impl Document {
    /// Parses a document strictly, by the grammar of the policy language.
    ///
    /// An ARN in `Resource` or `NotResource` with fewer than six fields, or with an empty last one,
    /// is completed with `*`, so `arn:aws:sqs` becomes `arn:aws:sqs:*:*:*` ("Identify AWS resources
    /// with Amazon Resource Names (ARNs)", IAM User Guide).
    ///
    /// The size is not limited here, because IAM's limits depend on what the document is attached
    /// to; see [`Document::size`].
    ///
    /// # Errors
    /// Returns an error, with the place and the rule, for a document that IAM would reject.
    /// Untrusted text is safe to pass.
    pub fn parse(kind: Kind, text: &str) -> Result<Document, PolicyError> {
        Document::from_node(kind, &Node::parse(text)?)
    }

    /// Reads a document from parsed JSON. Parsing keeps only the last of two equal names, so this
    /// function can't reject a document that repeats a name.
    ///
    /// # Errors
    /// The same errors as [`Document::parse`]; also an error for a number that `serde_json` holds as
    /// a float, because its digits may have been rounded.
    pub fn from_value(kind: Kind, value: &serde_json::Value) -> Result<Document, PolicyError> {
        Document::from_node(kind, &Node::from_value(value)?)
    }

    fn from_node(kind: Kind, node: &Node) -> Result<Document, PolicyError> {
        let parse::Elements {
            version,
            id,
            statements,
        } = parse::elements(kind, node)?;
        Document::assemble(kind, version, id, statements)
    }

    /// Creates a document of version 2012-10-17 from statements.
    ///
    /// # Errors
    /// The same errors as [`Document::parse`], with the same places.
    pub fn new(kind: Kind, statements: Vec<Statement>) -> Result<Document, PolicyError> {
        Document::assemble(kind, Some(Version::V2012), None, statements)
    }

    fn assemble(
        kind: Kind,
        written_version: Option<Version>,
        id: Option<String>,
        mut statements: Vec<Statement>,
    ) -> Result<Document, PolicyError> {
        for statement in &mut statements {
            complete_arns(statement);
        }
        let version = written_version.unwrap_or(Version::V2008);
        validate::statements(kind, version, &statements)?;
        for statement in &mut statements {
            group_like_json(statement);
        }
        Ok(Document {
            kind,
            written_version,
            id,
            statements,
        })
    }

    /// Returns what the document is attached to.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the version of the language that applies; 2008-10-17 if the document states none.
    pub fn version(&self) -> Version {
        self.written_version.unwrap_or(Version::V2008)
    }

    /// Returns the version that the document states; `None` if it states none.
    pub fn written_version(&self) -> Option<Version> {
        self.written_version
    }

    /// Returns the Id element, which only trust policies may have.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the statements, in the order of the document.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Returns the canonical form: one spelling for all documents of the same meaning.
    ///
    /// The canonical form has version 2012-10-17 and no Sids and no Id. Its statements are split
    /// and merged by one fixed rule; its lists are sorted and have no entry that another entry
    /// contains; actions, condition keys and account principals have one spelling. The canonical
    /// form is a document of the same meaning, and the canonical form of a canonical form is the
    /// same document. See [`Document::equivalent`] for the limits.
    pub fn to_value(&self) -> serde_json::Value {
        canonical::document(self.version(), &self.statements)
    }

    /// Returns the text to send to IAM: compact, with the same order of statements and the same
    /// Sids.
    pub fn to_json(&self) -> String {
        write::document(self.written_version, self.id(), &self.statements)
    }

    /// Returns the text of [`Document::to_json`], indented for people.
    pub fn to_pretty_json(&self) -> String {
        write::indented(&self.to_json())
    }

    /// Returns the number of characters of [`Document::to_json`] as IAM counts them; see
    /// [`crate::size_of_text`].
    pub fn size(&self) -> usize {
        size::of_text(&self.to_json())
    }

    /// Whether both documents mean the same.
    ///
    /// `true` is certain. `false` means that the canonical forms differ. Documents of the same
    /// meaning can also have different canonical forms, for example if a Deny removes half of an
    /// Allow, or if two patterns only together match the same as a third.
    pub fn equivalent(&self, other: &Document) -> bool {
        self.kind == other.kind && self.to_value() == other.to_value()
    }
}

/// Writes out the fields that an ARN in `Resource` or `NotResource` leaves out.
fn complete_arns(statement: &mut Statement) {
    let Some(Scope::Only(texts) | Scope::Except(texts)) = &mut statement.resources else {
        return;
    };
    for text in texts {
        if let Cow::Owned(completed) = arn::completed(text) {
            *text = completed;
        }
    }
}

/// Puts the conditions of one operator next to each other, and the principals of one type too. JSON
/// groups both, so writing and parsing a document then gives the same document.
fn group_like_json(statement: &mut Statement) {
    group_by(&mut statement.conditions, |condition| condition.operator);
    group_by(&mut statement.principals, Principal::type_name);
}

/// Groups items by key; groups are in the order in which their keys appear first.
fn group_by<T, K: PartialEq>(items: &mut [T], key: impl Fn(&T) -> K) {
    let mut keys = Vec::new();
    for item in items.iter() {
        let key = key(item);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    items.sort_by_key(|item| {
        let key = key(item);
        keys.iter().position(|known| *known == key)
    });
}
