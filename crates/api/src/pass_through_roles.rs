//! The administrator's roles with their attestation: `/v1/pass-through-roles`.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use engine_roles_provisioner::AttestedRole;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::error::{Problem, ProblemBody};
use crate::router::Api;

/// The roles that may be passed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PassThroughRoleList)]
pub(crate) struct ListBody {
    items: Vec<RoleBody>,
}

/// A role that the administrator prepared, and what is said of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PassThroughRole)]
pub(crate) struct RoleBody {
    /// As the administrator wrote it.
    role: String,
    /// The administrator's instance profile; null where one is made per cluster.
    instance_profile: Option<String>,
    /// Whether it is passed where a request names none.
    default: bool,
    /// `fit`, `unfit`, `indeterminate` (this identity can't read all that matters), or `declared`
    /// (IAM was not reached; the administrator's word counts).
    #[schema(value_type = String)]
    verdict: Value,
    /// How wide it is: `nothing`, `clusters`, `all_clusters`, `beyond` or `unknown`.
    #[schema(value_type = String)]
    width: Value,
    /// The clusters whose secrets alone it reaches, where it is limited so.
    #[schema(value_type = Option<Vec<String>>)]
    clusters: Option<Value>,
    /// Its permissions boundary.
    boundary: Option<String>,
    /// Why, each with a `code` and a `detail`.
    #[schema(value_type = Vec<Object>)]
    reasons: Value,
    /// What it grants beyond engines' secrets: statement, actions, resources, and how surely.
    #[schema(value_type = Vec<Object>)]
    beyond: Value,
    /// When IAM was read; null where it never was.
    attested_at: Option<DateTime<Utc>>,
    /// Why IAM could not be read when that was last tried.
    unread: Option<String>,
}

/// The administrator's roles with their attestation.
///
/// Attested at the start, at a PUT that uses one, and again and again.
#[utoipa::path(
    get, path = "/v1/pass-through-roles", tag = "policies",
    responses(
        (status = 200, body = ListBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(State(api): State<Api>) -> Result<Json<ListBody>, Problem> {
    let roles = api.provisioner.pass_through_roles().await?;
    let items = roles.into_iter().map(RoleBody::from).collect();
    Ok(Json(ListBody { items }))
}

impl From<AttestedRole> for RoleBody {
    fn from(role: AttestedRole) -> Self {
        let said = role.attestation;
        let width = json!(said.width);
        Self {
            role: role.entry.role.to_string(),
            instance_profile: role.entry.instance_profile.map(|name| name.to_string()),
            default: role.is_default,
            verdict: json!(said.fitness),
            width: width["width"].clone(),
            clusters: width.get("clusters").cloned(),
            boundary: said.boundary,
            reasons: json!(said.findings),
            beyond: json!(said.beyond),
            attested_at: role.read_at,
            unread: role.unread,
        }
    }
}
