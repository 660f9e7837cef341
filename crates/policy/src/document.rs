//! A whole policy document, valid by construction.

use crate::canonical;
use crate::error::PolicyError;
use crate::json::Node;
use crate::kind::Kind;
use crate::parse;
use crate::size;
use crate::statement::{Principal, Statement};
use crate::validate;
use crate::version::Version;
use crate::write;

/// A policy document that IAM would take.
///
/// `==` compares what is written; [`Document::equivalent`] compares what is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    kind: Kind,
    written_version: Option<Version>,
    id: Option<String>,
    statements: Vec<Statement>,
}

impl Document {
    /// Reads a document strictly, by the grammar of the policy language.
    ///
    /// Its size is not limited here, since IAM's limits hang on where it is attached; see
    /// [`Document::size`].
    ///
    /// # Errors
    /// What IAM refuses is refused, with its place and the rule. Any text is safe to give.
    pub fn parse(kind: Kind, text: &str) -> Result<Document, PolicyError> {
        Document::from_node(kind, &Node::parse(text)?)
    }

    /// Reads a document from JSON that is parsed already, so that names which occur twice are
    /// lost before this can refuse them.
    ///
    /// # Errors
    /// As [`Document::parse`].
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

    /// Makes a document of version 2012-10-17 from statements.
    ///
    /// # Errors
    /// As [`Document::parse`], with the same places.
    pub fn new(kind: Kind, statements: Vec<Statement>) -> Result<Document, PolicyError> {
        Document::assemble(kind, Some(Version::V2012), None, statements)
    }

    fn assemble(
        kind: Kind,
        written_version: Option<Version>,
        id: Option<String>,
        mut statements: Vec<Statement>,
    ) -> Result<Document, PolicyError> {
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

    /// What the document is attached to.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The version of the language that counts; 2008-10-17 where none is written.
    pub fn version(&self) -> Version {
        self.written_version.unwrap_or(Version::V2008)
    }

    /// The version as written, if one is.
    pub fn written_version(&self) -> Option<Version> {
        self.written_version
    }

    /// The Id element, which only trust policies may have.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The statements, in the order in which they are written.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The canonical form: one way of writing for documents of the same meaning.
    ///
    /// Without Sids and Id, in version 2012-10-17, statements split and merged again by one rule,
    /// all lists sorted and without what another entry contains, actions, condition keys and
    /// account principals in one spelling. The canonical form is itself a document, of the same
    /// meaning; its own canonical form is itself. See [`Document::equivalent`] for its limits.
    pub fn to_value(&self) -> serde_json::Value {
        canonical::document(self.version(), &self.statements)
    }

    /// The text to send to IAM: compact, with the order of statements and the Sids kept.
    pub fn to_json(&self) -> String {
        write::document(self.written_version, self.id(), &self.statements)
    }

    /// The text of [`Document::to_json`] on more lines, for people.
    pub fn to_pretty_json(&self) -> String {
        write::indented(&self.to_json())
    }

    /// The characters of [`Document::to_json`] as IAM counts them; see [`crate::size_of_text`].
    pub fn size(&self) -> usize {
        size::of_text(&self.to_json())
    }

    /// Whether both documents mean the same.
    ///
    /// `true` is certain. `false` means that the canonical forms differ, which they can also do
    /// where the documents mean the same by a longer way round (a Deny that takes away half of an
    /// Allow, say, or two patterns that only together make up a third).
    pub fn equivalent(&self, other: &Document) -> bool {
        self.kind == other.kind && self.to_value() == other.to_value()
    }
}

/// Puts conditions of one operator and principals of one type side by side, as JSON has them, so
/// that writing and reading gives the same document.
fn group_like_json(statement: &mut Statement) {
    group_by(&mut statement.conditions, |condition| condition.operator);
    group_by(&mut statement.principals, Principal::type_name);
}

/// Keeps the order of first appearance.
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
