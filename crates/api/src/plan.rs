//! What a PUT would change: `/v1/clusters/{cluster}/role/plan`.

use axum::Json;
use axum::extract::State;
use engine_roles_contract as contract;
use engine_roles_contract::text::ClusterName as ClusterNameText;
use engine_roles_contract::{Plan, PlanStep, RoleRequest};
use engine_roles_provisioner::{Basis, Preview, Provisioner};

use crate::problem::Problem;
use crate::request_body::JsonBody;
use crate::request_path::Cluster;
use crate::role_request;
use crate::spec;

/// Show what a PUT with the same body would do.
///
/// The request changes nothing.
#[utoipa::path(
    post, path = "/v1/clusters/{cluster}/role/plan", operation_id = "planRole", tag = "roles",
    params(("cluster" = ClusterNameText, Path, description = "The cluster's name")),
    request_body = RoleRequest,
    responses(
        (status = 200, body = Plan, description = "What the PUT would do"),
    ),
)]
pub(crate) async fn post(
    State(provisioner): State<Provisioner>,
    Cluster(cluster): Cluster,
    JsonBody(body): JsonBody,
) -> Result<Json<Plan>, Problem> {
    let wanted = role_request::parse(&body)?;
    let preview = provisioner.plan(&cluster, &wanted).await?;
    Ok(Json(to_wire(cluster.to_string(), preview)))
}

fn to_wire(cluster: String, preview: Preview) -> Plan {
    let steps = preview.steps.into_iter().map(|step| PlanStep {
        stage: step.stage,
        action: step.action.to_owned(),
        target: step.target,
        document: step.document,
    });
    let steps: Vec<PlanStep> = steps.collect();
    let basis = match preview.basis {
        Basis::Nothing => contract::Basis::Nothing,
        Basis::Observed => contract::Basis::Observed,
        Basis::Recorded => contract::Basis::Recorded,
    };
    Plan {
        cluster,
        intent: preview.intent.as_str().to_owned(),
        basis: basis.into(),
        spec: spec::to_wire(&preview.spec),
        effective: spec::effective_to_wire(&preview.spec),
        name: preview.name,
        call_count: steps.len(),
        stage_count: steps.iter().map(|step| step.stage).max().unwrap_or(0),
        steps,
        policy: preview.policy,
        trust: preview.trust,
        warnings: preview.warnings,
    }
}
