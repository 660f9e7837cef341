//! What a cluster's role can reach: `/v1/clusters/{cluster}/role/access`.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use engine_roles_domain::cluster::Mode;
use engine_roles_domain::prepared::{HeldPolicy, PolicyName};
use engine_roles_provisioner::AccessReport;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::error::{Code, Problem, ProblemBody};
use crate::role::Cluster;
use crate::router::Api;

/// What a cluster's role can reach, evaluated from the documents that IAM holds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Access)]
pub(crate) struct AccessBody {
    cluster: String,
    mode: &'static str,
    /// Its name, ARN, path and unique id.
    #[schema(value_type = Object)]
    role: Value,
    evaluated_at: DateTime<Utc>,
    /// The policies that were evaluated.
    documents: Vec<DocumentBody>,
    /// What could not be read, each in a sentence: it makes what hangs on it `indeterminate`.
    unread: Vec<String>,
    /// Each secret of the cluster that its spec names, or all of them: `resource` as a pattern,
    /// `decision` (`allowed`, `denied`, `indeterminate`), `by` (the statement that decides), and
    /// for `indeterminate` `because`.
    #[schema(value_type = Vec<Object>)]
    own_secrets: Value,
    /// Other clusters' secrets: `decision`, `by` or `because`, and the `grants` that reach them.
    #[schema(value_type = Object)]
    other_secrets: Value,
    /// Whatever the role reaches beyond what the binding may have, in the same form.
    #[schema(value_type = Object)]
    anything_else: Value,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EvaluatedDocument)]
struct DocumentBody {
    /// `inline`, `managed` or `boundary`.
    kind: &'static str,
    /// The inline policy's name, or the managed policy's ARN.
    name: String,
    /// Why it could not be read, where that is so.
    unread: Option<String>,
}

/// What this cluster's role can reach.
///
/// IAM is read and its documents are evaluated: the cluster's own secrets, other clusters'
/// secrets, and anything else. What a secret's own resource policy grants is not looked at.
#[utoipa::path(
    get, path = "/v1/clusters/{cluster}/role/access", tag = "role",
    params(("cluster" = String, Path, description = "[A-Za-z0-9][A-Za-z0-9_-]{0,62}")),
    responses(
        (status = 200, body = AccessBody),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "It never was, or has no role now"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    Cluster(cluster): Cluster,
) -> Result<Json<AccessBody>, Problem> {
    let report = api.provisioner.access(&cluster).await?;
    let report = report.ok_or_else(|| {
        Problem::new(
            Code::NotFound,
            format!("cluster {cluster} never had a role"),
        )
    })?;
    Ok(Json(AccessBody::new(cluster.to_string(), report)))
}

impl AccessBody {
    fn new(cluster: String, report: AccessReport) -> Self {
        let AccessReport {
            mode,
            role,
            reach,
            evaluated_at,
        } = report;
        let policies = role.policies.iter().map(|policy| match &policy.name {
            PolicyName::Inline(_) => ("inline", policy),
            PolicyName::Managed(_) => ("managed", policy),
        });
        let boundary = role.boundary.iter().map(|policy| ("boundary", policy));
        let documents = policies
            .chain(boundary)
            .map(|(kind, policy)| DocumentBody::new(kind, policy));
        Self {
            cluster,
            mode: Mode::as_str(mode),
            documents: documents.collect(),
            role: json!(role.role),
            evaluated_at,
            unread: reach.unread,
            own_secrets: json!(reach.own_secrets),
            other_secrets: json!(reach.other_secrets),
            anything_else: json!(reach.anything_else),
        }
    }
}

impl DocumentBody {
    fn new(kind: &'static str, policy: &HeldPolicy) -> Self {
        let (PolicyName::Inline(name) | PolicyName::Managed(name)) = &policy.name;
        Self {
            kind,
            name: name.clone(),
            unread: policy.document().err(),
        }
    }
}
