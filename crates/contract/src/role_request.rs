//! The body of a PUT and of a plan request.

use std::fmt;

use serde::de::{IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;
use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::mode::Mode;
use crate::text::{PolicyArn, Region, RolePrefix, RoleReference, SecretName, TagMap};

/// What a cluster's role should be. Every member is optional. For a new binding, an absent member
/// takes its value from the configuration; for a live binding, an absent member stays unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleRequest {
    /// `create` (the service creates a role for the cluster) or `pass_through` (the cluster uses a
    /// role that the administrator prepared). The default for a new binding is `pass_through` where
    /// the request names an `iam_role`, a default IAM role is configured or the administrator does
    /// not permit `create`, else `create`. Can't change later.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "word_from_text"
    )]
    #[schema(value_type = Option<Mode>)]
    pub mode: Option<Mode>,
    /// The name or ARN of a role on the administrator's list; for mode `pass_through` only. Can't
    /// change later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RoleReference>)]
    pub iam_role: Option<String>,
    /// The secrets that the role may read: a list of names below `compute-engine/{cluster}/`, or
    /// `"all"`. The default for a new binding is `"all"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Secrets>,
    /// Whether the role also allows Session Manager to reach the engine's nodes. The default for a
    /// new binding is `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_manager: Option<bool>,
    /// The AWS region of the secrets. Can't change later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Region>)]
    pub region: Option<String>,
    /// The prefix of the names of created roles and instance profiles, at most 30 characters. Can't
    /// change later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RolePrefix>)]
    pub role_prefix: Option<String>,
    /// The ARN of a permissions boundary that the administrator allows; for mode `create` only.
    /// Can't change later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<PolicyArn>)]
    pub permissions_boundary: Option<String>,
    /// The caller's own tags of the created role and instance profile. The administrator's tags apply
    /// in addition: a request can't use their keys, in any letter case, and there are at most 46 tags
    /// in sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TagMap>)]
    pub tags: Option<Tags>,
}

/// Reads a word from text alone. The derived implementation would also read the word `create` from
/// `{"create": null}`.
fn word_from_text<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let text = Option::<String>::deserialize(from)?;
    let word = text.map(|text| T::deserialize(text.into_deserializer()));
    word.transpose()
}

/// `"all"`, or a list of secret names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"all\" or a list of names")]
pub enum Secrets {
    /// The word `all`; another word is rejected.
    Word(String),
    /// Names of secrets, without `compute-engine/{cluster}/`.
    Names(Vec<String>),
}

impl PartialSchema for Secrets {
    fn schema() -> RefOr<Schema> {
        let all = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Every secret of the cluster"))
            .enum_values(Some(["all"]));
        let names = ArrayBuilder::new()
            .items(Ref::from_schema_name("SecretName"))
            .min_items(Some(1))
            .description(Some(
                "Names of secrets, without `compute-engine/{cluster}/`",
            ));
        let secrets = OneOfBuilder::new()
            .item(all)
            .item(names)
            .description(Some("`\"all\"`, or a list of names of secrets"))
            .examples([json!("all"), json!(["admin/password"])]);
        RefOr::T(secrets.into())
    }
}

impl ToSchema for Secrets {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(("SecretName".to_owned(), SecretName::schema()));
    }
}

/// The members of a JSON object in their order. A key may occur twice: a map would hide that, and
/// the service rejects it.
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
    fn absent_members_are_not_serialized() {
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
    fn a_tag_key_that_occurs_twice_is_kept_twice() {
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
