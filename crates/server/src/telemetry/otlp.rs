//! Traces, sent by OTLP.
//!
//! The crates of the service only use `tracing`. This module decides which of their spans are sent,
//! and gives them the names and attributes of OpenTelemetry's semantic conventions. Spans wait in a
//! bounded queue, and a thread of its own sends them: a collector that is away, or hangs, costs a
//! request nothing.

mod collector;
mod conventions;
mod exporter;
mod requests;
mod sampler;

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use engine_roles_api::Traces;
use opentelemetry::KeyValue;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, SpanExporter as _};
use tracing::level_filters::LevelFilter;
use tracing::span::Id;
use tracing::subscriber::Interest;
use tracing::{Subscriber, dispatcher};
use tracing_opentelemetry::get_otel_context;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::registry::LookupSpan;

use self::collector::{Collector, InvalidVariable};
use self::exporter::Conventional;
use self::requests::OtlpTraces;
use self::sampler::WithoutProbes;
use super::announcement::Announcement;
use super::variables::{Wanted, wanted_here};

/// What sends the traces of this process; none where traces are off.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Returns the layer that sends spans where the environment asks for it, and what to log about it.
pub(super) fn layer<S>() -> (Option<Box<dyn Layer<S> + Send + Sync>>, Announcement)
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let not_sent = |variable: &str, rule: String| {
        let variable = variable.to_owned();
        (None, Announcement::NotSent { variable, rule })
    };
    let (variable, endpoint) = match wanted_here() {
        Wanted::No => return (None, Announcement::Nothing),
        Wanted::Unsupported { variable, rule } => return not_sent(variable, rule.to_owned()),
        Wanted::To { variable, endpoint } => (variable, endpoint),
    };
    let Some(host) = collector::host(&endpoint) else {
        return not_sent(variable, "must be an http:// or https:// URL".to_owned());
    };
    let provider = match provider() {
        Ok(provider) => provider,
        Err(InvalidVariable { variable, rule }) => return not_sent(variable, rule),
    };
    let tracer = provider.tracer("engine-roles");
    let layer = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_context_activation(false)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(
            dynamic_filter_fn(|metadata, context| {
                conventions::is_sent(metadata)
                    && (metadata.name() != conventions::DATABASE
                        || context.lookup_current().is_some())
            })
            // Without these, the program would ask the filter about every line that no log shows.
            .with_max_level_hint(LevelFilter::DEBUG)
            .with_callsite_filter(|metadata| match metadata.name() {
                _ if !conventions::is_sent(metadata) => Interest::never(),
                conventions::DATABASE => Interest::sometimes(),
                _ => Interest::always(),
            }),
        );
    let _ = PROVIDER.set(provider);
    let announcement = Announcement::Sent { collector: host };
    (Some(layer.boxed()), announcement)
}

fn exporter(collector: Collector, retries: RetryPolicy) -> Result<SpanExporter, String> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(collector)
        .with_retry_policy(retries)
        .build();
    exporter.map_err(|error| error.to_string())
}

/// Sends an empty request to the collector. Returns its host.
///
/// # Errors
/// When the collector does not take it; the text says why.
pub(super) fn try_collector() -> Result<String, String> {
    let Wanted::To { variable, endpoint } = wanted_here() else {
        return Err("no collector is configured".to_owned());
    };
    let host = collector::host(&endpoint);
    let host = host.ok_or_else(|| format!("{variable} must be an http:// or https:// URL"))?;
    let collector = Collector::new().map_err(|invalid| invalid.to_string())?;
    let problem = collector.last_problem();
    let exporter = exporter(collector, RetryPolicy::disabled())?;
    // The collector's client blocks until the answer, so the future is ready when it is polled first.
    let mut sending = pin!(exporter.export(Vec::new()));
    match sending
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(Ok(())) => Ok(host),
        _ => Err(format!(
            "the collector at {host} does not take traces: {}",
            problem.text()
        )),
    }
}

fn provider() -> Result<SdkTracerProvider, InvalidVariable> {
    let collector = Collector::new()?;
    let exporter = exporter(collector, RetryPolicy::recommended()).map_err(InvalidVariable::any)?;
    let processor = BatchSpanProcessor::builder(Conventional(exporter)).build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(WithoutProbes::new())
        .with_resource(resource())
        .build())
}

/// Returns what describes this process. The environment overrides it.
fn resource() -> Resource {
    let own = [
        KeyValue::new("service.name", "engine-roles"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
    ];
    let resource = Resource::builder_empty()
        .with_attributes(own)
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    let name = std::env::var("OTEL_SERVICE_NAME").ok();
    match name.filter(|name| !name.is_empty()) {
        Some(name) => resource.with_service_name(name).build(),
        None => resource.build(),
    }
}

/// Returns what puts requests into traces; none where traces are off. `scheme` is that of the service's
/// own URL.
pub(super) fn requests(scheme: &'static str) -> Option<Arc<dyn Traces>> {
    PROVIDER.get()?;
    Some(Arc::new(OtlpTraces::new(scheme)))
}

/// Returns the id of the trace that a span belongs to; none where traces are off or the span is not
/// sent.
pub(super) fn trace_of(span: &Id) -> Option<String> {
    PROVIDER.get()?;
    let context = dispatcher::get_default(|dispatch| get_otel_context(span, dispatch))?;
    let found = context.span().span_context().clone();
    found.is_valid().then(|| found.trace_id().to_string())
}

/// Sends the spans that wait, for at most this long. Blocks the thread.
pub(super) fn flush(limit: Duration) {
    if let Some(provider) = PROVIDER.get() {
        // What could not be sent in time is lost; the collector's failures were logged.
        let _ = provider.shutdown_with_timeout(limit);
    }
}
