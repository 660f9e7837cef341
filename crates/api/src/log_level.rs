//! The level at which this replica logs: `/v1/log-level`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use engine_roles_contract::text::LogLevelText;
use engine_roles_contract::{Code, FieldError, LogLevel, LogLevelRequest};
use engine_roles_domain::caller::Caller;

use crate::problem::Problem;
use crate::request_body::{JsonBody, RequestBody};
use crate::strict_json::Json as JsonValue;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// The beginning of the targets of the service's own lines. Lines of libraries follow the general level
/// only, so that a request can't switch on what the configuration switches off.
const OWN_TARGETS: &str = "engine_roles";
const LEVEL_RULE: &str = "must be off, error, warn, info, debug or trace, or a list of these and of \
                          directives for parts of the service, such as info,engine_roles_iam=debug, of at \
                          most 200 characters";
const TIME_RULE: &str =
    "must be a number of seconds, minutes or hours, such as 600s, 10m or 2h, and at most 24h";

/// The level at which a process logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevelInEffect {
    /// The level, or directives, in effect.
    pub level: String,
    /// The level, or directives, of the configuration.
    pub configured: String,
    /// Until when the level is in effect; none where no time was given.
    pub until: Option<DateTime<Utc>>,
}

/// A change of the level. The level is one that the service accepts from a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevelChange {
    /// The new level, or directives.
    pub level: String,
    /// How long it is in effect; none until the next change.
    pub lasts: Option<Duration>,
    /// Who changes it.
    pub actor: String,
}

/// The level at which this process logs. The program has the log, so it provides the implementation.
pub trait LogLevels: Send + Sync {
    /// Returns the level in effect.
    fn current(&self) -> LogLevelInEffect;

    /// Changes the level, and logs who did so. Returns what is in effect then.
    fn change(&self, change: LogLevelChange) -> LogLevelInEffect;
}

/// Show the level at which this replica logs.
///
/// Behind a load balancer, this is one of several replicas, each of which has its own level.
#[utoipa::path(
    get, path = "/v1/log-level", operation_id = "getLogLevel", tag = "service",
    responses(
        (status = 200, body = LogLevel, description = "The level in effect"),
    ),
)]
pub(crate) async fn get(State(levels): State<Arc<dyn LogLevels>>) -> Response {
    answer(levels.current())
}

/// Change the level at which this replica logs.
///
/// Needs the scope `provision`, and a key that is not limited to some clusters: the log is about all of
/// them. The change is logged as a warning at every level. Behind a load balancer, it concerns one of
/// several replicas, and ends with the process.
#[utoipa::path(
    put, path = "/v1/log-level", operation_id = "setLogLevel", tag = "service",
    request_body = LogLevelRequest,
    responses(
        (status = 200, body = LogLevel, description = "The level in effect"),
    ),
)]
pub(crate) async fn put(
    State(levels): State<Arc<dyn LogLevels>>,
    axum::Extension(caller): axum::Extension<Caller>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    if caller.prefix.is_some() {
        let detail = "the key is limited to some clusters, and the log is about all of them; use \
                      another key";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    let (level, lasts) = parse(&body)?;
    let actor = caller.actor.0;
    let change = LogLevelChange {
        level,
        lasts,
        actor,
    };
    Ok(answer(levels.change(change)))
}

fn answer(in_effect: LogLevelInEffect) -> Response {
    let LogLevelInEffect {
        level,
        configured,
        until,
    } = in_effect;
    let body = LogLevel {
        level,
        configured,
        until,
    };
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Reads the members of the body. Each wrong one is reported, all at once.
fn parse(body: &RequestBody) -> Result<(String, Option<Duration>), Problem> {
    let mut wrong = Vec::new();
    let mut reject = |field: &str, reason: &str| {
        let (field, reason) = (field.to_owned(), reason.to_owned());
        wrong.push((Code::InvalidRequest, FieldError { field, reason }));
    };
    let (mut level, mut lasts) = (None, None);
    let mut seen = Vec::new();
    for (name, value) in body.members() {
        if seen.contains(&name) {
            reject(name, "occurs more than once");
            continue;
        }
        seen.push(name);
        match (name.as_str(), value) {
            ("level", JsonValue::Text(text)) if is_level(text) => level = Some(text.clone()),
            ("level", _) => reject(name, LEVEL_RULE),
            ("for", JsonValue::Null) => {}
            ("for", JsonValue::Text(text)) if short_time(text).is_some() => {
                lasts = short_time(text);
            }
            ("for", _) => reject(name, TIME_RULE),
            _ => reject(name, "is unknown; there are level and for"),
        }
    }
    if !seen.iter().any(|name| *name == "level") {
        reject("level", "is missing");
    }
    Problem::all(wrong)?;
    Ok((level.unwrap_or_default(), lasts))
}

/// Reads a time of at most a day.
pub(crate) fn short_time(text: &str) -> Option<Duration> {
    let number = text.strip_suffix(['s', 'm', 'h'])?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    let value: u64 = number.parse().ok().filter(|_| is_number)?;
    match text.as_bytes().last()? {
        b's' if value < 10_000 => Some(Duration::from_secs(value)),
        b'm' if value < 1_000 => Some(Duration::from_mins(value)),
        b'h' if value <= 24 => Some(Duration::from_hours(value)),
        _ => None,
    }
}

/// Returns whether a caller may set this level.
pub(crate) fn is_level(text: &str) -> bool {
    let is_part = |part: &str| match part.split_once('=') {
        None => LEVELS.contains(&part),
        Some((target, level)) => {
            let rest = target.strip_prefix(OWN_TARGETS);
            let is_valid = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_:".contains(&byte)
            };
            LEVELS.contains(&level) && rest.is_some_and(|rest| rest.bytes().all(is_valid))
        }
    };
    text.len() <= LogLevelText::LONGEST && text.split(',').all(is_part)
}
