//! The documents of `policies/`, filled: `/v1/policies`.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use engine_roles_domain::account::{AccountId, Region};
use engine_roles_domain::cluster::ClusterName;
use engine_roles_domain::grant::{
    CATALOGUE, CatalogueError, Placeholders, PolicyTemplate, as_written,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::error;
use utoipa::{IntoParams, ToSchema};

use crate::error::{Code, Problem, ProblemBody};
use crate::request_body::StrictQuery;
use crate::role_request::read;
use crate::router::Api;

/// A document that can be asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Policy)]
struct PolicyBody {
    name: &'static str,
    /// `identity`, `trust` or `boundary`: what it is attached to.
    kind: &'static str,
    /// Who gets it.
    purpose: &'static str,
    /// What is filled in.
    placeholders: Vec<&'static str>,
}

/// All documents.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyList)]
pub(crate) struct ListBody {
    items: Vec<PolicyBody>,
}

/// What a document is filled with; the rest comes from the configuration.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RenderQuery {
    /// Where engines run.
    region: Option<String>,
    /// The account, where it is another than this service's.
    account_id: Option<String>,
    /// The one cluster that `ai-unlimited-engine` or `engine-boundary` shall be about.
    cluster: Option<String>,
}

/// The policy documents that there are.
#[utoipa::path(
    get, path = "/v1/policies", tag = "policies",
    responses(
        (status = 200, body = ListBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list() -> Json<ListBody> {
    let items = CATALOGUE.iter().map(|template| PolicyBody {
        name: template.name,
        kind: template.kind.name(),
        purpose: template.purpose,
        placeholders: template.placeholders().into_iter().collect(),
    });
    Json(ListBody {
        items: items.collect(),
    })
}

/// A policy document, filled.
///
/// Another account than this service's gets none of the configured boundaries and roles that are
/// not its own.
#[utoipa::path(
    get, path = "/v1/policies/{name}", tag = "policies",
    params(("name" = String, Path, description = "the name of a document"), RenderQuery),
    responses(
        (status = 200, body = Object, description = "The document, as IAM takes it"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "There is no such document"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    StrictQuery(query): StrictQuery<RenderQuery>,
) -> Result<Json<Value>, Problem> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let template = PolicyTemplate::named(&name)
        .ok_or_else(|| Problem::new(Code::NotFound, "there is no policy of this name"))?;
    let values = query.over(api.provisioner.placeholders())?;
    Ok(Json(as_written(&template.render(&values)?)))
}

impl RenderQuery {
    fn over(self, settings: Placeholders) -> Result<Placeholders, Problem> {
        let region = read("region", self.region, Region::parse)?;
        let account = read("account_id", self.account_id, AccountId::parse)?;
        let cluster = read("cluster", self.cluster, ClusterName::parse)?;
        let values = match account {
            Some(account) => settings.of_account(account),
            None => settings,
        };
        Ok(Placeholders {
            region: region.or(values.region),
            cluster,
            ..values
        })
    }
}

impl From<CatalogueError> for Problem {
    fn from(failed: CatalogueError) -> Self {
        let detail = failed.to_string();
        match (failed.field(), &failed) {
            (
                Some(field),
                CatalogueError::RegionOfOtherPartition { .. }
                | CatalogueError::KeyOfOtherRegion { .. },
            ) => Self::field(Code::InvalidRegion, field, detail),
            (Some(field), _) => Self::field(Code::InvalidRequest, field, detail),
            (None, _) => {
                error!(
                    error = &failed as &dyn std::error::Error,
                    "a policy document has a flaw"
                );
                Self::internal()
            }
        }
    }
}
