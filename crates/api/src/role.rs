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

/// After how many seconds to ask again for what is on its way.
const ASK_AGAIN: u32 = 2;

/// Provision a cluster's role, or change it to this spec.
///
/// Idempotent. 201 when a role was made, 200 when it already was so or was changed, 202 when it
/// is still on its way at the end of `Prefer: wait` (30 seconds, 120 at most).
#[utoipa::path(
    put, path = "/v1/clusters/{cluster}/role", tag = "role",
    params(
        ("cluster" = String, Path, description = "[A-Za-z0-9][A-Za-z0-9_-]{0,62}"),
        ("Prefer" = Option<String>, Header, description = "wait=SECONDS or respond-async"),
        ("If-Match" = Option<String>, Header, description = "the ETag that the binding must have"),
    ),
    request_body = RoleRequest,
    responses(
        (status = 200, body = contract::Binding, description = "It is so"),
        (status = 201, body = contract::Binding, description = "It was made"),
        (status = 202, body = contract::Binding, description = "It is on its way"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
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
    let done = match answer.change {
        Change::Created => StatusCode::CREATED,
        Change::Changed | Change::Unchanged => StatusCode::OK,
    };
    respond(&answer, done)
}

/// A cluster's binding.
///
/// A torn-down one answers 200 with `state: deleted`. With `Prefer: wait` it waits until nothing
/// is on its way.
#[utoipa::path(
    get, path = "/v1/clusters/{cluster}/role", tag = "role",
    params(
        ("cluster" = String, Path, description = "[A-Za-z0-9][A-Za-z0-9_-]{0,62}"),
        ("Prefer" = Option<String>, Header, description = "wait=SECONDS"),
    ),
    responses(
        (status = 200, body = contract::Binding),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "It never was"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
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
    Ok(shown(StatusCode::OK, &binding))
}

/// Tear a cluster's role down.
///
/// 200 with the receipt when it is gone, 202 while it is on its way; again: the same answer.
#[utoipa::path(
    delete, path = "/v1/clusters/{cluster}/role", tag = "role",
    params(
        ("cluster" = String, Path, description = "[A-Za-z0-9][A-Za-z0-9_-]{0,62}"),
        ("Prefer" = Option<String>, Header, description = "wait=SECONDS or respond-async"),
        ("If-Match" = Option<String>, Header, description = "the ETag that the binding must have"),
    ),
    responses(
        (status = 200, body = contract::Binding, description = "It is gone"),
        (status = 202, body = contract::Binding, description = "It is on its way"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "It never was"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
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

fn respond(answer: &Answer, done: StatusCode) -> Result<Response, Problem> {
    let binding = &answer.binding;
    match &answer.verdict {
        Verdict::Done => Ok(shown(done, binding)),
        Verdict::Pending => {
            let location = format!("/v1/clusters/{}/role", binding.cluster);
            let headers = [(LOCATION, location), (RETRY_AFTER, ASK_AGAIN.to_string())];
            Ok((headers, shown(StatusCode::ACCEPTED, binding)).into_response())
        }
        Verdict::Failed(failure) => Err(problem::failed(failure, binding)),
        Verdict::Superseded => Err(Problem::new(
            Code::Superseded,
            "another request changed what this cluster's role shall be while this one waited",
        )),
    }
}

fn shown(status: StatusCode, binding: &Binding) -> Response {
    (
        status,
        [(ETAG, etag(binding))],
        Json(binding::to_wire(binding)),
    )
        .into_response()
}
