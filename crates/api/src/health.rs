//! Health checks: `/livez`, `/readyz`, `/healthcheck`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use engine_roles_contract::{
    AwsStatus, DatabaseStatus, MissingFeature, Readiness, ReadinessStatus, ReconcilerStatus,
};
use engine_roles_provisioner::{Health, Provisioner};
use engine_roles_store::{Readiness as DatabaseReadiness, StoreError};
use tracing::warn;

/// Check that the process runs.
#[utoipa::path(get, path = "/livez", tag = "health", security(()), responses((status = 200, body = String, description = "The process runs")))]
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// Check that the process runs, as `/livez` does.
///
/// AI Unlimited's load balancer requests this path.
#[utoipa::path(get, path = "/healthcheck", tag = "health", security(()), responses((status = 200, body = String, description = "The process runs")))]
pub(crate) async fn healthcheck() -> &'static str {
    "ok\n"
}

/// Check that the service can answer requests.
///
/// The service is ready when the database can be reached, its schema is up to date and the
/// reconciler (the background task that completes and checks roles) runs. If only the AWS account
/// is not known or is not that of the bindings, `status` is `degraded` and the answer is still 200.
#[utoipa::path(
    get, path = "/readyz", tag = "health", security(()),
    responses(
        (status = 200, body = Readiness, description = "The service is ready or degraded"),
        (status = 503, body = Readiness, description = "The service is not ready"),
    ),
)]
pub(crate) async fn readyz(State(provisioner): State<Provisioner>) -> Response {
    let body = to_wire(provisioner.health().await);
    let status = if body.status.is(&ReadinessStatus::Unready) {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (status, Json(body)).into_response()
}

fn to_wire(health: Health) -> Readiness {
    let database = match &health.database {
        Ok(DatabaseReadiness::Ready) => DatabaseStatus::Ok,
        Ok(DatabaseReadiness::MigrationsPending) => DatabaseStatus::MigrationsPending,
        Ok(DatabaseReadiness::SchemaTooNew) => DatabaseStatus::SchemaTooNew,
        Ok(DatabaseReadiness::ReadOnly) => DatabaseStatus::ReadOnly,
        Err(StoreError::Refused(_)) => DatabaseStatus::LoginRefused,
        Err(error) => {
            warn!(
                error = error as &dyn std::error::Error,
                "database can't be reached"
            );
            DatabaseStatus::Unreachable
        }
    };
    let reconciler = if health.is_stopping {
        ReconcilerStatus::Stopping
    } else if health.reconciler_alive {
        ReconcilerStatus::Ok
    } else {
        ReconcilerStatus::Stalled
    };
    let aws = match (&health.scope, health.other_accounts) {
        (None, _) => AwsStatus::Unknown,
        (Some(_), 0) => AwsStatus::Ok,
        (Some(_), _) => AwsStatus::OtherAccount,
    };
    let status = match (database, reconciler, aws) {
        (DatabaseStatus::Ok, ReconcilerStatus::Ok, AwsStatus::Ok) => ReadinessStatus::Ready,
        (DatabaseStatus::Ok, ReconcilerStatus::Ok, _) => ReadinessStatus::Degraded,
        _ => ReadinessStatus::Unready,
    };
    let missing = health.missing.into_iter();
    let missing = missing.map(|(feature, permission)| MissingFeature {
        feature: feature.as_str().to_owned(),
        permission,
    });
    Readiness {
        status: status.into(),
        database: database.into(),
        reconciler: reconciler.into(),
        aws: aws.into(),
        other_account_bindings: health.other_accounts,
        missing: missing.collect(),
    }
}
