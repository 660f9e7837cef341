//! Metrics for operators: `/metrics`, in Prometheus' text format.
//!
//! Each label has a closed set of values, so that no caller can make the number of time series grow:
//! the methods and routes of the interface, and the statuses of its answers.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

/// How often recorded values are summed up. Until then, each value of a histogram takes memory.
const SUM_INTERVAL: Duration = Duration::from_secs(5);
/// The route of a request that matches no path of the interface.
const UNMATCHED: &str = "unmatched";

/// Renders the metrics that this process has recorded.
#[derive(Clone)]
pub struct MetricsHandle(pub PrometheusHandle);

impl MetricsHandle {
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
pub(crate) async fn show(State(MetricsHandle(metrics)): State<MetricsHandle>) -> Response {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4")],
        metrics.render(),
    )
        .into_response()
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
    let labels = [
        ("method", method.to_owned()),
        ("route", route.to_owned()),
        ("status", status.as_str().to_owned()),
    ];
    metrics::counter!("engine_roles_http_requests_total", &labels).increment(1);
    metrics::histogram!("engine_roles_http_request_seconds", &labels).record(taken.as_secs_f64());
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
