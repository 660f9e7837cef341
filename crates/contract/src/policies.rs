//! The policy documents that the service offers.

use crate::text::{AccountId, ClusterName, Region, Word};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A policy document that the service offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// The document's name, for `/v1/policies/{name}`.
    pub name: String,
    /// How the document is used: `identity` (a policy of a role or user), `trust` (a role's trust
    /// policy) or `boundary` (a permissions boundary).
    #[schema(value_type = Word)]
    pub kind: String,
    /// Which identity gets the document, and for what.
    pub purpose: String,
    /// The placeholders that are replaced when the document is rendered, such as `ACCOUNT_ID`.
    pub placeholders: Vec<String>,
}

/// All policy documents that the service offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyList {
    /// The documents.
    pub items: Vec<Policy>,
}

/// Values to render a document with. Values that are absent come from the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PolicyQuery {
    /// The AWS region in which the engines run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Region>)]
    pub region: Option<String>,
    /// The AWS account, 12 digits; absent means the service's own account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<AccountId>)]
    pub account_id: Option<String>,
    /// Limits the document to this cluster; for `ai-unlimited-engine` and `engine-boundary` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<ClusterName>)]
    pub cluster: Option<String>,
}
