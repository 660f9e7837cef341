//! The list of bindings: `/v1/clusters`.

use axum::Json;
use axum::extract::State;
use engine_roles_domain::binding::{BindingId, State as BindingState};
use engine_roles_domain::cluster::Mode;
use engine_roles_store::BindingFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::binding::BindingBody;
use crate::error::{Code, Problem, ProblemBody};
use crate::request_body::StrictQuery;
use crate::router::Api;

const DEFAULT_LIMIT: i64 = 100;

/// Which bindings, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// `provisioning`, `active`, `deleting`, `deleted`, `failed` or `blocked`.
    state: Option<String>,
    /// `create` or `pass_through`.
    mode: Option<String>,
    /// 1 to 500, default 100.
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of bindings, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BindingList)]
pub(crate) struct ListBody {
    items: Vec<BindingBody>,
    /// Where the next page begins; null after the last.
    next_cursor: Option<String>,
}

/// Each cluster's newest binding, newest first.
#[utoipa::path(
    get, path = "/v1/clusters", tag = "role",
    params(ListQuery),
    responses(
        (status = 200, body = ListBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    StrictQuery(query): StrictQuery<ListQuery>,
) -> Result<Json<ListBody>, Problem> {
    let invalid = |field, reason| Problem::field(Code::InvalidRequest, field, reason);
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=500).contains(&limit) {
        return Err(invalid("limit", "must be 1 to 500"));
    }
    let state = query
        .state
        .map(|text| text.parse::<BindingState>())
        .transpose();
    let mode = query.mode.map(|text| text.parse::<Mode>()).transpose();
    let cursor = query.cursor.map(|text| Uuid::parse_str(&text)).transpose();
    let filter = BindingFilter {
        state: state.map_err(|_| invalid("state", "must be one of a binding's states"))?,
        mode: mode.map_err(|_| invalid("mode", "must be create or pass_through"))?,
        cluster_prefix: None,
    };
    let after = cursor.map_err(|_| invalid("cursor", "must be a next_cursor of this list"))?;
    let page = api
        .provisioner
        .list(&filter, after.map(BindingId), limit)
        .await?;
    let page = page.ok_or_else(|| invalid("cursor", "must be a next_cursor of this list"))?;
    Ok(Json(ListBody {
        items: page.items.iter().map(BindingBody::from).collect(),
        next_cursor: page.next.map(|id| id.to_string()),
    }))
}
