//! What this service's identity may do: `/v1/capabilities`.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use engine_roles_domain::cluster::Mode;
use engine_roles_provisioner::Capabilities;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::error::{Problem, ProblemBody};
use crate::router::Api;

/// What this service's identity may do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Capabilities)]
pub(crate) struct CapabilitiesBody {
    /// The ARN of the identity; null where the account is configured and STS does not say.
    identity: Option<String>,
    /// How it was found: `simulated` by IAM, `evaluated` from the identity's own policies,
    /// `probed` by reads that change nothing, `remembered` from earlier work.
    found_by: Vec<&'static str>,
    found_at: DateTime<Utc>,
    features: Vec<FeatureBody>,
    recommendation: RecommendationBody,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Capability)]
struct FeatureBody {
    /// `create`, `teardown`, `pass_through`, `drop_tags`, `detach_policies`, `attestation`,
    /// `orphans`, `bulk_sweep` or `quota`.
    feature: &'static str,
    /// `works`, `missing`, `unknown`, or `unused` where the configuration has no use for it.
    #[schema(value_type = String)]
    status: Value,
    /// The actions that are refused.
    missing_permissions: Vec<&'static str>,
    /// The actions of which it is not known.
    unknown_permissions: Vec<&'static str>,
    /// The statements that would add what is missing.
    #[schema(value_type = Vec<Object>)]
    statements: Vec<Value>,
    /// Why it is not known.
    reasons: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recommendation)]
struct RecommendationBody {
    /// `create` or `pass_through`; null where neither is known to work.
    mode: Option<&'static str>,
    /// What to attach to what, or to configure.
    advice: String,
}

/// What this service's identity may do, by feature.
///
/// Found without changing anything; good for five minutes, but what AWS allowed or refused in the
/// course of work counts at once.
#[utoipa::path(
    get, path = "/v1/capabilities", tag = "policies",
    responses(
        (status = 200, body = CapabilitiesBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn get(State(api): State<Api>) -> Result<Json<CapabilitiesBody>, Problem> {
    let capabilities = api.provisioner.capabilities().await?;
    Ok(Json(CapabilitiesBody::from(capabilities)))
}

impl From<Capabilities> for CapabilitiesBody {
    fn from(found: Capabilities) -> Self {
        let features = found.features.into_iter().map(|report| FeatureBody {
            feature: report.feature.as_str(),
            status: json!(report.status),
            missing_permissions: report.missing,
            unknown_permissions: report.unknown,
            statements: report.statements,
            reasons: report.reasons,
        });
        Self {
            identity: found.identity,
            found_by: found.found_by,
            found_at: found.found_at,
            features: features.collect(),
            recommendation: RecommendationBody {
                mode: found.recommendation.mode.map(Mode::as_str),
                advice: found.recommendation.advice,
            },
        }
    }
}
