//! A JSON tree that keeps the order of names, names that occur twice, and every digit of a number.
//!
//! `serde_json::Value` keeps only the last of two equal names, which would hide an element of a
//! policy from this parser, and rounds numbers to 64-bit floats. The parser therefore uses this
//! tree.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

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
        Node::parse_any(text)
    }

    /// Parses a text with any characters.
    pub(crate) fn parse_any(text: &str) -> Result<Node, PolicyError> {
        let whole: &RawValue = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        Node::of_raw(whole, 0)
    }

    /// Reads one level at a time, so that numbers keep the digits with which they are written.
    fn of_raw(raw: &RawValue, depth: usize) -> Result<Node, PolicyError> {
        if depth > DEEPEST {
            return Err(too_deep());
        }
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let Members(members) =
                    serde_json::from_str(text).map_err(|error| not_json(&error))?;
                let members = members.into_iter();
                let members = members.map(|(name, raw)| Ok((name, Node::of_raw(raw, depth + 1)?)));
                Node::Object(members.collect::<Result<_, PolicyError>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> =
                    serde_json::from_str(text).map_err(|error| not_json(&error))?;
                let items = items.into_iter();
                let items = items.map(|raw| Node::of_raw(raw, depth + 1));
                Node::List(items.collect::<Result<_, _>>()?)
            }
            Some(b'"') => Node::Text(serde_json::from_str(text).map_err(|error| not_json(&error))?),
            Some(b't') => Node::Bool(true),
            Some(b'f') => Node::Bool(false),
            Some(b'n') => Node::Null,
            _ => Node::Number(text.to_owned()),
        })
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
            serde_json::Value::Number(value) if value.is_f64() => {
                let reason = format!(
                    "has the number {value}, which may have been rounded; write it as a string"
                );
                return Err(PolicyError::new("", Rule::InvalidConditionValue, reason));
            }
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

fn not_json(error: &serde_json::Error) -> PolicyError {
    PolicyError::new("", Rule::JsonSyntax, format!("not JSON: {error}"))
}

/// The members of an object, in their order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'a>, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
