//! The header `Host` of requests.

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use engine_roles_contract::Code;

use crate::problem::Problem;

/// Rejects requests without a clear `Host` (RFC 9112, section 3.2): two proxies could take such a
/// request as meant for different hosts. HTTP/1.0 has no `Host`, and load balancers probe with it.
pub(crate) async fn require_host(request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(HOST).iter();
    let rule = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => Some("must be sent once"),
        (Some(host), None) if !is_host(host) => Some("must be a host and an optional port"),
        (None, None) if request.version() != Version::HTTP_10 => Some("must be sent"),
        _ => None,
    };
    match rule {
        Some(rule) => Problem::field(Code::InvalidRequest, "Host", rule).into_response(),
        None => next.run(request).await,
    }
}

// The value is empty where the request's target has no host.
fn is_host(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or("@");
    let is_authority = text.parse::<Authority>().is_ok() && !text.contains('@');
    text.is_empty() || is_authority
}
