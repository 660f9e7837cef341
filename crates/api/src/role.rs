//! A cluster's role: `/v1/clusters/{cluster}/role`.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::http::header::{ETAG, LOCATION, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use engine_roles_contract as contract;
use engine_roles_contract::{Code, Problem as ProblemBody, RoleRequest};
use engine_roles_domain::binding::{Actor, Binding, Cause, Verdict};
use engine_roles_provisioner::{Answer, Provisioner, Request};
use engine_roles_store::Change;

use crate::binding;
use crate::conditions::{Precondition, Prefer, etag};
use crate::problem::{self, Problem};
use crate::request_body::JsonBody;
use crate::request_context::RequestId;
use crate::request_path::Cluster;
use crate::role_request;

/// How many seconds a caller should wait before reading a binding on which work is in progress.
const RETRY_AFTER_PENDING: u32 = 2;

/// Provision a cluster's role, or change the role to this spec.
///
/// The request is idempotent. The request waits for the outcome as long as `Prefer` says. The
/// service completes the work even after a 202 or after the caller has disconnected.
#[utoipa::path(
    put, path = "/v1/clusters/{cluster}/role", tag = "role",
    params(
        ("cluster" = String, Path, description = "The cluster's name: [A-Za-z0-9][A-Za-z0-9_-]{0,62}"),
        ("Prefer" = Option<String>, Header, description = "How long the caller waits for the outcome: `wait=SECONDS` (default 30, at most 120), or `respond-async` to get an answer at once"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that the binding must have for the request to be carried out, or `*` for any live binding"),
    ),
    request_body = RoleRequest,
    responses(
        (status = 200, body = contract::Binding, description = "The role has this spec: the role was changed, or had the spec already"),
        (status = 201, body = contract::Binding, description = "The role was created"),
        (status = 202, body = contract::Binding, description = "The work is in progress; read the binding at `Location` after `Retry-After` seconds"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "The service rejected the request, or AWS denied a call; `code` says why"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json", description = "The service could not carry out the request; `code` says why"),
    ),
)]
pub(crate) async fn put(
    State(provisioner): State<Provisioner>,
    Cluster(cluster): Cluster,
    Extension(actor): Extension<Actor>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    prefer: Prefer,
    Precondition(if_match): Precondition,
    JsonBody(body): JsonBody<RoleRequest>,
) -> Result<Response, Problem> {
    let wanted = role_request::parse(body)?;
    let wait = prefer.wait_for_change();
    let request = Request {
        cause: Cause {
            actor,
            request_id: Some(request_id),
        },
        if_match,
        wait,
    };
    let answer = provisioner.provision(&cluster, &wanted, &request).await?;
    let success = match answer.change {
        Change::Created => StatusCode::CREATED,
        Change::Changed | Change::Unchanged => StatusCode::OK,
    };
    respond(&answer, success)
}

/// Return a cluster's binding, the record that ties the cluster to its role.
///
/// After a teardown the answer is still 200, with `state` `deleted`. With `Prefer: wait` the request
/// waits until no work on the binding is in progress.
#[utoipa::path(
    get, path = "/v1/clusters/{cluster}/role", tag = "role",
    params(
        ("cluster" = String, Path, description = "The cluster's name: [A-Za-z0-9][A-Za-z0-9_-]{0,62}"),
        ("Prefer" = Option<String>, Header, description = "How long the caller waits until no work is in progress: `wait=SECONDS` (default 0, at most 120)"),
    ),
    responses(
        (status = 200, body = contract::Binding, description = "The cluster's binding"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "The cluster never had a role"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "The service rejected the request, or AWS denied a call; `code` says why"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json", description = "The service could not carry out the request; `code` says why"),
    ),
)]
pub(crate) async fn get(
    State(provisioner): State<Provisioner>,
    Cluster(cluster): Cluster,
    prefer: Prefer,
) -> Result<Response, Problem> {
    let binding = provisioner.get(&cluster, prefer.wait_for_read()).await?;
    let binding = binding.ok_or_else(|| {
        Problem::new(
            Code::NotFound,
            format!("cluster {cluster} never had a role"),
        )
    })?;
    Ok(binding_response(StatusCode::OK, &binding))
}

/// Tear down a cluster's role.
///
/// The service removes what it created; a prepared role stays. The request is idempotent: a request
/// that is sent again after the teardown gets the same answer.
#[utoipa::path(
    delete, path = "/v1/clusters/{cluster}/role", tag = "role",
    params(
        ("cluster" = String, Path, description = "The cluster's name: [A-Za-z0-9][A-Za-z0-9_-]{0,62}"),
        ("Prefer" = Option<String>, Header, description = "How long the caller waits for the outcome: `wait=SECONDS` (default 30, at most 120), or `respond-async` to get an answer at once"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that the binding must have for the request to be carried out, or `*` for any live binding"),
    ),
    responses(
        (status = 200, body = contract::Binding, description = "The role was torn down; `receipt` lists what was removed and what was left"),
        (status = 202, body = contract::Binding, description = "The teardown is in progress; read the binding at `Location` after `Retry-After` seconds"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "The cluster never had a role"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json", description = "The service rejected the request, or AWS denied a call; `code` says why"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json", description = "The service could not carry out the request; `code` says why"),
    ),
)]
pub(crate) async fn delete(
    State(provisioner): State<Provisioner>,
    Cluster(cluster): Cluster,
    Extension(actor): Extension<Actor>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    prefer: Prefer,
    Precondition(if_match): Precondition,
) -> Result<Response, Problem> {
    let wait = prefer.wait_for_change();
    let request = Request {
        cause: Cause {
            actor,
            request_id: Some(request_id),
        },
        if_match,
        wait,
    };
    let answer = provisioner.tear_down(&cluster, &request).await?;
    respond(&answer, StatusCode::OK)
}

fn respond(answer: &Answer, success: StatusCode) -> Result<Response, Problem> {
    let binding = &answer.binding;
    match &answer.verdict {
        Verdict::Done => Ok(binding_response(success, binding)),
        Verdict::Pending => {
            let location = format!("/v1/clusters/{}/role", binding.cluster);
            let headers = [
                (LOCATION, location),
                (RETRY_AFTER, RETRY_AFTER_PENDING.to_string()),
            ];
            Ok((headers, binding_response(StatusCode::ACCEPTED, binding)).into_response())
        }
        Verdict::Failed(failure) => Err(problem::failed(failure, binding)),
        Verdict::Superseded => Err(Problem::new(
            Code::Superseded,
            "another request changed this cluster's intent while this request waited; read the binding, then decide whether to send this request again",
        )),
    }
}

fn binding_response(status: StatusCode, binding: &Binding) -> Response {
    (
        status,
        [(ETAG, etag(binding))],
        Json(binding::to_wire(binding)),
    )
        .into_response()
}
