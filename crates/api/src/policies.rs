//! The documents of `policies/`, filled: `/v1/policies`.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use engine_roles_contract::{Code, Policy, PolicyList, PolicyQuery, Problem as ProblemBody};
use engine_roles_domain::account::{AccountId, Region};
use engine_roles_domain::cluster::ClusterName;
use engine_roles_domain::grant::{CATALOGUE, Placeholders, PolicyTemplate, as_written};
use engine_roles_provisioner::Provisioner;
use serde_json::Value;

use crate::problem::Problem;
use crate::request_query::StrictQuery;
use crate::role_request::parse_field;

/// The policy documents that there are.
#[utoipa::path(
    get, path = "/v1/policies", tag = "policies",
    responses(
        (status = 200, body = PolicyList),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
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

/// A policy document, filled.
///
/// Another account than this service's gets none of the configured boundaries and roles that are
/// not its own.
#[utoipa::path(
    get, path = "/v1/policies/{name}", tag = "policies",
    params(("name" = String, Path, description = "the name of a document"), PolicyQuery),
    responses(
        (status = 200, body = Object, description = "The document, as IAM takes it"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "There is no such document"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn get(
    State(provisioner): State<Provisioner>,
    name: Result<Path<String>, PathRejection>,
    StrictQuery(query): StrictQuery<PolicyQuery>,
) -> Result<Json<Value>, Problem> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let template = PolicyTemplate::named(&name)
        .ok_or_else(|| Problem::new(Code::NotFound, "there is no policy of this name"))?;
    let values = fill(query, provisioner.placeholders())?;
    Ok(Json(as_written(&template.render(&values)?)))
}

fn fill(query: PolicyQuery, settings: Placeholders) -> Result<Placeholders, Problem> {
    let region = parse_field("region", query.region, Region::parse)?;
    let account = parse_field("account_id", query.account_id, AccountId::parse)?;
    let cluster = parse_field("cluster", query.cluster, ClusterName::parse)?;
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
