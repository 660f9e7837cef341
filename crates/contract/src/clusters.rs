//! The list of bindings and its query.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::binding::Binding;

/// Selects bindings, and a page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BindingQuery {
    /// Only bindings in this state: `provisioning`, `active`, `deleting`, `deleted`, `failed` or
    /// `blocked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Only bindings of this mode: `create` or `pass_through`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The most bindings on one page: 1 to 500, default 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `next_cursor` of the page before, with the same filters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of bindings, in the order of the bytes of the clusters' names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BindingList {
    /// The bindings of this page.
    pub items: Vec<Binding>,
    /// Send this as `cursor` to get the next page; null on the last page.
    pub next_cursor: Option<String>,
}
