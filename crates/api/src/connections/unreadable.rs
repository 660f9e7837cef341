//! Answers to bytes that are not a request.

use std::time::Duration;

use axum::http::StatusCode;
use chrono::Utc;
use engine_roles_contract::Code;
use tracing::info;
use uuid::Uuid;

use super::limits::LARGEST_HEAD;
use crate::metrics;
use crate::problem::Problem;

/// Returns a complete answer, head and body, with this status. The answer is logged and counted as
/// the answers to requests are; `taken` is how long the client took to send what it sent.
pub(super) fn answer(status: StatusCode, taken: Duration) -> String {
    let (code, detail) = match status {
        StatusCode::REQUEST_TIMEOUT => (
            Code::RequestTimeout,
            "the head of the request did not arrive in time; send the request again".to_owned(),
        ),
        StatusCode::URI_TOO_LONG => (
            Code::UriTooLong,
            "the path and query of the request are too long".to_owned(),
        ),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => (
            Code::HeaderTooLarge,
            format!(
                "the head of a request (method, path, query and headers) must be smaller than \
                 {LARGEST_HEAD} bytes and have at most 100 headers"
            ),
        ),
        _ => (
            Code::InvalidRequest,
            "the head of the request does not conform to HTTP/1.1".to_owned(),
        ),
    };
    let id = Uuid::now_v7().to_string();
    let (status, body) = Problem::new(code, detail).into_body(&id);
    info!(
        id,
        status = status.as_u16(),
        "request answered; its head could not be read"
    );
    metrics::count_unreadable(status, taken);
    let date = Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
    format!(
        "HTTP/1.1 {status}\r\n\
         content-type: application/problem+json\r\n\
         content-length: {}\r\n\
         connection: close\r\n\
         x-request-id: {id}\r\n\
         date: {date}\r\n\r\n{body}",
        body.len(),
    )
}
