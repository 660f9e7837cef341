//! Health checks: `/livez`, `/readyz`, `/healthcheck`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::DateTime;
use engine_roles_contract::{
    AuditStatus, AwsStatus, DatabaseStatus, MissingFeature, Readiness, ReadinessStatus,
    ReconcilerStatus,
};
use engine_roles_domain::caller::KeyScope;
use engine_roles_provisioner::{AuditLogState, AwsState, DatabaseHealth, Health, Provisioner};

use crate::auth::Authentication;

/// Check that the process runs.
///
/// The answer says nothing about the database or AWS; `/readyz` does.
#[utoipa::path(get, path = "/livez", operation_id = "getLiveness", tag = "health", security(()), responses(
        (status = 200, body = String, description = "The process runs"),
    ))]
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// Check that the process runs, as `/livez` does.
///
/// AI Unlimited's load balancer requests this path.
#[utoipa::path(get, path = "/healthcheck", operation_id = "getHealthcheck", tag = "health", security(()), responses(
        (status = 200, body = String, description = "The process runs"),
    ))]
pub(crate) async fn healthcheck() -> &'static str {
    "ok\n"
}

/// Check that the service can answer requests.
///
/// The service is ready when the database can be reached, its schema is up to date and the
/// reconciler (the background task that completes and checks roles) runs. Trouble with AWS, as this
/// replica's recent calls saw it, or an audit log that contradicts itself makes `status` `degraded`,
/// and the answer is still 200.
/// The answer comes from a reading of the database that is at most two seconds old, and never waits for
/// the database. A caller without a valid API key gets null for `missing`, `audit_reason` and
/// `other_account_bindings`.
#[utoipa::path(
    get, path = "/readyz", operation_id = "getReadiness", tag = "health", security((), ("bearer" = [])),
    responses(
        (status = 200, body = Readiness, description = "The service is ready or degraded"),
        (status = 503, body = Readiness, description = "The service is not ready"),
    ),
)]
pub(crate) async fn readyz(
    State(provisioner): State<Provisioner>,
    State(authentication): State<Arc<Authentication>>,
    headers: HeaderMap,
) -> Response {
    let caller = authentication.known_caller(&headers);
    let details = if caller.is_some_and(|caller| caller.may(KeyScope::Read)) {
        Details::Shown
    } else {
        Details::Hidden
    };
    let body = to_wire(provisioner.health(), details);
    let status = if body.status.is(&ReadinessStatus::Unready) {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (status, Json(body)).into_response()
}

/// All statuses of `/readyz`.
pub(crate) const STATUSES: [ReadinessStatus; 3] = [
    ReadinessStatus::Ready,
    ReadinessStatus::Degraded,
    ReadinessStatus::Unready,
];

/// Returns the word of a status on the wire and in metrics.
pub(crate) fn word(status: ReadinessStatus) -> &'static str {
    match status {
        ReadinessStatus::Ready => "ready",
        ReadinessStatus::Degraded => "degraded",
        ReadinessStatus::Unready => "unready",
    }
}

/// Returns the status that `/readyz` reports.
pub(crate) fn status(health: Health) -> ReadinessStatus {
    let wire = to_wire(health, Details::Hidden).status;
    let mut all = STATUSES.into_iter();
    all.find(|status| wire.is(status))
        .unwrap_or(ReadinessStatus::Unready)
}

/// Whether a caller may see what the service may not do at AWS.
#[derive(Clone, Copy)]
enum Details {
    Shown,
    Hidden,
}

fn to_wire(health: Health, details: Details) -> Readiness {
    let database = match health.database {
        DatabaseHealth::Ready => DatabaseStatus::Ok,
        DatabaseHealth::MigrationsPending => DatabaseStatus::MigrationsPending,
        DatabaseHealth::SchemaTooNew => DatabaseStatus::SchemaTooNew,
        DatabaseHealth::ReadOnly => DatabaseStatus::ReadOnly,
        DatabaseHealth::LoginRefused => DatabaseStatus::LoginRefused,
        DatabaseHealth::NoRights => DatabaseStatus::NoRights,
        DatabaseHealth::Unreachable => DatabaseStatus::Unreachable,
        DatabaseHealth::Stale => DatabaseStatus::Stale,
    };
    let reconciler = if health.is_stopping {
        ReconcilerStatus::Stopping
    } else if health.reconciler_alive {
        ReconcilerStatus::Ok
    } else {
        ReconcilerStatus::Stalled
    };
    let aws = aws_status(&health);
    let (audit, reason) = match health.audit_log {
        AuditLogState::Unknown => (AuditStatus::Unknown, None),
        AuditLogState::Ok => (AuditStatus::Ok, None),
        AuditLogState::Behind => (AuditStatus::Behind, None),
        AuditLogState::Broken { reason } => (AuditStatus::Broken, Some(reason)),
    };
    let status = match (database, reconciler, aws) {
        (DatabaseStatus::Ok, ReconcilerStatus::Ok, AwsStatus::Ok)
            if audit != AuditStatus::Broken =>
        {
            ReadinessStatus::Ready
        }
        (DatabaseStatus::Ok, ReconcilerStatus::Ok, _) => ReadinessStatus::Degraded,
        _ => ReadinessStatus::Unready,
    };
    let missing = health.missing.into_iter();
    let missing = missing.map(|(feature, permission)| MissingFeature {
        feature: feature.as_str().to_owned(),
        permission,
    });
    let (other_account_bindings, missing, audit_reason) = match details {
        Details::Shown => (health.other_accounts, Some(missing.collect()), reason),
        Details::Hidden => (None, None, None),
    };
    Readiness {
        status: status.into(),
        database: database.into(),
        reconciler: reconciler.into(),
        aws: aws.into(),
        aws_last_success: health.aws.last_success.map(DateTime::from),
        audit: audit.into(),
        audit_reason,
        other_account_bindings,
        missing,
    }
}

fn aws_status(health: &Health) -> AwsStatus {
    let is_other = health.other_accounts.is_some_and(|count| count > 0);
    if is_other || health.configured_account.is_err() {
        return AwsStatus::OtherAccount;
    }
    match health.aws.state {
        AwsState::Ok if health.scope.is_none() || health.other_accounts.is_none() => {
            AwsStatus::Unknown
        }
        AwsState::Ok => AwsStatus::Ok,
        AwsState::Throttled => AwsStatus::Throttled,
        AwsState::InvalidCredentials => AwsStatus::InvalidCredentials,
        AwsState::Unreachable => AwsStatus::Unreachable,
        AwsState::Denied => AwsStatus::Denied,
        AwsState::Unknown => AwsStatus::Unknown,
    }
}
