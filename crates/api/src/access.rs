//! What a cluster's role can reach: `/v1/clusters/{cluster}/role/access`.

use axum::Json;
use axum::extract::State;
use engine_roles_contract::text::ClusterName as ClusterNameText;
use engine_roles_contract::{
    Access, AccessProfile, DocumentKind, EvaluatedDocument, ProfileContents as WireContents,
};
use engine_roles_domain::cluster::RoleReference;
use engine_roles_domain::prepared::{HeldPolicy, HeldProfile, PolicyName, ProfileContents};
use engine_roles_provisioner::{AccessReport, Provisioner};
use serde_json::json;

use crate::problem::Problem;
use crate::request_path::Cluster;
use crate::words::mode_to_wire;

/// Report what a cluster's role can reach.
///
/// The service reads the role's policy documents from IAM and evaluates them for the cluster's own
/// secrets, for other clusters' secrets, and for anything else. Grants in the resource policies of
/// secrets are not evaluated.
#[utoipa::path(
    get, path = "/v1/clusters/{cluster}/role/access", operation_id = "getRoleAccess", tag = "roles",
    params(("cluster" = ClusterNameText, Path, description = "The cluster's name")),
    responses(
        (status = 200, body = Access, description = "What the role can reach"),
    ),
)]
pub(crate) async fn get(
    State(provisioner): State<Provisioner>,
    Cluster(cluster): Cluster,
) -> Result<Json<Access>, Problem> {
    let report = provisioner.access(&cluster).await?;
    let report = report.ok_or_else(|| Problem::no_role(&cluster))?;
    Ok(Json(to_wire(cluster.to_string(), report)))
}

fn to_wire(cluster: String, report: AccessReport) -> Access {
    let AccessReport {
        mode,
        wanted,
        role,
        reach,
        evaluated_at,
    } = report;
    let policies = role.policies.iter().map(|policy| match &policy.name {
        PolicyName::Inline(_) => (DocumentKind::Inline, policy),
        PolicyName::Managed(_) => (DocumentKind::Managed, policy),
    });
    let boundary = role
        .boundary
        .iter()
        .map(|policy| (DocumentKind::Boundary, policy));
    let documents = policies
        .chain(boundary)
        .map(|(kind, policy)| evaluated_document(kind, policy));
    Access {
        cluster,
        mode: mode_to_wire(mode).into(),
        documents: documents.collect(),
        role: json!(role.role),
        instance_profile: profile_to_wire(role.profile.as_ref(), &wanted),
        evaluated_at,
        unread: reach.unread,
        own_secrets: json!(reach.own_secrets),
        other_secrets: json!(reach.other_secrets),
        anything_else: json!(reach.anything_else),
    }
}

fn profile_to_wire(profile: Option<&HeldProfile>, wanted: &RoleReference) -> AccessProfile {
    let name = profile.map(|profile| profile.name.to_string());
    let name = name.unwrap_or_default();
    let (contains, detail) = match profile.map(|profile| &profile.contents) {
        Some(ProfileContents::Role(held)) if held.same_role(wanted) => {
            (WireContents::ExpectedRole, None)
        }
        Some(ProfileContents::Role(held)) => (
            WireContents::AnotherRole,
            Some(format!(
                "the profile contains role {held}, not {wanted}; the report is about the role in it"
            )),
        ),
        Some(ProfileContents::Nothing) => (
            WireContents::NoRole,
            Some("the profile contains no role, so new engines get no access".to_owned()),
        ),
        Some(ProfileContents::Absent) => (
            WireContents::Absent,
            Some("the profile does not exist, so no engine can be started with it".to_owned()),
        ),
        Some(ProfileContents::Unread(reason)) => (WireContents::Unknown, Some(reason.clone())),
        None => (WireContents::Unknown, Some("it was not read".to_owned())),
    };
    AccessProfile {
        name,
        contains: contains.into(),
        detail,
    }
}

fn evaluated_document(kind: DocumentKind, policy: &HeldPolicy) -> EvaluatedDocument {
    let (PolicyName::Inline(name) | PolicyName::Managed(name)) = &policy.name;
    EvaluatedDocument {
        kind: kind.into(),
        name: name.clone(),
        unread: policy.document().err(),
    }
}
