//! Metrics for operators: `/metrics`, in Prometheus' text format.
//!
//! Each label has a closed set of values, so that no caller can make the number of time series grow:
//! the methods and routes of the interface, and the statuses of its answers.

mod catalogue;

use std::sync::OnceLock;
use std::time::{Duration, Instant, UNIX_EPOCH};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use engine_roles_provisioner::Provisioner;
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub use catalogue::{METRICS, Metric, MetricType};

use crate::health;

/// How often recorded values are summed up. Until then, each value of a histogram takes memory.
const SUM_INTERVAL: Duration = Duration::from_secs(5);
/// The route of a request that matches no path of the interface.
const UNMATCHED: &str = "unmatched";

/// Renders the metrics that this process has recorded.
#[derive(Clone)]
pub struct MetricsHandle(pub PrometheusHandle);

impl MetricsHandle {
    /// Installs the recorder of this process, the first time that it is called.
    pub fn install() -> Self {
        static HANDLE: OnceLock<MetricsHandle> = OnceLock::new();
        HANDLE
            .get_or_init(|| {
                let recorder = builder().build_recorder();
                let handle = Self(recorder.handle());
                if metrics::set_global_recorder(recorder).is_err() {
                    warn!("another metrics recorder is installed; /metrics stays empty");
                }
                catalogue::describe();
                metrics_process::Collector::default().describe();
                let version = env!("CARGO_PKG_VERSION");
                gauge!("engine_roles_build_info", "version" => version).set(1.0);
                handle
            })
            .clone()
    }

    /// Sums up recorded values every few seconds until `stop` is cancelled, so that the memory for
    /// them does not grow while nobody asks for the metrics.
    pub async fn keep_up(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let _ = tokio::time::timeout(SUM_INTERVAL, stop.cancelled()).await;
            self.0.run_upkeep();
        }
    }
}

/// Return the service's metrics in Prometheus' text format.
///
/// The answer never waits for the database: a background task counts the bindings about once a second.
/// While the database does not answer, the counts keep their last values.
#[utoipa::path(get, path = "/metrics", operation_id = "getMetrics", tag = "health", security(()), responses(
        (status = 200, body = String, description = "The metrics"),
    ))]
pub(crate) async fn show(
    State(MetricsHandle(metrics)): State<MetricsHandle>,
    State(provisioner): State<Provisioner>,
) -> Response {
    read_now(&provisioner);
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4")],
        metrics.render(),
    )
        .into_response()
}

/// Returns what records the metrics, with the limits of each histogram: without limits, a recorder would
/// make quantiles, which can't be summed up over replicas.
fn builder() -> PrometheusBuilder {
    let builder = PrometheusBuilder::new();
    METRICS
        .iter()
        .fold(builder, |builder, metric| match metric.kind {
            MetricType::Histogram(limits) => builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), limits)
                .expect("every histogram has limits"),
            MetricType::Counter | MetricType::Gauge => builder,
        })
}

/// Sets the metrics that are read from memory when somebody asks for them.
fn read_now(provisioner: &Provisioner) {
    let found = provisioner.health();
    if let Some(at) = found.aws.last_success
        && let Ok(at) = at.duration_since(UNIX_EPOCH)
    {
        gauge!("engine_roles_aws_last_success_timestamp_seconds").set(at.as_secs_f64());
    }
    let now = health::status(found);
    for status in health::STATUSES {
        let value = f64::from(u8::from(status == now));
        gauge!("engine_roles_readiness", "status" => health::word(status)).set(value);
    }
    let pool = provisioner.database_connections();
    gauge!("engine_roles_database_connections", "state" => "idle").set(pool.idle);
    gauge!("engine_roles_database_connections", "state" => "in_use").set(pool.in_use);
    gauge!("engine_roles_database_connections_max").set(pool.most);
    metrics_process::Collector::default().collect();
}

/// Counts requests by method, route and status.
pub(crate) async fn count_requests(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = method_label(request.method());
    let started = Instant::now();
    let response = next.run(request).await;
    let route = route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    record(method, route, response.status(), started.elapsed());
    response
}

/// Counts an answer to a request whose head could not be read.
pub(crate) fn count_unreadable(status: StatusCode, taken: Duration) {
    record(OTHER_METHOD, UNMATCHED, status, taken);
}

fn record(method: &'static str, route: &str, status: StatusCode, taken: Duration) {
    let route = route.to_owned();
    let status = status.as_str().to_owned();
    histogram!("engine_roles_http_request_seconds", "method" => method, "route" => route.clone())
        .record(taken.as_secs_f64());
    counter!(
        "engine_roles_http_requests_total", "method" => method, "route" => route, "status" => status
    )
    .increment(1);
}

/// The method of a request that no route has.
const OTHER_METHOD: &str = "other";

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => OTHER_METHOD,
    }
}
