//! The list of bindings and its query.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::binding::Binding;
use crate::mode::Mode;
use crate::text::{ClusterName, Cursor, RoleReference, StateList};

/// Selects bindings, and a page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BindingQuery {
    /// Only bindings in one of these states, separated by commas: `provisioning`, `active`,
    /// `deleting`, `deleted`, `failed` or `blocked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<StateList>)]
    pub state: Option<String>,
    /// Only bindings whose resources may exist at AWS (`true`) or can't exist (`false`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(example = true)]
    pub live: Option<bool>,
    /// Only bindings of this mode: `create` or `pass_through`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Mode>, example = "create")]
    pub mode: Option<String>,
    /// Only bindings whose last check found drift (`true`) or none (`false`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(example = false)]
    pub drifted: Option<bool>,
    /// Only clusters whose names begin with these characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<ClusterName>)]
    pub prefix: Option<String>,
    /// Only bindings that changed at this time or later.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::time::optional"
    )]
    #[param(example = "2026-11-26T10:00:00Z")]
    pub updated_since: Option<DateTime<Utc>>,
    /// Only bindings of this role, past incarnations included: the role's name, its ARN, or the unique
    /// id of the role (`AROA…`) or of its instance profile (`AIPA…`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<RoleReference>)]
    pub role: Option<String>,
    /// The most bindings on one page: 1 to 500, default 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500, default = 100, example = 100)]
    pub limit: Option<i64>,
    /// The `next_cursor` of the page before, with the same filters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Cursor>)]
    pub cursor: Option<String>,
}

/// A page of bindings, in the order of the bytes of the clusters' names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BindingList {
    /// The bindings of this page.
    pub items: Vec<Binding>,
    /// Send this as `cursor` to get the next page; null on the last page.
    #[schema(value_type = Option<Cursor>)]
    pub next_cursor: Option<String>,
    /// On the first page, the head of the audit log before the list was read: with this number as
    /// `after`, `GET /v1/audit` has everything that changed since then. Null on later pages.
    #[schema(minimum = 0)]
    pub watch_after: Option<i64>,
}

/// Selects a page of a cluster's incarnations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct IncarnationQuery {
    /// The most incarnations on one page: 1 to 500, default 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500, default = 100, example = 100)]
    pub limit: Option<i64>,
    /// The `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Cursor>)]
    pub cursor: Option<String>,
}

/// A page of the incarnations of a cluster's role, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IncarnationList {
    /// The binding of each incarnation as it was last. A past incarnation still has its role, instance
    /// profile and policy here, although they no longer exist.
    pub items: Vec<Binding>,
    /// Send this as `cursor` to get the next page; null on the last page.
    #[schema(value_type = Option<Cursor>)]
    pub next_cursor: Option<String>,
}
