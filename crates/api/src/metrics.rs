//! Metrics for operators: `/metrics`, in Prometheus' text format.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use engine_roles_domain::binding::State as BindingState;
use engine_roles_provisioner::Provisioner;
use metrics_exporter_prometheus::PrometheusHandle;

/// Renders the metrics that this process has recorded.
#[derive(Clone)]
pub struct MetricsHandle(pub PrometheusHandle);

/// Return the service's metrics in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "health", security(()), responses((status = 200, body = String, description = "The metrics")))]
pub(crate) async fn show(
    State(provisioner): State<Provisioner>,
    State(MetricsHandle(metrics)): State<MetricsHandle>,
) -> Response {
    // Where the database does not answer, its gauges keep their last values, and the other metrics
    // are still returned.
    if let Ok(counts) = provisioner.count_by_state().await {
        for state in BindingState::ALL {
            let count = counts.iter().find(|(counted, _)| *counted == state);
            #[allow(
                clippy::cast_precision_loss,
                reason = "a gauge is a float; there are fewer than 2^53 bindings"
            )]
            let count = count.map_or(0.0, |(_, count)| *count as f64);
            metrics::gauge!("engine_roles_bindings", "state" => state.as_str()).set(count);
        }
    }
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4")],
        metrics.render(),
    )
        .into_response()
}

/// Counts requests by method, route and status. Never by cluster, which would make the number of
/// time series unlimited.
pub(crate) async fn count_requests(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().as_str().to_owned();
    let started = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    let labels = [("method", method), ("route", route), ("status", status)];
    metrics::counter!("engine_roles_http_requests_total", &labels).increment(1);
    metrics::histogram!("engine_roles_http_request_seconds", &labels)
        .record(started.elapsed().as_secs_f64());
    response
}
