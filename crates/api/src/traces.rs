//! How requests belong to distributed traces.

use engine_roles_domain::audit::TraceId;
use tracing::Span;

/// What a trace needs to know about a request before it is handled.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The path, without the query.
    pub path: &'a str,
    /// The header `traceparent`.
    pub traceparent: Option<&'a str>,
    /// The header `tracestate`.
    pub tracestate: Option<&'a str>,
}

/// Puts requests into distributed traces. The program decides whether and where traces are sent, so it
/// provides the implementation.
pub trait Traces: Send + Sync {
    /// Begins the span of a request. Returns the id of the trace that the request belongs to; none
    /// where it belongs to none. Source: <https://www.w3.org/TR/trace-context/>.
    fn begin(&self, span: &Span, request: RequestHead<'_>) -> Option<TraceId>;

    /// Completes the span of a request with the HTTP status of its answer.
    fn answered(&self, span: &Span, status: u16);
}

/// Sends no traces. A request belongs to the trace that its caller names.
#[derive(Clone, Copy, Debug)]
pub struct TracesOfCallers;

impl Traces for TracesOfCallers {
    fn begin(&self, _span: &Span, request: RequestHead<'_>) -> Option<TraceId> {
        request.traceparent.and_then(TraceId::of_traceparent)
    }

    fn answered(&self, _span: &Span, _status: u16) {}
}
