//! The spec of a role, as answers show it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::mode::Mode;
use crate::open::Open;
use crate::role_request::Secrets;
use crate::text::{KeyArn, PolicyArn, ProfileName, Region, RolePrefix, RoleReference, TagMap};

/// What a role should be: the request, with defaults filled in from the configuration. The members are
/// those of the body of a PUT, so sending a spec back changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Spec {
    /// `create` or `pass_through`.
    #[schema(value_type = Mode)]
    pub mode: Open<Mode>,
    /// The prepared role, as the administrator's list names it; absent in mode `create`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = RoleReference, required = false)]
    pub iam_role: Option<String>,
    /// The secrets that the role may read: a list of names below `compute-engine/{cluster}/`, or
    /// `"all"`.
    pub secrets: Secrets,
    /// Whether the role also allows Session Manager to reach the engine's nodes.
    pub session_manager: bool,
    /// The AWS region of the secrets.
    #[schema(value_type = Region)]
    pub region: String,
    /// The prefix of the names of created roles and instance profiles.
    #[schema(value_type = RolePrefix)]
    pub role_prefix: String,
    /// The ARN of the permissions boundary; absent where the role has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = PolicyArn, required = false)]
    pub permissions_boundary: Option<String>,
    /// The caller's own tags. The administrator's tags apply in addition.
    #[schema(value_type = TagMap)]
    pub tags: BTreeMap<String, String>,
}

/// The spec with what the configuration adds to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveSpec {
    /// `create` or `pass_through`.
    #[schema(value_type = Mode)]
    pub mode: Open<Mode>,
    /// The prepared role, as the administrator's list names it; null in mode `create`.
    #[schema(value_type = Option<RoleReference>)]
    pub iam_role: Option<String>,
    /// The instance profile that the administrator prepared; null where the service creates one.
    #[schema(value_type = Option<ProfileName>)]
    pub instance_profile: Option<String>,
    /// The secrets that the role may read: a list of names below `compute-engine/{cluster}/`, or
    /// `"all"`.
    pub secrets: Secrets,
    /// The ARN of the customer's KMS key that encrypts the secrets; null for AWS's own key, and in mode
    /// `pass_through`.
    #[schema(value_type = Option<KeyArn>)]
    pub kms_key: Option<String>,
    /// Whether the role also allows Session Manager to reach the engine's nodes.
    pub session_manager: bool,
    /// The AWS region of the secrets.
    #[schema(value_type = Region)]
    pub region: String,
    /// The prefix of the names of created roles and instance profiles.
    #[schema(value_type = RolePrefix)]
    pub role_prefix: String,
    /// The ARN of the permissions boundary; null where the role has none.
    #[schema(value_type = Option<PolicyArn>)]
    pub permissions_boundary: Option<String>,
    /// All tags but the four that mark ownership: the caller's and the administrator's.
    #[schema(value_type = TagMap)]
    pub tags: BTreeMap<String, String>,
}
