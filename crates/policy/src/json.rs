//! A JSON tree that keeps the order of names, and names that occur twice.
//!
//! `serde_json::Value` keeps only the last of two equal names, which would hide an element of a
//! policy from this parser. The parser therefore uses this tree.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::error::{PolicyError, Rule};

/// The deepest nesting that is accepted. Policies need seven levels:
/// `document.Statement[].Condition.Operator.key[]`.
const DEEPEST: usize = 16;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    pub(crate) fn parse(text: &str) -> Result<Node, PolicyError> {
        if let Some(character) = text.chars().find(|character| !is_taken(*character)) {
            return Err(PolicyError::new(
                "",
                Rule::InvalidCharacter,
                format!("contains {character:?}, which IAM accepts only as a JSON escape"),
            ));
        }
        // serde_json rejects more than 128 levels, so the recursion can't exhaust the stack.
        let node: Node = serde_json::from_str(text).map_err(|error| {
            PolicyError::new("", Rule::JsonSyntax, format!("not JSON: {error}"))
        })?;
        node.limit_depth(0)?;
        Ok(node)
    }

    pub(crate) fn from_value(value: &serde_json::Value) -> Result<Node, PolicyError> {
        Node::copy(value, 0)
    }

    fn copy(value: &serde_json::Value, depth: usize) -> Result<Node, PolicyError> {
        if depth > DEEPEST {
            return Err(too_deep());
        }
        Ok(match value {
            serde_json::Value::Null => Node::Null,
            serde_json::Value::Bool(value) => Node::Bool(*value),
            serde_json::Value::Number(value) => Node::Number(value.to_string()),
            serde_json::Value::String(value) => Node::Text(value.clone()),
            serde_json::Value::Array(items) => Node::List(
                items
                    .iter()
                    .map(|item| Node::copy(item, depth + 1))
                    .collect::<Result<_, _>>()?,
            ),
            serde_json::Value::Object(members) => Node::Object(
                members
                    .iter()
                    .map(|(name, member)| Ok((name.clone(), Node::copy(member, depth + 1)?)))
                    .collect::<Result<_, PolicyError>>()?,
            ),
        })
    }

    fn limit_depth(&self, depth: usize) -> Result<(), PolicyError> {
        if depth > DEEPEST {
            return Err(too_deep());
        }
        match self {
            Node::List(items) => items
                .iter()
                .try_for_each(|item| item.limit_depth(depth + 1)),
            Node::Object(members) => members
                .iter()
                .try_for_each(|(_, member)| member.limit_depth(depth + 1)),
            _ => Ok(()),
        }
    }

    /// The JSON type, as words for an error message.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Bool(_) => "a Boolean",
            Node::Number(_) => "a number",
            Node::Text(_) => "a string",
            Node::List(_) => "a list",
            Node::Object(_) => "an object",
        }
    }
}

/// Whether the `PolicyDocument` parameter accepts the character ("`PutRolePolicy`", IAM API
/// Reference).
pub(crate) fn is_taken(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{ff}')
}

fn too_deep() -> PolicyError {
    PolicyError::new(
        "",
        Rule::TooDeep,
        format!("is nested deeper than {DEEPEST} levels"),
    )
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        struct Tree;

        impl<'de> Visitor<'de> for Tree {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
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

            fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
                Ok(Node::Number(value.to_string()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Node, E> {
                Ok(Node::Text(value.to_owned()))
            }

            fn visit_string<E>(self, value: String) -> Result<Node, E> {
                Ok(Node::Text(value))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Node::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
                let mut object = Vec::new();
                while let Some(member) = members.next_entry()? {
                    object.push(member);
                }
                Ok(Node::Object(object))
            }
        }

        deserializer.deserialize_any(Tree)
    }
}
