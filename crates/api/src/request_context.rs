//! The id of each request and the log entry of each answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use engine_roles_domain::audit::TraceId;
use engine_roles_domain::cluster::ClusterName;
use tracing::field::Empty;
use tracing::{Instrument, Span, debug, info, info_span};
use uuid::Uuid;

use crate::tls::ClientCertificate;
use crate::traces::{RequestHead, Traces};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// Sent by htmx with the requests that a script of the console makes.
pub(crate) const HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");

/// The id of a request: the caller's `X-Request-Id` if it is valid, else one created here.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// The address from which a request comes: that of the client, or of a proxy in front of the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Marks a request that came over TLS to this service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OverTls;

/// The address of the client: the one that a trusted proxy names, or else the [`Peer`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source(pub(crate) IpAddr);

/// Sets the id of each request, and logs each answer. Every line of the log that belongs to the request
/// has its id, its trace, method, route, address, the subject of the client's
/// certificate and the cluster, and once they are known, its actor, the client's address behind a trusted
/// proxy and the code of the problem with which it is answered.
pub(crate) async fn identify(
    State(traces): State<Arc<dyn Traces>>,
    mut request: Request,
    next: Next,
) -> Response {
    let given = request
        .headers()
        .get(X_REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let id = given.filter(|text| is_valid(text)).map(str::to_owned);
    let id = id.unwrap_or_else(|| Uuid::now_v7().to_string());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let quiet = is_frequent(&request);
    let peer = request.extensions().get::<Peer>();
    let certificate = request.extensions().get::<ClientCertificate>();
    let span = info_span!(
        "request",
        id,
        trace_id = Empty,
        method = %request.method(),
        route,
        peer = peer.map(|peer| peer.0.to_string()),
        client_certificate = certificate.map(|found| found.subject.as_str()),
        cluster = cluster_in(request.uri().path()),
        source = Empty,
        actor = Empty,
        code = Empty,
    );
    request.extensions_mut().insert(RequestId(id.clone()));
    if let Some(trace) = begin_trace(&*traces, &span, &request) {
        span.record("trace_id", trace.as_str());
        request.extensions_mut().insert(trace);
    }
    let of_request = span.clone();
    async move {
        let started = Instant::now();
        let mut response = next.run(request).await;
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = response.status();
        traces.answered(&of_request, status.as_u16());
        if quiet && status.is_success() {
            debug!(status = status.as_u16(), elapsed_ms, "request answered");
        } else {
            info!(status = status.as_u16(), elapsed_ms, "request answered");
        }
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(X_REQUEST_ID, value);
        }
        response
    }
    .instrument(span)
    .await
}

/// Begins the trace's span of a request, and returns the id of the trace.
fn begin_trace(traces: &dyn Traces, span: &Span, request: &Request) -> Option<TraceId> {
    let header = |name| request.headers().get(name)?.to_str().ok();
    // The header may be repeated; its values then form one list.
    let states = request.headers().get_all(TRACESTATE).iter();
    let states: Vec<&str> = states.filter_map(|value| value.to_str().ok()).collect();
    let states = states.join(",");
    let head = RequestHead {
        path: request.uri().path(),
        traceparent: header(TRACEPARENT),
        tracestate: (!states.is_empty()).then_some(states.as_str()),
    };
    traces.begin(span, head)
}

/// Returns whether such requests come every few seconds, so that only their failures are logged above
/// debug: health probes, and the console's refreshes of a page that is open in a browser.
fn is_frequent(request: &Request) -> bool {
    let path = request.uri().path();
    let is_refresh = || request.headers().contains_key(HX_REQUEST) || path.contains("/assets/");
    let is_page = path == "/console" || path.starts_with("/console/");
    !path.starts_with("/v1/") && (!is_page || is_refresh())
}

/// Returns the cluster in a path; none where the path has none, or no valid name.
fn cluster_in(path: &str) -> Option<&str> {
    let mut folders = ["/v1/clusters/", "/console/clusters/"].into_iter();
    let name = folders.find_map(|folder| path.strip_prefix(folder))?;
    let name = name.split('/').next()?;
    ClusterName::parse(name).ok().map(|_| name)
}

fn is_valid(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}
