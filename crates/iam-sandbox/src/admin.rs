use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call_log::Call;
use crate::config::{Quotas, account_id};
use crate::credentials::Credentials;
use crate::faults::{Fault, Faults};
use crate::layers::PolicyLayer;
use crate::shared::Shared;
use crate::throttle::Throttle;

/// The routes with which tests control and inspect the sandbox.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_sandbox/state", get(state))
        .route("/_sandbox/calls", get(calls).delete(clear_calls))
        .route(
            "/_sandbox/faults",
            get(faults).post(set_faults).delete(clear_faults),
        )
        .route("/_sandbox/clock", get(clock).post(move_clock))
        .route("/_sandbox/behaviour", post(change_behaviour))
        .route(
            "/_sandbox/credentials",
            get(credentials)
                .post(set_credentials)
                .delete(clear_credentials),
        )
        .merge(policies())
        .route("/_sandbox/account", post(switch_account))
        .route("/_sandbox/reset", post(reset))
}

/// A route for the policy of each layer.
fn policies() -> Router<Arc<Shared>> {
    PolicyLayer::ALL.iter().fold(Router::new(), |all, &layer| {
        let set =
            async move |State(shared): Sandbox, Json(policy)| set_policy(layer, &shared, &policy);
        all.route(&format!("/_sandbox/{}", layer.option()), post(set))
    })
}

type Sandbox = State<Arc<Shared>>;

fn invalid(reason: impl std::fmt::Display) -> Response {
    let body = Json(json!({ "error": reason.to_string() }));
    (StatusCode::UNPROCESSABLE_ENTITY, body).into_response()
}

async fn state(State(shared): Sandbox) -> Json<Value> {
    Json(shared.aws().account().state())
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn calls(State(shared): Sandbox, Query(query): Query<Since>) -> Json<Vec<Call>> {
    Json(shared.calls.since(query.since))
}

async fn clear_calls(State(shared): Sandbox) -> StatusCode {
    shared.calls.clear();
    StatusCode::NO_CONTENT
}

/// Returns the faults that are set, with the number of calls that each still affects.
async fn faults(State(shared): Sandbox) -> Json<Vec<Fault>> {
    Json(shared.aws().faults.set().to_vec())
}

async fn set_faults(State(shared): Sandbox, Json(faults): Json<Vec<Fault>>) -> StatusCode {
    shared.aws().faults = Faults::new(faults);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(shared): Sandbox) -> StatusCode {
    shared.aws().faults = Faults::default();
    StatusCode::NO_CONTENT
}

fn clock_reading(shared: &Shared) -> Json<Value> {
    let now = u64::try_from(shared.clock.now().as_millis()).unwrap_or(u64::MAX);
    Json(json!({
        "started_at": shared.clock.started(),
        "now_ms": now,
        "frozen": shared.clock.is_frozen(),
    }))
}

async fn clock(State(shared): Sandbox) -> Json<Value> {
    clock_reading(&shared)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    freeze: Option<bool>,
    #[serde(default)]
    advance_ms: u64,
}

async fn move_clock(State(shared): Sandbox, Json(request): Json<Move>) -> Json<Value> {
    if let Some(frozen) = request.freeze {
        shared.clock.freeze(frozen);
    }
    shared
        .clock
        .advance(Duration::from_millis(request.advance_ms));
    clock_reading(&shared)
}

/// The settings that can be changed while the sandbox runs. A member that is absent leaves its
/// setting unchanged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Behaviour {
    latency_ms: Option<u64>,
    stale_reads_ms: Option<u64>,
    stale_writes: Option<bool>,
    /// IAM calls per second; 0 removes the limit.
    rate: Option<f64>,
    burst: Option<u32>,
    /// In the format of the option `--quota`.
    quota: Option<String>,
    policy_arns: Option<bool>,
}

async fn change_behaviour(State(shared): Sandbox, Json(behaviour): Json<Behaviour>) -> Response {
    let quotas = behaviour.quota.map(|quota| quota.parse::<Quotas>());
    let quotas = match quotas.transpose() {
        Ok(quotas) => quotas,
        Err(reason) => return invalid(reason),
    };
    let mut aws = shared.aws();
    if let Some(ms) = behaviour.latency_ms {
        aws.latency = Duration::from_millis(ms);
    }
    if let Some(ms) = behaviour.stale_reads_ms {
        aws.stale_reads = Duration::from_millis(ms);
    }
    if let Some(stale) = behaviour.stale_writes {
        aws.stale_writes = stale;
    }
    if let Some(rate) = behaviour.rate {
        let now = shared.clock.now();
        let throttle = || Throttle::new(rate, behaviour.burst, now);
        aws.throttle = (rate > 0.0).then(throttle);
    }
    if let Some(quotas) = quotas {
        aws.quotas = quotas;
    }
    if let Some(policy_arns) = behaviour.policy_arns {
        aws.policy_arns = policy_arns;
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn credentials(State(shared): Sandbox) -> Json<Credentials> {
    Json(shared.aws().credentials.clone())
}

async fn set_credentials(
    State(shared): Sandbox,
    Json(credentials): Json<Credentials>,
) -> StatusCode {
    shared.aws().credentials = credentials;
    StatusCode::NO_CONTENT
}

async fn clear_credentials(State(shared): Sandbox) -> StatusCode {
    shared.aws().credentials = Credentials::default();
    StatusCode::NO_CONTENT
}

fn set_policy(layer: PolicyLayer, shared: &Shared, policy: &Value) -> Response {
    let policy = Some(policy).filter(|policy| !policy.is_null());
    match shared.aws().set_policy(layer, policy) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => invalid(error),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountRequest {
    account_id: String,
}

async fn switch_account(State(shared): Sandbox, Json(request): Json<AccountRequest>) -> Response {
    match account_id(&request.account_id) {
        Ok(id) => {
            shared.aws().switch_account(&id);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(reason) => invalid(reason),
    }
}

/// Deletes all accounts, faults and logged calls, and accepts every access key again.
async fn reset(State(shared): Sandbox) -> StatusCode {
    shared.aws().reset();
    shared.calls.clear();
    StatusCode::NO_CONTENT
}
