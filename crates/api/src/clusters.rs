//! The list of bindings: `/v1/clusters`.

use axum::Json;
use axum::extract::State;
use engine_roles_contract::{BindingList, BindingQuery, Code, Problem as ProblemBody};
use engine_roles_provisioner::Provisioner;
use engine_roles_store::BindingFilter;

use crate::binding;
use crate::cursor;
use crate::problem::Problem;
use crate::request_query::StrictQuery;
use crate::words::{mode_from_wire, read_word, state_from_wire};

const DEFAULT_LIMIT: i64 = 100;

/// List the newest binding of each cluster, in the order of the clusters' names.
///
/// A walk through the pages misses no binding that lives throughout it.
#[utoipa::path(
    get, path = "/v1/clusters", tag = "role",
    params(BindingQuery),
    responses(
        (status = 200, body = BindingList, description = "A page of bindings"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "The service rejected the request, or AWS denied a call; `code` says why"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json", description = "The service could not carry out the request; `code` says why"),
    ),
)]
pub(crate) async fn list(
    State(provisioner): State<Provisioner>,
    StrictQuery(query): StrictQuery<BindingQuery>,
) -> Result<Json<BindingList>, Problem> {
    let invalid = |field, reason| Problem::field(Code::InvalidRequest, field, reason);
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=500).contains(&limit) {
        return Err(invalid("limit", "must be 1 to 500"));
    }
    let state = query.state.map(|text| {
        let state = read_word(&text).map(state_from_wire);
        state.ok_or_else(|| {
            invalid(
                "state",
                "must be provisioning, active, deleting, deleted, failed or blocked",
            )
        })
    });
    let mode = query.mode.map(|text| {
        let mode = read_word(&text).map(mode_from_wire);
        mode.ok_or_else(|| invalid("mode", "must be create or pass_through"))
    });
    let filter = BindingFilter {
        states: state.transpose()?.into_iter().collect(),
        mode: mode.transpose()?,
        ..BindingFilter::default()
    };
    let after = query.cursor.map(|text| {
        let position = cursor::decode(&text);
        position.ok_or_else(|| invalid("cursor", "must be the next_cursor of an earlier page"))
    });
    let after = after.transpose()?;
    let page = provisioner.list(&filter, after.as_ref(), limit).await?;
    Ok(Json(BindingList {
        items: page.items.iter().map(binding::to_wire).collect(),
        next_cursor: page.next.as_ref().map(cursor::encode),
    }))
}
