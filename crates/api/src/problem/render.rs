//! Renders the bodies and headers of error answers.

use axum::Json;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use engine_roles_contract::Code;
use engine_roles_domain::audit::TraceId;

use tracing::Span;

use super::Problem;
use crate::request_context::RequestId;

/// Renders a [`Problem`] that a handler left in its response, with the ids of the request and of its trace.
pub(crate) async fn render_problems(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let trace = request
        .extensions()
        .get::<TraceId>()
        .map(TraceId::to_string);
    let mut response = next.run(request).await;
    let Some(mut problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let code = serde_json::json!(problem.0.code);
    Span::current().record("code", code.as_str());
    problem.0.request_id = id.map(|id| id.0).unwrap_or_default();
    problem.0.trace_id = trace;
    let retry_after = problem.0.retry_after;
    let unauthenticated = problem.0.code.is(&Code::Unauthenticated);
    let mut rendered = (problem.status(), Json(&problem.0)).into_response();
    let headers = rendered.headers_mut();
    headers.extend(response.headers().clone());
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    rendered
}
