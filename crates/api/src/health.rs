//! How the service is: `/livez`, `/readyz`, `/healthcheck`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use engine_roles_store::Readiness;
use serde::Serialize;
use tracing::warn;
use utoipa::ToSchema;

use crate::router::Api;

/// How the service is, by its parts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Readiness)]
pub(crate) struct ReadyBody {
    /// `ready`, `degraded` (it serves, but AWS is in trouble) or `unready`.
    status: &'static str,
    /// `ok`, `unreachable` or `migrations_pending`.
    database: &'static str,
    /// `ok` or `stalled`.
    reconciler: &'static str,
    /// `ok`, or `unknown` while STS has not said who we are.
    aws: &'static str,
}

/// The process runs.
#[utoipa::path(get, path = "/livez", tag = "health", security(()), responses((status = 200, body = String)))]
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// As `/livez`, under the path that AI Unlimited's load balancer asks.
#[utoipa::path(get, path = "/healthcheck", tag = "health", security(()), responses((status = 200, body = String)))]
pub(crate) async fn healthcheck() -> &'static str {
    "ok\n"
}

/// The service can serve: database reachable, migrations current, reconciler alive.
#[utoipa::path(
    get, path = "/readyz", tag = "health", security(()),
    responses((status = 200, body = ReadyBody), (status = 503, body = ReadyBody)),
)]
pub(crate) async fn readyz(State(api): State<Api>) -> Response {
    let health = api.provisioner.health().await;
    let database = match &health.database {
        Ok(Readiness::Ready) => "ok",
        Ok(Readiness::MigrationsPending) => "migrations_pending",
        Err(error) => {
            warn!(error = error as &dyn std::error::Error, "not ready");
            "unreachable"
        }
    };
    let ready = database == "ok" && health.reconciler_alive;
    let aws_known = health.scope.is_some();
    let body = ReadyBody {
        status: match (ready, aws_known) {
            (true, true) => "ready",
            (true, false) => "degraded",
            (false, _) => "unready",
        },
        database,
        reconciler: if health.reconciler_alive {
            "ok"
        } else {
            "stalled"
        },
        aws: if aws_known { "ok" } else { "unknown" },
    };
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body)).into_response()
}
