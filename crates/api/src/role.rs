//! A cluster's role: `/v1/clusters/{cluster}/role`.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, ETAG, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use engine_roles_contract as contract;
use engine_roles_contract::text::{ClusterName as ClusterNameText, EntityTags};
use engine_roles_contract::{Code, RoleRequest};
use engine_roles_domain::binding::{Binding, Conditions, Verdict, verdict};
use engine_roles_domain::caller::Caller;
use engine_roles_domain::cluster::ClusterName;
use engine_roles_provisioner::{Answer, Provisioner, Request};
use engine_roles_store::Change;
use sha2::{Digest, Sha256};

use crate::binding;
use crate::conditions::{Conditional, etag};
use crate::prefer::Prefer;
use crate::problem::{self, Problem, RETRY_AFTER_PENDING};
use crate::request_body::{JsonBody, RequestBody};
use crate::request_path::Cluster;
use crate::role_request;
use crate::sender::Sender;

/// Provision a cluster's role, or change the role to this spec.
///
/// The request is idempotent. The request waits for the outcome as long as `Prefer` says. The
/// service completes the work even after a 202 or after the caller has disconnected.
#[utoipa::path(
    put, path = "/v1/clusters/{cluster}/role", operation_id = "provisionRole", tag = "roles",
    params(
        ("cluster" = ClusterNameText, Path, description = "The cluster's name"),
        ("Prefer" = Option<String>, Header, example = "wait=10", description = "How long the caller waits for the outcome: `wait=SECONDS` (default 30, at most 120), or `respond-async` to get an answer at once; with both, the answer comes after the work or the wait"),
        ("If-Match" = Option<EntityTags>, Header, description = "`ETag`s, of whose generations the binding must have one for the request to be carried out, or `*` for any live binding"),
        ("If-None-Match" = Option<EntityTags>, Header, description = "`*` if the cluster must never have had a role for the request to be carried out, or `ETag`s that the binding must not have"),
    ),
    request_body = RoleRequest,
    responses(
        (status = 200, body = contract::Binding, description = "The role has this spec: the role was changed, or had the spec already"),
        (status = 201, body = contract::Binding, description = "The role was created"),
        (status = 202, body = contract::Binding, description = "The work is in progress; read the binding at `Location` after `Retry-After` seconds"),
    ),
)]
pub(crate) async fn put(
    State(provisioner): State<Provisioner>,
    Cluster(cluster): Cluster,
    sender: Sender,
    prefer: Prefer,
    Conditional(conditions): Conditional,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let wanted = role_request::parse(&body)?;
    let conditions = signed(conditions, &sender.caller, "PUT", &cluster, Some(&body));
    let wait = prefer.wait_for_change();
    let request = Request::new(sender.cause(), conditions, wait, sender.permit.clone());
    let answer = provisioner.provision(&cluster, &wanted, &request).await?;
    let success = match answer.change {
        Change::Created => StatusCode::CREATED,
        Change::Changed | Change::Unchanged => StatusCode::OK,
    };
    respond(&answer, success, prefer)
}

/// Return a cluster's binding, the record that ties the cluster to its role.
///
/// After a teardown the answer is still 200, with `state` `deleted`. With `Prefer: wait` the request
/// waits until no work on the binding is in progress.
#[utoipa::path(
    get, path = "/v1/clusters/{cluster}/role", operation_id = "getRole", tag = "roles",
    params(
        ("cluster" = ClusterNameText, Path, description = "The cluster's name"),
        ("Prefer" = Option<String>, Header, example = "wait=10", description = "How long the caller waits until no work is in progress: `wait=SECONDS` (default 0, at most 120)"),
        ("If-Match" = Option<EntityTags>, Header, description = "`ETag`s of which the binding must have one, or `*`"),
        ("If-None-Match" = Option<EntityTags>, Header, description = "`ETag`s that the caller has already: if the binding has one of them, the answer is 304"),
    ),
    responses(
        (status = 200, body = contract::Binding, description = "The cluster's binding"),
        (status = 304, description = "The binding has an `ETag` that `If-None-Match` names"),
    ),
)]
pub(crate) async fn get(
    State(provisioner): State<Provisioner>,
    Cluster(cluster): Cluster,
    prefer: Prefer,
    Conditional(conditions): Conditional,
) -> Result<Response, Problem> {
    let binding = provisioner.get(&cluster, prefer.wait_for_read()).await?;
    let binding = binding.ok_or_else(|| Problem::no_role(&cluster))?;
    let applied = prefer.applied_to_read();
    if !conditions.holds_if_match(&binding) {
        let detail = "the binding has changed: its ETag is none of those that If-Match names";
        return Err(Problem::new(Code::PreconditionFailed, detail));
    }
    if !conditions.holds_if_none_match(Some(&binding)) {
        let unchanged = (StatusCode::NOT_MODIFIED, applied, headers(&binding));
        return Ok(unchanged.into_response());
    }
    Ok((applied, binding_response(StatusCode::OK, &binding)).into_response())
}

/// Tear down a cluster's role.
///
/// The service removes what it created; a prepared role stays. The request is idempotent: a request
/// that is sent again after the teardown gets the same answer.
#[utoipa::path(
    delete, path = "/v1/clusters/{cluster}/role", operation_id = "tearDownRole", tag = "roles",
    params(
        ("cluster" = ClusterNameText, Path, description = "The cluster's name"),
        ("Prefer" = Option<String>, Header, example = "wait=10", description = "How long the caller waits for the outcome: `wait=SECONDS` (default 30, at most 120), or `respond-async` to get an answer at once; with both, the answer comes after the work or the wait"),
        ("If-Match" = Option<EntityTags>, Header, description = "`ETag`s, of whose generations the binding must have one for the request to be carried out, or `*` for any live binding"),
        ("If-None-Match" = Option<EntityTags>, Header, description = "`*` if the cluster must never have had a role for the request to be carried out, or `ETag`s that the binding must not have"),
    ),
    responses(
        (status = 200, body = contract::Binding, description = "The role was torn down; `receipt` lists what was removed and what was left"),
        (status = 202, body = contract::Binding, description = "The teardown is in progress; read the binding at `Location` after `Retry-After` seconds"),
    ),
)]
pub(crate) async fn delete(
    State(provisioner): State<Provisioner>,
    Cluster(cluster): Cluster,
    sender: Sender,
    prefer: Prefer,
    Conditional(conditions): Conditional,
) -> Result<Response, Problem> {
    let conditions = signed(conditions, &sender.caller, "DELETE", &cluster, None);
    let wait = prefer.wait_for_change();
    let request = Request::new(sender.cause(), conditions, wait, sender.permit.clone());
    let answer = provisioner.tear_down(&cluster, &request).await?;
    respond(&answer, StatusCode::OK, prefer)
}

/// Adds the digest of a conditional request, by which it is recognised when it is sent again.
fn signed(
    conditions: Conditions,
    caller: &Caller,
    method: &str,
    cluster: &ClusterName,
    body: Option<&RequestBody>,
) -> Conditions {
    if conditions.is_empty() {
        return conditions;
    }
    let body = body.map(RequestBody::canonical);
    let parts = (
        caller.identity(),
        method,
        cluster.as_str(),
        &conditions,
        body,
    );
    let parts = serde_json::to_vec(&parts).expect("plain data with text keys serialises");
    Conditions {
        digest: Some(HEXLOWER.encode(&Sha256::digest(parts))),
        ..conditions
    }
}

fn respond(answer: &Answer, success: StatusCode, prefer: Prefer) -> Result<Response, Problem> {
    let binding = &answer.binding;
    let applied = prefer.applied_to_change();
    match &answer.verdict {
        Verdict::Done => Ok((applied, binding_response(success, binding)).into_response()),
        Verdict::Pending => {
            let location = format!("/v1/clusters/{}/role", binding.cluster);
            let body = binding_response(StatusCode::ACCEPTED, binding);
            Ok((applied, [(LOCATION, location)], body).into_response())
        }
        Verdict::Failed(failure) => Err(problem::failed(failure, binding)),
        Verdict::Superseded => Err(Problem::new(
            Code::Superseded,
            "another request changed this cluster's intent while this request waited; read the binding, then decide whether to send this request again",
        )),
    }
}

fn binding_response(status: StatusCode, binding: &Binding) -> Response {
    (status, headers(binding), Json(binding::to_wire(binding))).into_response()
}

/// Returns the headers of every answer with a binding. While work on it is in progress, the caller is
/// told when to ask again.
fn headers(binding: &Binding) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let etag = HeaderValue::from_str(&etag(binding)).expect("digits can be sent");
    headers.insert(ETAG, etag);
    let private = HeaderValue::from_static("no-store, no-transform");
    headers.insert(CACHE_CONTROL, private);
    if verdict(binding, binding.generation) == Verdict::Pending {
        headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_PENDING));
    }
    headers
}
