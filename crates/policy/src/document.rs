//! A policy document that was checked when it was created.

use std::collections::BTreeMap;

use crate::canonical;
use crate::error::{PolicyError, Rule};
use crate::json::Node;
use crate::kind::Kind;
use crate::parse;
use crate::read::{self, Unclear};
use crate::size;
use crate::statement::{Effect, Principal, Statement};
use crate::validate;
use crate::version::Version;
use crate::write;

/// A policy document: one that IAM would accept ([`Document::parse`], [`Document::new`]), or one that
/// AWS holds ([`Document::read`]), of which a part may not have been understood.
///
/// `==` compares the text; [`Document::equivalent`] compares the meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    kind: Kind,
    written_version: Option<Version>,
    id: Option<String>,
    statements: Vec<Statement>,
    /// What was not understood, by the index of the statement.
    unclear: BTreeMap<usize, Unclear>,
    /// The text of a document that was not completely understood.
    source: Option<String>,
}

/// The most characters that IAM's API accepts as a document ("`PutRolePolicy`", IAM API Reference).
const LONGEST: usize = 131_072;

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

    /// Reads a document that AWS holds. AWS accepted it, so a part that is not of the policy language
    /// means something; this part makes the decisions indeterminate that it can affect, and no
    /// others.
    ///
    /// | not understood | what it affects |
    /// |---|---|
    /// | an action with white space or commas | the actions that it means if these are left out, or separate actions |
    /// | another invalid action | every action that it matches if each invalid character is a `*`; all actions if it has no colon |
    /// | an invalid ARN | every resource that it matches as a pattern |
    /// | another invalid resource | all resources |
    /// | a missing, repeated or conflicting Action, Resource or Condition | everything that the rest of the statement matches |
    /// | an unknown element, condition operator or condition key | everything that the statement matches |
    /// | an invalid condition value | the comparison with this value |
    /// | an invalid principal, or `NotPrincipal` | every principal that no other part of the element matches |
    /// | an unknown Effect | everything that the statement matches, which may be allowed or denied |
    /// | an unknown Version, or an unknown element beside the statements | everything that the document matches |
    ///
    /// A Sid and an Id have no effect on access, so their form does not matter here.
    ///
    /// # Errors
    /// Returns an error for a text that is not JSON, that is too deep or longer than 131,072
    /// characters, and for one that is not an object with a Statement. Untrusted text is safe to
    /// pass.
    pub fn read(kind: Kind, text: &str) -> Result<Document, PolicyError> {
        if text.chars().nth(LONGEST).is_some() {
            return Err(PolicyError::new(
                "",
                Rule::TooLong,
                format!("has more than {LONGEST} characters"),
            ));
        }
        let read::Read {
            version,
            id,
            mut statements,
            unclear,
        } = read::document(kind, &Node::parse_any(text)?)?;
        for statement in &mut statements {
            group_like_json(statement);
        }
        Ok(Document {
            kind,
            written_version: version,
            id,
            statements,
            source: (!unclear.is_empty()).then(|| text.to_owned()),
            unclear,
        })
    }

    pub(crate) fn from_node(kind: Kind, node: &Node) -> Result<Document, PolicyError> {
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
            statement.complete_arns();
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
            unclear: BTreeMap::new(),
            source: None,
        })
    }

    /// Returns what was not understood of a document from [`Document::read`]; empty for every other
    /// document.
    pub fn not_understood(&self) -> impl Iterator<Item = &PolicyError> {
        self.unclear.values().flat_map(|unclear| &unclear.errors)
    }

    /// Whether the statement with this index was understood completely.
    pub fn understands(&self, statement: usize) -> bool {
        !self.unclear.contains_key(&statement)
    }

    /// Whether the statement with this index has this effect, as far as that was understood.
    pub(crate) fn may_have_effect(&self, statement: usize, effect: Effect) -> bool {
        let is_unclear = |unclear: &Unclear| unclear.effect;
        self.statements[statement].effect == effect
            || self.unclear(statement).is_some_and(is_unclear)
    }

    pub(crate) fn unclear(&self, statement: usize) -> Option<&Unclear> {
        self.unclear.get(&statement)
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

    /// Returns the statements, in the order of the document. In a document from [`Document::read`],
    /// an element that was not understood is written as what it can match at most, and an Effect as
    /// Allow; see [`Document::understands`].
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Returns the canonical form: one spelling for all documents of the same meaning.
    ///
    /// The canonical form has version 2012-10-17 and no Sids and no Id. Its statements are split
    /// and merged by one fixed rule; its lists are sorted and have no entry that another entry
    /// contains; actions, condition keys and account principals have one spelling. The canonical
    /// form is a document of the same meaning, and the canonical form of a canonical form is the
    /// same document. See [`Document::equivalent`] for the limits. For a document that was not
    /// completely understood, the canonical form is only of what was understood.
    pub fn to_value(&self) -> serde_json::Value {
        canonical::document(self.version(), &self.statements)
    }

    /// Returns the text to send to IAM: compact, with the same order of statements and the same
    /// Sids. For a document that was not completely understood, the text is the one that was read.
    pub fn to_json(&self) -> String {
        if let Some(source) = &self.source {
            return source.clone();
        }
        write::document(self.written_version, self.id(), &self.statements)
    }

    /// Returns the text of [`Document::to_json`], indented for people.
    pub fn to_pretty_json(&self) -> String {
        if let Some(source) = &self.source {
            return source.clone();
        }
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
    /// Allow, or if two patterns only together match the same as a third. A document that was not
    /// completely understood is equivalent to no other document.
    pub fn equivalent(&self, other: &Document) -> bool {
        let is_understood = self.unclear.is_empty() && other.unclear.is_empty();
        is_understood && self.kind == other.kind && self.to_value() == other.to_value()
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
