//! [`FromStr`] and serde for [`Document`].

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{self, Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::document::Document;
use crate::error::PolicyError;
use crate::json::Node;
use crate::kind::Kind;

/// Parses a document strictly, as [`Document::parse`] does. A document with a `Principal` or a
/// `NotPrincipal` is a trust policy, every other one an identity policy; a boundary has the same
/// grammar, but only [`Document::parse`] can say that a document is one.
impl FromStr for Document {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Document, PolicyError> {
        guessed(&Node::parse(text)?)
    }
}

/// Reads a document strictly; its kind is guessed as from a text.
///
/// A name that occurs twice in one object is an error. So is a number with a fraction or an exponent
/// or of more than 64 bits, because serde hands it over rounded; write it as a string, or use
/// [`Document::parse`].
impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Document, D::Error> {
        let Tree(node) = Tree::deserialize(deserializer)?;
        guessed(&node).map_err(de::Error::custom)
    }
}

/// Writes the document with the order of statements and elements of [`Document::to_json`].
///
/// A document from [`Document::read`] that was not completely understood is an error, because only
/// its text is known.
impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(error) = self.not_understood().next() {
            return Err(ser::Error::custom(error));
        }
        let node = Node::parse(&self.to_json()).map_err(ser::Error::custom)?;
        Tree(node).serialize(serializer)
    }
}

fn guessed(node: &Node) -> Result<Document, PolicyError> {
    let has_principal = |statement: &Node| {
        member(statement, "Principal").is_some() || member(statement, "NotPrincipal").is_some()
    };
    let is_trust = match member(node, "Statement") {
        Some(Node::List(statements)) => statements.iter().any(has_principal),
        Some(statement) => has_principal(statement),
        None => false,
    };
    let kind = if is_trust {
        Kind::Trust
    } else {
        Kind::Identity
    };
    Document::from_node(kind, node)
}

fn member<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    match node {
        Node::Object(members) => members
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, member)| member),
        _ => None,
    }
}

/// A JSON tree as serde reads and writes it, with the order of names.
struct Tree(Node);

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(&self.0, serializer)
    }
}

fn write<S: Serializer>(node: &Node, serializer: S) -> Result<S::Ok, S::Error> {
    match node {
        Node::Null => serializer.serialize_unit(),
        Node::Bool(value) => serializer.serialize_bool(*value),
        // A document that was written has no numbers: condition values are strings.
        Node::Number(text) | Node::Text(text) => serializer.serialize_str(text),
        Node::List(items) => {
            let mut list = serializer.serialize_seq(Some(items.len()))?;
            for item in items {
                list.serialize_element(&Borrowed(item))?;
            }
            list.end()
        }
        Node::Object(members) => {
            let mut object = serializer.serialize_map(Some(members.len()))?;
            for (name, member) in members {
                object.serialize_entry(name, &Borrowed(member))?;
            }
            object.end()
        }
    }
}

struct Borrowed<'a>(&'a Node);

impl Serialize for Borrowed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(TreeVisitor).map(Tree)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an IAM policy document")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        Err(E::custom(format!(
            "the number {value} may have been rounded; write it as a string"
        )))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(Tree(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    // The parser finds names that occur twice, because a node keeps both.
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut object = Vec::new();
        while let Some((name, Tree(member))) = members.next_entry()? {
            object.push((name, member));
        }
        Ok(Node::Object(object))
    }
}
