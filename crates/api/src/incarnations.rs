//! The incarnations of a cluster's role: `/v1/clusters/{cluster}/incarnations`.

use axum::Json;
use axum::extract::State;
use engine_roles_contract::text::ClusterName as ClusterNameText;
use engine_roles_contract::{IncarnationList, IncarnationQuery};
use engine_roles_provisioner::Provisioner;

use crate::binding;
use crate::clusters::LONGEST_PAGE;
use crate::cursor;
use crate::problem::Problem;
use crate::request_path::Cluster;
use crate::request_query::Parameters;

/// List every incarnation of a cluster's role, newest first.
///
/// A role that is provisioned again after a teardown is another incarnation. The list has the roles of
/// past incarnations with their unique ids and with the receipts of their teardowns.
#[utoipa::path(
    get, path = "/v1/clusters/{cluster}/incarnations", operation_id = "listIncarnations", tag = "roles",
    params(
        ("cluster" = ClusterNameText, Path, description = "The cluster's name"),
        IncarnationQuery,
    ),
    responses(
        (status = 200, body = IncarnationList, description = "A page of incarnations"),
    ),
)]
pub(crate) async fn list(
    State(provisioner): State<Provisioner>,
    Cluster(cluster): Cluster,
    mut query: Parameters,
) -> Result<Json<IncarnationList>, Problem> {
    let limit = query.limit(LONGEST_PAGE);
    let rule = "must be the next_cursor of an earlier page of this cluster";
    let after = query.read("cursor", rule, |text| {
        let position = cursor::decode(text)?;
        (position.cluster == cluster).then_some(position.generation)
    });
    query.end()?;
    let page = provisioner.incarnations(&cluster, after, limit).await?;
    if page.items.is_empty() && after.is_none() {
        return Err(Problem::no_role(&cluster));
    }
    let items = page.items.iter().map(binding::incarnation_to_wire);
    Ok(Json(IncarnationList {
        items: items.collect(),
        next_cursor: page.next.as_ref().map(cursor::encode),
    }))
}
