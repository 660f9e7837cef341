//! The body of PUT: from text to words of the domain, each field with its own error.

use std::fmt;

use engine_roles_domain::account::Region;
use engine_roles_domain::cluster::{Mode, RoleReference, RoleRequest, SecretName, Secrets};
use engine_roles_domain::grant::BoundaryArn;
use engine_roles_domain::invalid::Invalid;
use engine_roles_domain::resources::{RolePrefix, Tags};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::error::Problem;

/// What a cluster's role shall be. All fields are optional: for a new binding what is absent
/// comes from the configuration, for a live one absent means unchanged.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoleRequest)]
pub(crate) struct RoleRequestBody {
    /// Where the role comes from. For a new binding `pass_through` where a role is named or a
    /// default IAM role is configured, else `create`.
    #[schema(value_type = Option<String>, example = "create")]
    mode: Option<Mode>,
    /// Name or ARN of a role on the administrator's list; `pass_through` only.
    iam_role: Option<String>,
    /// Names below `compute-engine/{cluster}/`, or `"all"`. New: all.
    secrets: Option<SecretsBody>,
    /// Whether the role also lets Session Manager reach the nodes. New: false.
    session_manager: Option<bool>,
    /// Where the secrets are. Can't change later.
    #[schema(example = "us-west-2")]
    region: Option<String>,
    /// Put before the name of what is made, at most 30 characters. Can't change later.
    role_prefix: Option<String>,
    /// ARN of a boundary that the administrator allows; `create` only. Can't change later.
    permissions_boundary: Option<String>,
    /// At most 46 tags on what is made.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    tags: Option<TagsBody>,
}

/// The members of an object, those that stand there twice too: a map would keep the last.
#[derive(Debug)]
struct TagsBody(Vec<(String, String)>);

impl<'de> Deserialize<'de> for TagsBody {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = TagsBody;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of keys and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TagsBody, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(TagsBody(members))
            }
        }

        from.deserialize_map(Members)
    }
}

/// `"all"`, or a list of names.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected \"all\" or a list of names")]
enum SecretsBody {
    /// Only the word `all`.
    Word(String),
    /// Names.
    Names(Vec<String>),
}

impl RoleRequestBody {
    /// Reads each field by its own rule.
    pub(crate) fn parse(self) -> Result<RoleRequest, Problem> {
        Ok(RoleRequest {
            mode: self.mode,
            iam_role: read("iam_role", self.iam_role, RoleReference::parse)?,
            secrets: self.secrets.map(secrets).transpose()?,
            session_manager: self.session_manager,
            region: read("region", self.region, Region::parse)?,
            role_prefix: read("role_prefix", self.role_prefix, RolePrefix::parse)?,
            permissions_boundary: read(
                "permissions_boundary",
                self.permissions_boundary,
                BoundaryArn::parse,
            )?,
            tags: self
                .tags
                .map(|tags| Tags::new(tags.0).map_err(|error| Problem::invalid("tags", &error)))
                .transpose()?,
        })
    }
}

/// Reads a field's text, if it is there, by its own rule.
pub(crate) fn read<T>(
    field: &'static str,
    text: Option<String>,
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Result<Option<T>, Problem> {
    let parsed = text.map(|text| parse(&text)).transpose();
    parsed.map_err(|error| Problem::invalid(field, &error))
}

fn secrets(body: SecretsBody) -> Result<Secrets, Problem> {
    let names = match body {
        SecretsBody::Word(word) if word == "all" => return Ok(Secrets::All),
        SecretsBody::Word(_) => {
            let reason = "must be \"all\" or a list of names";
            return Err(Problem::field(
                crate::error::Code::InvalidSecretName,
                "secrets",
                reason,
            ));
        }
        SecretsBody::Names(names) => names,
    };
    let mut parsed = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let field = || format!("secrets[{index}]");
        parsed.push(SecretName::parse(name).map_err(|error| Problem::invalid(field(), &error))?);
    }
    Secrets::named(parsed).map_err(|error| Problem::invalid("secrets", &error))
}
