//! The audit log: `/v1/audit`.

use std::error::Error;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use engine_roles_contract::{AuditEvent, AuditPage, AuditQuery};
use engine_roles_domain::audit::{EventAction, SequencedEvent};
use engine_roles_domain::caller::Caller;
use engine_roles_domain::cluster::ClusterName;
use engine_roles_provisioner::{Permit, Provisioner};
use engine_roles_store::{AuditFilter, StoreError};
use futures::stream::try_unfold;

use crate::prefer::Prefer;
use crate::problem::Problem;
use crate::request_path::must_see;
use crate::request_query::Parameters;
use crate::words::state_to_wire;

/// The most events on a page.
const LONGEST_PAGE: i64 = 1000;
const STREAM_PAGE: i64 = 500;
/// The greatest `after`: the greatest whole number that every reader of JSON reads exactly.
pub(crate) const GREATEST_SEQ: i64 = (1 << 53) - 1;
/// The longest text that is accepted as the name of an actor, in characters.
const LONGEST_ACTOR: usize = 256;
const NDJSON: &str = "application/x-ndjson";

/// List the events of the audit log, in the order of their numbers.
///
/// With `Accept: application/x-ndjson` the answer has one event on each line; without a `limit` it
/// then streams all matching events instead of one page. With `Prefer: wait=SECONDS` the request waits
/// for the next matching event (a watch): go on from `next_after`.
#[utoipa::path(
    get, path = "/v1/audit", operation_id = "listAuditEvents", tag = "audit",
    params(
        AuditQuery,
        ("Prefer" = Option<String>, Header, example = "wait=10", description = "How long the caller waits for the next matching event: `wait=SECONDS` (default 0, at most 120)"),
    ),
    responses(
        (status = 200, description = "A page of events, or the events as lines of JSON", content(
            (AuditPage = "application/json"),
            (AuditEvent = "application/x-ndjson"),
        )),
    ),
)]
pub(crate) async fn list(
    State(provisioner): State<Provisioner>,
    Extension(caller): Extension<Caller>,
    Extension(permit): Extension<Permit>,
    headers: HeaderMap,
    prefer: Prefer,
    mut query: Parameters,
) -> Result<Response, Problem> {
    let is_limited = query.has("limit");
    let limit = query.limit(LONGEST_PAGE);
    let filter = AuditFilter {
        prefix: caller.prefix.clone(),
        ..filter(&mut query)
    };
    query.end()?;
    if let Some(cluster) = &filter.cluster {
        must_see(&caller, cluster)?;
    }
    if !is_limited && accepts_ndjson(&headers) {
        return stream(provisioner, filter, permit).await;
    }
    let page = provisioner
        .audit(&filter, limit, prefer.wait_for_read())
        .await?;
    let items = page.events.into_iter().map(to_wire);
    let applied = prefer.applied_to_read();
    if accepts_ndjson(&headers) {
        let lines: String = items.map(|event| line(&event)).collect();
        return Ok((applied, ndjson(), lines).into_response());
    }
    let body = AuditPage {
        items: items.collect(),
        next_after: page.examined,
    };
    Ok((applied, [(VARY, "accept")], Json(body)).into_response())
}

/// Returns the headers of an answer that is lines of JSON because of the request's `Accept`.
fn ndjson() -> [(HeaderName, &'static str); 2] {
    [(CONTENT_TYPE, NDJSON), (VARY, "accept")]
}

/// Takes the parameters of a filter.
pub(crate) fn filter(query: &mut Parameters) -> AuditFilter {
    let seq = format!("must be a number from 0 to {GREATEST_SEQ}");
    let actor = format!("must be at most {LONGEST_ACTOR} characters without control characters");
    AuditFilter {
        cluster: query.valid("cluster", ClusterName::parse),
        // Postgres stores no NUL.
        actor: query.read("actor", &actor, |text| {
            let is_valid =
                text.chars().count() <= LONGEST_ACTOR && !text.chars().any(char::is_control);
            is_valid.then(|| text.to_owned())
        }),
        action: query.read(
            "action",
            "must be one of the audit log's actions",
            EventAction::parse,
        ),
        since: query.time("since"),
        until: query.time("until"),
        prefix: None,
        after: query
            .number("after", &seq, 0..=GREATEST_SEQ)
            .unwrap_or_default(),
    }
}

fn accepts_ndjson(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_ndjson = parts
            .next()
            .is_some_and(|it| it.eq_ignore_ascii_case(NDJSON));
        is_ndjson && !parts.any(is_weight_of_zero)
    })
}

/// Returns whether a parameter of `Accept` or `Accept-Encoding` says that what it belongs to is not
/// acceptable (RFC 9110, section 12.4.2).
pub(crate) fn is_weight_of_zero(parameter: &str) -> bool {
    let weight = parameter
        .strip_prefix("q=")
        .or(parameter.strip_prefix("Q="));
    weight.is_some_and(|weight| weight.parse() == Ok(0.0))
}

/// Reads page by page, since the log may be far larger than memory. The first page is read before the
/// answer begins, so that a failure there gets its own status. A later failure breaks the connection,
/// so that no reader takes an incomplete answer for a complete one.
async fn stream(
    provisioner: Provisioner,
    filter: AuditFilter,
    permit: Permit,
) -> Result<Response, Problem> {
    let first = read_lines(&provisioner, filter).await?;
    let pages = try_unfold(Next::Lines(first), move |next| {
        let (provisioner, permit) = (provisioner.clone(), permit.clone());
        async move {
            if permit.has_ended() {
                return Err("the API key, or the certificate, stopped being valid".into());
            }
            let lines = match next {
                Next::Lines(lines) => lines,
                Next::Read(filter) => read_lines(&provisioner, filter).await?,
                Next::End => return Ok(None),
            };
            let next = lines.rest.map_or(Next::End, Next::Read);
            Ok::<_, Box<dyn Error + Send + Sync>>(Some((lines.text, next)))
        }
    });
    Ok((ndjson(), Body::from_stream(pages)).into_response())
}

/// What a stream of events sends next.
enum Next {
    Lines(Lines),
    Read(AuditFilter),
    End,
}

/// Some events as lines of JSON, and the filter of the events after them, if there may be any.
struct Lines {
    text: String,
    rest: Option<AuditFilter>,
}

async fn read_lines(
    provisioner: &Provisioner,
    mut filter: AuditFilter,
) -> Result<Lines, StoreError> {
    let page = provisioner.audit(&filter, STREAM_PAGE, Duration::ZERO);
    let page = page.await?;
    filter.after = page.examined;
    let lines = page.events.into_iter().map(|event| line(&to_wire(event)));
    Ok(Lines {
        text: lines.collect(),
        rest: (!page.is_last).then_some(filter),
    })
}

fn line(event: &AuditEvent) -> String {
    let mut text = serde_json::to_string(event).expect("plain data with text keys serialises");
    text.push('\n');
    text
}

fn to_wire(entry: SequencedEvent) -> AuditEvent {
    let change = entry.change.as_ref();
    let state = |state| state_to_wire(state).into();
    AuditEvent {
        seq: entry.seq,
        id: entry.id,
        at: entry.at,
        cluster: change.map(|change| change.cluster.to_string()),
        binding_id: change.map(|change| change.binding_id.0),
        generation: change.map(|change| change.generation),
        action: entry.action.as_str().to_owned(),
        outcome: entry.action.outcome().as_str().to_owned(),
        from_state: change.and_then(|change| change.from_state).map(state),
        to_state: change.map(|change| state(change.to_state)),
        role_id: change.and_then(|change| change.role_id.clone()),
        actor: entry.actor.0,
        key_id: entry.key_id,
        source: entry.source,
        request_id: entry.request_id,
        trace_id: entry.trace_id,
        aws_request_ids: entry.aws_request_ids,
        detail: entry.detail,
    }
}
