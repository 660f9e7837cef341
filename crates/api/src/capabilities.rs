//! What the service's own AWS identity may do: `/v1/capabilities`.

use axum::Json;
use axum::extract::State;
use engine_roles_contract::{Capabilities, Capability, CapabilityStatus, Recommendation};
use engine_roles_domain::identity::{FeatureReport, Status};
use engine_roles_provisioner::{Capabilities as Found, Provisioner};

use crate::problem::{Problem, denied_by};
use crate::words::mode_to_wire;

/// Report which features the service's own AWS identity may use.
///
/// The service detects this without changing anything at AWS, and reuses the result for five
/// minutes. Actions that AWS has allowed or denied in other work since then are included at once.
#[utoipa::path(
    get, path = "/v1/capabilities", operation_id = "getCapabilities", tag = "policies",
    responses(
        (status = 200, body = Capabilities, description = "The features and whether the identity may use them"),
    ),
)]
pub(crate) async fn get(
    State(provisioner): State<Provisioner>,
) -> Result<Json<Capabilities>, Problem> {
    Ok(Json(to_wire(provisioner.capabilities().await?)))
}

fn to_wire(found: Found) -> Capabilities {
    let mode = found.recommendation.mode;
    Capabilities {
        identity: found.identity,
        found_by: found
            .found_by
            .into_iter()
            .map(|how| how.as_str().to_owned())
            .collect(),
        found_at: found.found_at,
        features: found.features.into_iter().map(capability).collect(),
        recommendation: Recommendation {
            mode: mode.map(|mode| mode_to_wire(mode).into()),
            advice: found.recommendation.advice,
        },
    }
}

fn capability(report: FeatureReport) -> Capability {
    let status = match report.status {
        Status::Works => CapabilityStatus::Works,
        Status::Missing => CapabilityStatus::Missing,
        Status::Unknown => CapabilityStatus::Unknown,
        Status::Unused => CapabilityStatus::Unused,
    };
    Capability {
        feature: report.feature.as_str().to_owned(),
        status: status.into(),
        missing_permissions: report.missing.into_iter().map(Into::into).collect(),
        denied_by: report
            .denied_by
            .into_iter()
            .map(|(action, by)| (action.to_owned(), denied_by(by)))
            .collect(),
        unknown_permissions: report.unknown.into_iter().map(Into::into).collect(),
        statements: report.statements,
        reasons: report.reasons,
    }
}
