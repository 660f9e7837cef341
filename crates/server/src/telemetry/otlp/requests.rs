//! Requests as parts of distributed traces.

use std::collections::HashMap;

use engine_roles_api::{RequestHead, Traces};
use engine_roles_domain::audit::TraceId;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::conventions::{PATH, SCHEME, STATUS};

/// Continues the traces of callers, and begins a trace where a caller has none.
pub(super) struct OtlpTraces {
    propagator: TraceContextPropagator,
    scheme: &'static str,
}

impl OtlpTraces {
    pub(super) fn new(scheme: &'static str) -> Self {
        Self {
            propagator: TraceContextPropagator::new(),
            scheme,
        }
    }
}

impl Traces for OtlpTraces {
    fn begin(&self, span: &Span, request: RequestHead<'_>) -> Option<TraceId> {
        let headers = [
            ("traceparent", request.traceparent),
            ("tracestate", request.tracestate),
        ];
        let headers = headers
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        let headers: HashMap<String, String> = headers.collect();
        let caller = self
            .propagator
            .extract_with_context(&Context::new(), &headers);
        // Fails only for a span that is not sent.
        let _ = span.set_parent(caller);
        span.set_attribute(PATH, request.path.to_owned());
        span.set_attribute(SCHEME, self.scheme);
        let context = span.context();
        let trace = context.span().span_context().trace_id().to_string();
        TraceId::parse(&trace).or_else(|| request.traceparent.and_then(TraceId::of_traceparent))
    }

    fn answered(&self, span: &Span, status: u16) {
        span.set_attribute(STATUS, i64::from(status));
    }
}
