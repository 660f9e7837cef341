//! What a cluster's role can reach.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::mode::Mode;
use crate::open::Open;
use crate::text::ClusterName;

/// How a policy document is connected to its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// An inline policy of the role.
    Inline,
    /// A managed policy that is attached to the role.
    Managed,
    /// The role's permissions boundary.
    Boundary,
}

/// What a cluster's role can reach, evaluated from the policy documents that IAM has for the role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Access {
    /// The cluster's name.
    #[schema(value_type = ClusterName)]
    pub cluster: String,
    /// The mode of the cluster's binding: `create` or `pass_through`.
    #[schema(value_type = Mode)]
    pub mode: Open<Mode>,
    /// The role that was evaluated: its `name`, `arn`, `path` and unique `id`. `instance_profile` says
    /// whether it is the role that engines get.
    #[schema(value_type = Object)]
    pub role: Value,
    /// The instance profile through which the cluster's engines get their role. Where it contains another
    /// role than the binding's spec calls for, `role` is that other role.
    pub instance_profile: AccessProfile,
    /// When the role was read from IAM and evaluated.
    #[serde(with = "crate::time")]
    pub evaluated_at: DateTime<Utc>,
    /// The policy documents that the role has, the permissions boundary included.
    pub documents: Vec<EvaluatedDocument>,
    /// Which policy documents could not be read or parsed, one sentence each. Every decision that
    /// depends on such a document is `indeterminate`.
    pub unread: Vec<String>,
    /// Access to the cluster's own secrets: one entry for each secret that the binding's spec
    /// names, or one entry for all secrets of the cluster. `resource` is the secret's ARN as a
    /// pattern; `decision` is `allowed`, `denied` or `indeterminate`; `by` names the statement that
    /// decides (null where no statement allows the access); `because` lists the reasons for
    /// `indeterminate`.
    #[schema(value_type = Vec<Object>)]
    pub own_secrets: Value,
    /// Access to the secrets of other clusters: `decision`, with `by` or `because` as in
    /// `own_secrets`, and `grants`, the grants that reach those secrets.
    #[schema(value_type = Object)]
    pub other_secrets: Value,
    /// Access to all other resources that the binding's spec does not call for, in the form of
    /// `other_secrets`.
    #[schema(value_type = Object)]
    pub anything_else: Value,
}

/// What an instance profile contains, compared with the binding's spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProfileContents {
    /// The role that the spec calls for.
    ExpectedRole,
    /// Another role.
    AnotherRole,
    /// No role.
    NoRole,
    /// The profile does not exist.
    Absent,
    /// The profile could not be read.
    Unknown,
}

/// The instance profile through which engines get a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessProfile {
    /// The profile's name.
    pub name: String,
    /// `expected_role`, `another_role`, `no_role` (the profile contains none), `absent` (the profile does
    /// not exist) or `unknown` (the profile could not be read; then all decisions are `indeterminate`).
    #[schema(value_type = ProfileContents)]
    pub contains: Open<ProfileContents>,
    /// What this means, in a sentence; null for `expected_role`.
    pub detail: Option<String>,
}

/// A policy document of a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvaluatedDocument {
    /// `inline` (an inline policy of the role), `managed` (an attached managed policy) or
    /// `boundary` (the permissions boundary).
    #[schema(value_type = DocumentKind)]
    pub kind: Open<DocumentKind>,
    /// The name of an inline policy, or the ARN of a managed policy.
    pub name: String,
    /// Why the document could not be read or parsed; null where it was evaluated.
    pub unread: Option<String>,
}
