//! The body of PUT and of plan.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::binding::Mode;

/// What a cluster's role shall be. All fields are optional: for a new binding what is absent
/// comes from the configuration, for a live one absent means unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleRequest {
    /// Where the role comes from. For a new binding `pass_through` where a role is named or a
    /// default IAM role is configured, else `create`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "create")]
    pub mode: Option<Mode>,
    /// Name or ARN of a role on the administrator's list; `pass_through` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iam_role: Option<String>,
    /// Names below `compute-engine/{cluster}/`, or `"all"`. New: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Secrets>,
    /// Whether the role also lets Session Manager reach the nodes. New: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_manager: Option<bool>,
    /// Where the secrets are. Can't change later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "us-west-2")]
    pub region: Option<String>,
    /// Put before the name of what is made, at most 30 characters. Can't change later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_prefix: Option<String>,
    /// ARN of a boundary that the administrator allows; `create` only. Can't change later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<String>,
    /// At most 46 tags on what is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub tags: Option<Tags>,
}

/// `"all"`, or a list of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected \"all\" or a list of names")]
#[schema(as = SecretsBody)]
pub enum Secrets {
    /// Only the word `all`.
    Word(String),
    /// Names.
    Names(Vec<String>),
}

/// The members of a JSON object in their order. A key may occur twice, which a map would hide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(pub Vec<(String, String)>);

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Tags;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of keys and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tags, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Tags(members))
            }
        }

        from.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_str, json};

    use super::*;

    #[test]
    fn what_is_absent_is_not_sent() {
        assert_eq!(json!(RoleRequest::default()), json!({}));
        let request = RoleRequest {
            mode: Some(Mode::PassThrough),
            secrets: Some(Secrets::Names(vec!["a".to_owned()])),
            tags: Some(Tags(vec![("team".to_owned(), "x".to_owned())])),
            ..RoleRequest::default()
        };
        let sent = json!(request);
        let expected = json!({"mode": "pass_through", "secrets": ["a"], "tags": {"team": "x"}});
        assert_eq!(sent, expected);
        let read: RoleRequest = serde_json::from_value(sent).expect("a request");
        assert_eq!(read, request);
    }

    #[test]
    fn a_tag_that_is_there_twice_is_seen_twice() {
        let tags: Tags = from_str(r#"{"a": "1", "a": "2"}"#).expect("tags");
        assert_eq!(tags.0.len(), 2);
        assert!(from_str::<Tags>("[]").is_err());
    }

    #[test]
    fn an_unknown_member_of_a_request_is_an_error() {
        assert!(from_str::<RoleRequest>(r#"{"secret": []}"#).is_err());
        assert!(serde_json::from_value::<RoleRequest>(Value::Null).is_err());
    }
}
