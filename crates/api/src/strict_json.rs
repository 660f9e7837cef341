//! JSON as it was sent: members in their order, and a member that occurs twice occurs twice. A map would
//! hide that, and the last one would win without a word.

use std::fmt;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::Value;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Flag(bool),
    Number,
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Returns the value without the order of the members. Numbers become null: no request has any.
    pub(crate) fn canonical(&self) -> Value {
        match self {
            Self::Null | Self::Number => Value::Null,
            Self::Flag(flag) => Value::Bool(*flag),
            Self::Text(text) => Value::String(text.clone()),
            Self::List(items) => Value::Array(items.iter().map(Self::canonical).collect()),
            Self::Object(members) => {
                let members = members.iter();
                let members = members.map(|(name, value)| (name.clone(), value.canonical()));
                Value::Object(members.collect())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_i64<E: de::Error>(self, _number: i64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_u64<E: de::Error>(self, _number: u64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_f64<E: de::Error>(self, _number: f64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_that_occurs_twice_is_kept_twice() {
        let read: Json =
            serde_json::from_str(r#"{"b": [1, null], "a": true, "b": "x"}"#).expect("JSON");
        let Json::Object(members) = &read else {
            panic!("{read:?}");
        };
        assert_eq!(members.len(), 3);
        assert_eq!(members[0].1, Json::List(vec![Json::Number, Json::Null]));
    }

    #[test]
    fn the_order_of_members_makes_no_difference_to_the_canonical_form() {
        let read = |text: &str| {
            serde_json::from_str::<Json>(text)
                .expect("JSON")
                .canonical()
        };
        let one = read(r#"{"a": "x", "b": {"c": true, "d": ["y"]}}"#);
        let other = read(r#"{"b": {"d": ["y"], "c": true}, "a": "x"}"#);
        assert_eq!(one, other);
        assert_eq!(one, json!({"a": "x", "b": {"c": true, "d": ["y"]}}));
    }
}
