//! What a PUT would do: `/v1/clusters/{cluster}/role/plan`.

use axum::Json;
use axum::extract::State;
use engine_roles_provisioner::{Basis, Preview};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::error::{Problem, ProblemBody};
use crate::request_body::JsonBody;
use crate::role::Cluster;
use crate::role_request::RoleRequestBody;
use crate::router::Api;

/// What a PUT of the same body would do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plan)]
pub(crate) struct PlanBody {
    cluster: String,
    /// `new`, `change` or `unchanged`.
    intent: &'static str,
    /// What the plan was made against: `nothing` (there is nothing, for certain), `observed`
    /// (AWS was read just now) or `recorded` (AWS could not be read).
    basis: &'static str,
    /// The request as resolved.
    #[schema(value_type = Object)]
    spec: Value,
    /// The name of what would be made; a new binding's last sixteen characters are not known
    /// yet and stand as question marks.
    name: String,
    /// How many calls to IAM that would be.
    call_count: usize,
    /// How many stages they come in.
    stage_count: usize,
    steps: Vec<StepBody>,
    /// The inline policy, in mode create.
    #[schema(value_type = Option<Object>)]
    policy: Option<Value>,
    /// The trust policy, in mode create.
    #[schema(value_type = Option<Object>)]
    trust: Option<Value>,
    /// What the caller should look at.
    warnings: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlanStep)]
struct StepBody {
    /// From 1; the steps of one stage run side by side.
    stage: usize,
    action: &'static str,
    target: String,
    #[schema(value_type = Option<Object>)]
    document: Option<Value>,
}

/// What a PUT of the same body would do. Changes nothing.
#[utoipa::path(
    post, path = "/v1/clusters/{cluster}/role/plan", tag = "role",
    params(("cluster" = String, Path, description = "[A-Za-z0-9][A-Za-z0-9_-]{0,62}")),
    request_body = RoleRequestBody,
    responses(
        (status = 200, body = PlanBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn post(
    State(api): State<Api>,
    Cluster(cluster): Cluster,
    JsonBody(body): JsonBody<RoleRequestBody>,
) -> Result<Json<PlanBody>, Problem> {
    let wanted = body.parse()?;
    let preview = api.provisioner.plan(&cluster, &wanted).await?;
    Ok(Json(PlanBody::new(cluster.to_string(), preview)))
}

impl PlanBody {
    fn new(cluster: String, preview: Preview) -> Self {
        let steps = preview.steps.into_iter().map(|step| StepBody {
            stage: step.stage,
            action: step.action,
            target: step.target,
            document: step.document,
        });
        let steps: Vec<StepBody> = steps.collect();
        Self {
            cluster,
            intent: preview.intent,
            basis: match preview.basis {
                Basis::Nothing => "nothing",
                Basis::Observed => "observed",
                Basis::Recorded => "recorded",
            },
            spec: json!(preview.spec),
            name: preview.name,
            call_count: steps.len(),
            stage_count: steps.iter().map(|step| step.stage).max().unwrap_or(0),
            steps,
            policy: preview.policy,
            trust: preview.trust,
            warnings: preview.warnings,
        }
    }
}
