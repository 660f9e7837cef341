//! The list of bindings: `/v1/clusters`.

use axum::Json;
use axum::extract::{Extension, State};
use engine_roles_contract::{BindingList, BindingQuery};
use engine_roles_domain::binding::State as BindingState;
use engine_roles_domain::caller::Caller;
use engine_roles_domain::cluster::{ClusterName, RoleReference};
use engine_roles_provisioner::Provisioner;
use engine_roles_store::{BindingFilter, Page};

use crate::binding;
use crate::cursor;
use crate::problem::Problem;
use crate::request_query::Parameters;
use crate::words::{mode_from_wire, read_word, state_from_wire};

/// The most bindings on a page.
pub(crate) const LONGEST_PAGE: i64 = 500;

/// List the newest binding of each cluster, in the order of the clusters' names.
///
/// A walk through the pages misses no binding that lives throughout it. A list that is followed by a
/// watch of the audit log from `watch_after` misses no change.
#[utoipa::path(
    get, path = "/v1/clusters", operation_id = "listClusters", tag = "roles",
    params(BindingQuery),
    responses(
        (status = 200, body = BindingList, description = "A page of bindings"),
    ),
)]
pub(crate) async fn list(
    State(provisioner): State<Provisioner>,
    Extension(caller): Extension<Caller>,
    mut query: Parameters,
) -> Result<Json<BindingList>, Problem> {
    let limit = query.limit(LONGEST_PAGE);
    let after = query.read(
        "cursor",
        "must be the next_cursor of an earlier page",
        cursor::decode,
    );
    let filter = filter(&mut query);
    query.end()?;
    // Before the list is read, so that the log from there has every change that the list lacks.
    let watch_after = match after {
        Some(_) => None,
        None => Some(provisioner.audit_head().await?),
    };
    let page = match visible(filter, &caller) {
        Some(filter) => provisioner.list(&filter, after.as_ref(), limit).await?,
        None => Page {
            items: Vec::new(),
            next: None,
        },
    };
    Ok(Json(BindingList {
        items: page.items.iter().map(binding::to_wire).collect(),
        next_cursor: page.next.as_ref().map(cursor::encode),
        watch_after,
    }))
}

/// Limits a filter to the clusters that the caller may see; none where it selects none of them.
pub(crate) fn visible(filter: BindingFilter, caller: &Caller) -> Option<BindingFilter> {
    let Some(prefix) = &caller.prefix else {
        return Some(filter);
    };
    let prefix = prefix.and(&filter.prefix)?.to_owned();
    Some(BindingFilter { prefix, ..filter })
}

/// Takes the parameters of a filter.
pub(crate) fn filter(query: &mut Parameters) -> BindingFilter {
    let states = "must be provisioning, active, deleting, deleted, failed or blocked, or several of \
                  these separated by commas";
    let prefix = "must be 1 to 63 characters of a cluster's name: A-Z a-z 0-9 _ -, the first one no _ \
                  or -";
    let role =
        "must be the name or the ARN of a role, or the unique id of a role or an instance profile";
    BindingFilter {
        states: query.read("state", states, read_states).unwrap_or_default(),
        live: query.flag("live"),
        mode: query.read("mode", "must be create or pass_through", |text| {
            read_word(text).map(mode_from_wire)
        }),
        drifted: query.flag("drifted"),
        prefix: query
            .read("prefix", prefix, |text| ClusterName::parse(text).ok())
            .map_or_else(String::new, |prefix| prefix.to_string()),
        updated_since: query.time("updated_since"),
        role: query.read("role", role, |text| RoleReference::parse(text).ok()),
    }
}

fn read_states(text: &str) -> Option<Vec<BindingState>> {
    let words = text.split(',');
    words
        .map(|word| read_word(word).map(state_from_wire))
        .collect()
}
