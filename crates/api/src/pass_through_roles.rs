//! The prepared roles and their attestation: `/v1/pass-through-roles`.

use axum::Json;
use axum::extract::State;
use engine_roles_contract as contract;
use engine_roles_contract::{PassThroughRole, PassThroughRoleList, Verdict};
use engine_roles_domain::prepared::{Fitness, Width};
use engine_roles_provisioner::{AttestedRole, Provisioner};
use serde_json::json;

use crate::problem::Problem;

/// List the roles that the administrator prepared, each with its attestation.
///
/// An attestation is the service's verdict on whether engines can use a prepared role. The service
/// attests every role when the service starts and periodically, and also when a PUT uses a role
/// that was not attested recently.
#[utoipa::path(
    get, path = "/v1/pass-through-roles", operation_id = "listPassThroughRoles", tag = "policies",
    responses(
        (status = 200, body = PassThroughRoleList, description = "The prepared roles"),
    ),
)]
pub(crate) async fn list(
    State(provisioner): State<Provisioner>,
) -> Result<Json<PassThroughRoleList>, Problem> {
    let roles = provisioner.pass_through_roles().await?;
    let items = roles.into_iter().map(to_wire).collect();
    Ok(Json(PassThroughRoleList { items }))
}

fn to_wire(role: AttestedRole) -> PassThroughRole {
    let attestation = role.attestation;
    let (width, clusters) = match attestation.width {
        Width::Nothing => (contract::Width::Nothing, None),
        Width::Clusters { clusters } => (contract::Width::Clusters, Some(clusters)),
        Width::AllClusters => (contract::Width::AllClusters, None),
        Width::Beyond => (contract::Width::Beyond, None),
        Width::Unknown => (contract::Width::Unknown, None),
    };
    PassThroughRole {
        role: role.entry.role.to_string(),
        instance_profile: role.entry.instance_profile.map(|name| name.to_string()),
        default: role.is_default,
        verdict: verdict(attestation.fitness).into(),
        width: width.into(),
        clusters: clusters.map(|clusters| clusters.into_iter().collect()),
        boundary: attestation.boundary,
        reasons: json!(attestation.findings),
        beyond: json!(attestation.beyond),
        attested_at: role.read_at,
        unread: role.unread,
    }
}

fn verdict(fitness: Fitness) -> Verdict {
    match fitness {
        Fitness::Fit => Verdict::Fit,
        Fitness::Unfit => Verdict::Unfit,
        Fitness::Indeterminate => Verdict::Indeterminate,
        Fitness::Declared => Verdict::Declared,
    }
}
