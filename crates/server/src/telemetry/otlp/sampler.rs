//! Which requests have no trace.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Config, SamplingDecision, SamplingResult, ShouldSample};

use super::conventions::PATH;

/// The paths that health checks and the collection of metrics ask every few seconds.
const PROBES: [&str; 4] = ["/livez", "/readyz", "/healthcheck", "/metrics"];

/// The sampler of `OTEL_TRACES_SAMPLER`, without the requests of probes.
#[derive(Clone, Debug)]
pub(super) struct WithoutProbes(Box<dyn ShouldSample>);

impl WithoutProbes {
    pub(super) fn new() -> Self {
        // The SDK reads the variables of the sampler here.
        Self(Config::default().sampler)
    }
}

impl ShouldSample for WithoutProbes {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let is_probe = attributes.iter().any(|attribute| {
            attribute.key.as_str() == PATH && PROBES.contains(&attribute.value.as_str().as_ref())
        });
        if is_probe {
            let state = parent.map(|parent| parent.span().span_context().trace_state().clone());
            return SamplingResult {
                decision: SamplingDecision::Drop,
                attributes: Vec::new(),
                trace_state: state.unwrap_or_default(),
            };
        }
        self.0
            .should_sample(parent, trace_id, name, kind, attributes, links)
    }
}
