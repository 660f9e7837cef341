//! The documents of `policies/`, rendered: `/v1/policies`.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use engine_roles_contract::text::PolicyName;
use engine_roles_contract::{Code, Policy, PolicyList, PolicyQuery};
use engine_roles_domain::account::{AccountId, Region};
use engine_roles_domain::cluster::ClusterName;
use engine_roles_domain::grant::{CATALOGUE, Placeholders, PolicyTemplate, as_written};
use engine_roles_provisioner::Provisioner;
use serde_json::Value;

use crate::problem::Problem;
use crate::request_query::Parameters;

/// List the policy documents that the service can render.
///
/// The names in the list are those of `/v1/policies/{name}`.
#[utoipa::path(
    get, path = "/v1/policies", operation_id = "listPolicies", tag = "policies",
    responses(
        (status = 200, body = PolicyList, description = "The policy documents"),
    ),
)]
pub(crate) async fn list() -> Json<PolicyList> {
    let items = CATALOGUE.iter().map(|template| Policy {
        name: template.name.to_owned(),
        kind: template.kind.name().to_owned(),
        purpose: template.purpose.to_owned(),
        placeholders: template
            .placeholders()
            .into_iter()
            .map(Into::into)
            .collect(),
    });
    Json(PolicyList {
        items: items.collect(),
    })
}

/// Render a policy document.
///
/// The placeholders get their values from the query and, where it has none, from the service's
/// configuration. For another AWS account than the service's own, configured boundaries and roles
/// are used only where they belong to that account.
#[utoipa::path(
    get, path = "/v1/policies/{name}", operation_id = "renderPolicy", tag = "policies",
    params(("name" = PolicyName, Path, description = "The document's name, as `/v1/policies` lists it"), PolicyQuery),
    responses(
        (status = 200, body = Object, description = "The policy document, as IAM accepts it"),
    ),
)]
pub(crate) async fn get(
    State(provisioner): State<Provisioner>,
    name: Result<Path<String>, PathRejection>,
    mut query: Parameters,
) -> Result<Json<Value>, Problem> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let template = PolicyTemplate::named(&name).ok_or_else(|| {
        Problem::new(
            Code::NotFound,
            "no policy document has this name; GET /v1/policies lists the names",
        )
    })?;
    let region = query.valid("region", Region::parse);
    let account = query.valid("account_id", AccountId::parse);
    let cluster = query.valid("cluster", ClusterName::parse);
    query.end()?;
    let settings = provisioner.placeholders();
    let values = match account {
        Some(account) => settings.of_account(account),
        None => settings,
    };
    let values = Placeholders {
        region: region.or(values.region),
        cluster,
        ..values
    };
    Ok(Json(as_written(&template.render(&values)?)))
}
