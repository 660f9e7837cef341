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
    /// `ok`, `unknown` while STS has not said who we are, or `other_account` where live bindings
    /// of this namespace were made in another: they are left alone, and nothing new is begun.
    aws: &'static str,
    /// How many live bindings were made in another account.
    bindings_elsewhere: i64,
    /// What is off for want of a permission.
    missing: Vec<MissingBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MissingExtra)]
struct MissingBody {
    /// `orphans` (nothing is found that nobody knows) or `quota` (a full account shows only when
    /// AWS says so).
    extra: &'static str,
    /// The IAM action.
    permission: String,
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
    let aws = match (&health.scope, health.elsewhere) {
        (None, _) => "unknown",
        (Some(_), 0) => "ok",
        (Some(_), _) => "other_account",
    };
    let body = ReadyBody {
        status: match (ready, aws == "ok") {
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
        aws,
        bindings_elsewhere: health.elsewhere,
        missing: health
            .missing
            .into_iter()
            .map(|(extra, permission)| MissingBody { extra, permission })
            .collect(),
    };
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body)).into_response()
}
