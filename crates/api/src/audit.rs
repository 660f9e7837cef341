//! The audit log: `/v1/audit`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{EventAction, SequencedEvent};
use engine_roles_domain::cluster::ClusterName;
use engine_roles_provisioner::Provisioner;
use engine_roles_store::{AuditFilter, StoreError};
use futures::stream::try_unfold;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::error::{Code, Problem, ProblemBody};
use crate::request_body::StrictQuery;
use crate::router::Api;

const DEFAULT_LIMIT: i64 = 100;
const STREAM_PAGE: i64 = 500;
const NDJSON: &str = "application/x-ndjson";

/// Which events, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Of this cluster only.
    cluster: Option<String>,
    /// By this actor only: an API key's name, or `reconciler`.
    actor: Option<String>,
    /// Of this action only.
    action: Option<String>,
    /// Not before this time.
    since: Option<DateTime<Utc>>,
    /// Before this time.
    until: Option<DateTime<Utc>>,
    /// With a greater `seq` only.
    after: Option<i64>,
    /// 1 to 1000, default 100.
    limit: Option<i64>,
}

/// One change of a binding.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub(crate) struct EventBody {
    /// Its place in the log, from 1, without gaps.
    seq: i64,
    id: Uuid,
    at: DateTime<Utc>,
    cluster: String,
    binding_id: Uuid,
    generation: i64,
    action: &'static str,
    actor: String,
    request_id: Option<String>,
    from_state: Option<&'static str>,
    to_state: &'static str,
    #[schema(value_type = Object)]
    detail: Value,
}

/// A page of events, in order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditPage)]
pub(crate) struct AuditBody {
    items: Vec<EventBody>,
    /// The `after` of the next page; null when there is no more yet.
    next_after: Option<i64>,
}

/// Events of the audit log, in order. `Accept: application/x-ndjson` streams all that match.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit",
    params(AuditQuery),
    responses(
        (status = 200, description = "Events", content(
            (AuditBody = "application/json"),
            (EventBody = "application/x-ndjson"),
        )),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    headers: HeaderMap,
    StrictQuery(query): StrictQuery<AuditQuery>,
) -> Result<Response, Problem> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=1000).contains(&limit) {
        return Err(Problem::field(
            Code::InvalidRequest,
            "limit",
            "must be 1 to 1000",
        ));
    }
    let streams = query.limit.is_none() && accepts_ndjson(&headers);
    let filter = query.filter()?;
    if streams {
        return Ok(stream(api.provisioner, filter));
    }
    let mut events = api.provisioner.audit(&filter, limit + 1).await?;
    let more = i64::try_from(events.len()).unwrap_or(i64::MAX) > limit;
    if more {
        events.pop();
    }
    let next_after = events.last().filter(|_| more).map(|event| event.seq);
    if accepts_ndjson(&headers) {
        let lines: String = events
            .into_iter()
            .map(|event| line(&event.into()))
            .collect();
        return Ok(([(CONTENT_TYPE, NDJSON)], lines).into_response());
    }
    let items = events.into_iter().map(EventBody::from).collect();
    Ok(Json(AuditBody { items, next_after }).into_response())
}

impl AuditQuery {
    fn filter(self) -> Result<AuditFilter, Problem> {
        let cluster = self
            .cluster
            .map(|text| ClusterName::parse(&text))
            .transpose();
        let action = self.action.map(|text| {
            EventAction::parse(&text).ok_or_else(|| {
                Problem::field(
                    Code::InvalidRequest,
                    "action",
                    "is none of the log's actions",
                )
            })
        });
        Ok(AuditFilter {
            cluster: cluster.map_err(|error| Problem::invalid("cluster", &error))?,
            cluster_prefix: None,
            actor: self.actor,
            action: action.transpose()?,
            since: self.since,
            until: self.until,
            after: self.after.unwrap_or(0),
        })
    }
}

fn accepts_ndjson(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accept
        .split(',')
        .any(|range| range.split(';').next().unwrap_or_default().trim() == NDJSON)
}

// Page by page: the log may be far larger than memory. A failure in the middle breaks the
// connection, so that no reader takes a part for the whole.
fn stream(provisioner: Provisioner, filter: AuditFilter) -> Response {
    let pages = try_unfold(Some(filter), move |filter| {
        let provisioner = provisioner.clone();
        async move {
            let Some(mut filter) = filter else {
                return Ok(None);
            };
            let events = provisioner.audit(&filter, STREAM_PAGE).await?;
            let Some(last) = events.last() else {
                return Ok(None);
            };
            filter.after = last.seq;
            let full = i64::try_from(events.len()).unwrap_or(i64::MAX) == STREAM_PAGE;
            let lines: String = events
                .into_iter()
                .map(|event| line(&event.into()))
                .collect();
            Ok::<_, StoreError>(Some((lines, full.then_some(filter))))
        }
    });
    ([(CONTENT_TYPE, NDJSON)], Body::from_stream(pages)).into_response()
}

fn line(event: &EventBody) -> String {
    let mut text = serde_json::to_string(event).expect("plain data with text keys serialises");
    text.push('\n');
    text
}

impl From<SequencedEvent> for EventBody {
    fn from(entry: SequencedEvent) -> Self {
        Self {
            seq: entry.seq,
            id: entry.id,
            at: entry.at,
            cluster: entry.cluster.to_string(),
            binding_id: entry.binding_id.0,
            generation: entry.generation,
            action: entry.event.action.as_str(),
            actor: entry.event.actor.0,
            request_id: entry.event.request_id,
            from_state: entry
                .from_state
                .map(engine_roles_domain::binding::State::as_str),
            to_state: entry.to_state.as_str(),
            detail: entry.event.detail,
        }
    }
}
