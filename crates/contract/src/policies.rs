//! The policy documents.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A document that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    pub name: String,
    /// `identity`, `trust` or `boundary`: what it is attached to.
    pub kind: String,
    /// Who gets it.
    pub purpose: String,
    /// What is filled in.
    pub placeholders: Vec<String>,
}

/// All documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyList {
    pub items: Vec<Policy>,
}

/// What a document is filled with; the rest comes from the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PolicyQuery {
    /// Where engines run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The account, where it is another than this service's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The one cluster that `ai-unlimited-engine` or `engine-boundary` shall be about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}
