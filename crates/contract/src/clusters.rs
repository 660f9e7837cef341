//! The list of bindings.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::binding::Binding;

/// Which bindings, and which page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BindingQuery {
    /// `provisioning`, `active`, `deleting`, `deleted`, `failed` or `blocked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `create` or `pass_through`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// 1 to 500, default 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of bindings, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BindingList {
    pub items: Vec<Binding>,
    /// Where the next page begins; null after the last.
    pub next_cursor: Option<String>,
}
