//! A cluster's role: `/v1/clusters/{cluster}/role`.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::header::{ETAG, LOCATION, RETRY_AFTER};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use engine_roles_domain::binding::{Actor, Binding, Verdict};
use engine_roles_domain::cluster::ClusterName;
use engine_roles_provisioner::{Answer, Request};
use engine_roles_store::Change;

use crate::binding::BindingBody;
use crate::conditions::{Precondition, Prefer, etag};
use crate::error::{Code, Problem, ProblemBody};
use crate::request_body::JsonBody;
use crate::request_context::RequestId;
use crate::role_request::RoleRequestBody;
use crate::router::Api;

/// After how many seconds to ask again for what is on its way.
const ASK_AGAIN: u32 = 2;

/// The cluster in a path.
pub(crate) struct Cluster(pub(crate) ClusterName);

impl<S: Send + Sync> FromRequestParts<S> for Cluster {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let name: Result<Path<String>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        let text = name.map(|Path(text)| text).unwrap_or_default();
        ClusterName::parse(&text)
            .map(Self)
            .map_err(|error| Problem::invalid("cluster", &error))
    }
}

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
    request_body = RoleRequestBody,
    responses(
        (status = 200, body = BindingBody, description = "It is so"),
        (status = 201, body = BindingBody, description = "It was made"),
        (status = 202, body = BindingBody, description = "It is on its way"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    Cluster(cluster): Cluster,
    Extension(actor): Extension<Actor>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    prefer: Prefer,
    Precondition(if_match): Precondition,
    JsonBody(body): JsonBody<RoleRequestBody>,
) -> Result<Response, Problem> {
    let wanted = body.parse()?;
    let wait = prefer.wait_for_change();
    let request = Request {
        actor,
        request_id: Some(request_id),
        if_match,
        wait,
    };
    let answer = api
        .provisioner
        .provision(&cluster, &wanted, &request)
        .await?;
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
        (status = 200, body = BindingBody),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "It never was"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    Cluster(cluster): Cluster,
    prefer: Prefer,
) -> Result<Response, Problem> {
    let binding = api
        .provisioner
        .get(&cluster, prefer.wait_for_read())
        .await?;
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
        (status = 200, body = BindingBody, description = "It is gone"),
        (status = 202, body = BindingBody, description = "It is on its way"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "It never was"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    Cluster(cluster): Cluster,
    Extension(actor): Extension<Actor>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    prefer: Prefer,
    Precondition(if_match): Precondition,
) -> Result<Response, Problem> {
    let wait = prefer.wait_for_change();
    let request = Request {
        actor,
        request_id: Some(request_id),
        if_match,
        wait,
    };
    let answer = api.provisioner.tear_down(&cluster, &request).await?;
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
        Verdict::Failed(failure) => Err(Problem::failed(failure, binding)),
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
        Json(BindingBody::from(binding)),
    )
        .into_response()
}
