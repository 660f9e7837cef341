//! Reads of the audit log.

use chrono::{DateTime, Utc};
use engine_roles_domain::audit::{Actor, BindingChange, EventAction, SequencedEvent};
use engine_roles_domain::binding::BindingId;
use engine_roles_domain::caller::ClusterPrefix;
use engine_roles_domain::cluster::ClusterName;
use engine_roles_domain::invalid::UnknownWord;
use uuid::Uuid;

use super::column::{Detail, Texts, Time};
use crate::connection::read;
use crate::{Store, StoreError};

/// Selects events of the audit log. A field that is none selects all.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only events of this cluster's bindings.
    pub cluster: Option<ClusterName>,
    /// Only events about clusters whose names begin with this prefix. No index has it: the events that the
    /// rest of the filter selects are read and compared.
    pub prefix: Option<ClusterPrefix>,
    /// Only events that the API key or task with this name caused.
    pub actor: Option<String>,
    /// Only events of this kind.
    pub action: Option<EventAction>,
    /// Only events written at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Only events written before this time.
    pub until: Option<DateTime<Utc>>,
    /// Only events with a greater number; 0 for all.
    pub after: i64,
}

/// A page of the audit log.
#[derive(Clone, Debug, Default)]
pub struct AuditPage {
    /// The events that the filter selects, lowest number first.
    pub events: Vec<SequencedEvent>,
    /// The greatest number that was examined, whether its event was selected or not: what comes later
    /// has greater numbers.
    pub examined: i64,
    /// Whether the log had nothing after that number when it was read.
    pub is_last: bool,
}

/// How many events are read at a time for a page of the events of a prefix.
const COMPARED_PAGE: i64 = 1_000;
/// How many events are read at most for a page of the events of a prefix.
const MOST_COMPARED: usize = 20_000;

struct EventRow {
    seq: i64,
    id: Uuid,
    at: Time,
    cluster: Option<String>,
    binding_id: Option<Uuid>,
    generation: Option<i64>,
    action: String,
    actor: String,
    request_id: Option<String>,
    from_state: Option<String>,
    to_state: Option<String>,
    detail: Detail,
    role_id: Option<String>,
    key_id: Option<Uuid>,
    source: Option<String>,
    trace_id: Option<String>,
    aws_request_ids: Texts,
}

/// The head of the log, with an event of the page; the page is empty where there is no event.
struct PageRow {
    head: i64,
    seq: Option<i64>,
    id: Option<Uuid>,
    at: Option<Time>,
    cluster: Option<String>,
    binding_id: Option<Uuid>,
    generation: Option<i64>,
    action: Option<String>,
    actor: Option<String>,
    request_id: Option<String>,
    from_state: Option<String>,
    to_state: Option<String>,
    detail: Option<Detail>,
    role_id: Option<String>,
    key_id: Option<Uuid>,
    source: Option<String>,
    trace_id: Option<String>,
    aws_request_ids: Option<Texts>,
}

impl Store {
    /// Returns at most `limit` numbered events, lowest number first. An event gets its number within
    /// about a second after the change was committed. With a prefix, the page may have fewer events
    /// although more are selected after the examined number. An event that can't be read ends the page
    /// before it.
    ///
    /// # Errors
    /// When the database does not answer, or when the first event of the page can't be read.
    pub async fn audit(&self, filter: &AuditFilter, limit: i64) -> Result<AuditPage, StoreError> {
        let Some(prefix) = &filter.prefix else {
            return self.audit_page(filter, limit).await;
        };
        let mut filter = filter.clone();
        let mut found = AuditPage::default();
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut compared = 0;
        loop {
            let page = match self.audit_page(&filter, COMPARED_PAGE).await {
                // The events before it are returned first.
                Err(StoreError::UnreadableEvent { .. }) if !found.events.is_empty() => {
                    return Ok(found);
                }
                page => page?,
            };
            compared += page.events.len();
            found.examined = page.examined;
            found.is_last = page.is_last;
            for event in page.events {
                let cluster = event.change.as_ref().map(|change| change.cluster.as_str());
                if cluster.is_some_and(|cluster| cluster.starts_with(prefix.as_str())) {
                    found.examined = event.seq;
                    found.events.push(event);
                }
                if found.events.len() == wanted {
                    found.is_last = false;
                    return Ok(found);
                }
            }
            found.examined = page.examined;
            if page.is_last || compared >= MOST_COMPARED {
                return Ok(found);
            }
            filter.after = page.examined;
        }
    }

    async fn audit_page(&self, filter: &AuditFilter, limit: i64) -> Result<AuditPage, StoreError> {
        // Rows of earlier releases have earlier words for some actions.
        let words = filter.action.map(|action| {
            let words = action.stored_words().into_iter();
            words.map(str::to_owned).collect::<Vec<_>>()
        });
        let rows = read!(
            self,
            fetch_all,
            sqlx::query_as!(
                PageRow,
                r#"/* audit */
                SELECT COALESCE((SELECT seq FROM audit_heads WHERE namespace = $1), 0) AS "head!",
                       page.seq AS "seq?", page.id AS "id?", page.at AS "at?: Time",
                       page.cluster AS "cluster?", page.binding_id AS "binding_id?",
                       page.generation AS "generation?", page.action AS "action?",
                       page.actor AS "actor?", page.request_id AS "request_id?",
                       page.from_state AS "from_state?", page.to_state AS "to_state?",
                       page.detail AS "detail?: Detail", page.role_id AS "role_id?",
                       page.key_id AS "key_id?", page.source AS "source?",
                       page.trace_id AS "trace_id?", page.aws_request_ids AS "aws_request_ids?: Texts"
                FROM (SELECT) AS log
                LEFT JOIN audit_page($1, $2, $3, $4, $5, $6, $7, $8) AS page ON true
                ORDER BY page.seq"#,
                self.namespace.as_str(),
                filter.after,
                filter.since,
                filter.until,
                filter.cluster.as_ref().map(ClusterName::as_str),
                filter.actor.as_deref(),
                words.as_deref(),
                limit,
            )
        )?;
        let head = rows.first().map_or(0, |row| row.head);
        let rows = rows.into_iter().filter_map(PageRow::into_event);
        // Only the owner of the tables can add an event with a greater number.
        let (events, unreadable) = readable(rows.filter(|row| row.seq <= head));
        if let Some(error) = unreadable {
            let StoreError::UnreadableEvent { seq, .. } = error else {
                return Err(error);
            };
            if events.is_empty() {
                return Err(error);
            }
            return Ok(AuditPage {
                is_last: false,
                events,
                examined: seq - 1,
            });
        }
        let is_full = i64::try_from(events.len()).is_ok_and(|count| count >= limit);
        let examined = match events.last() {
            Some(last) if is_full => last.seq,
            _ => head.max(filter.after),
        };
        Ok(AuditPage {
            is_last: examined >= head,
            events,
            examined,
        })
    }

    /// Returns at most `limit` numbered events after this number, lowest number first, for the tree
    /// over the audit log. An event that can't be read ends them.
    ///
    /// # Errors
    /// When the database does not answer, or the first event can't be read.
    pub async fn audit_after(
        &self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<SequencedEvent>, StoreError> {
        let rows = read!(
            self,
            fetch_all,
            sqlx::query_as!(
                EventRow,
                r#"/* task: audit_tree */
                SELECT e.seq, e.id, e.at AS "at: Time", e.cluster, e.binding_id, e.generation,
                       e.action, e.actor, e.request_id, e.from_state, e.to_state,
                       e.detail AS "detail: Detail", e.role_id, e.key_id, e.source, e.trace_id,
                       e.aws_request_ids AS "aws_request_ids: Texts"
                FROM audit_events e
                WHERE e.namespace = $1 AND e.seq > $2
                ORDER BY e.seq LIMIT $3"#,
                self.namespace.as_str(),
                after,
                limit,
            )
        )?;
        let (events, unreadable) = readable(rows);
        match unreadable {
            Some(error) if events.is_empty() => Err(error),
            _ => Ok(events),
        }
    }

    /// Returns the greatest number of the audit log; 0 for an empty log.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_head(&self) -> Result<i64, StoreError> {
        let row = read!(
            self,
            fetch_optional,
            sqlx::query!(
                "/* audit */ SELECT seq FROM audit_heads WHERE namespace = $1",
                self.namespace.as_str(),
            )
        )?;
        Ok(row.map_or(0, |row| row.seq))
    }
}

impl PageRow {
    fn into_event(self) -> Option<EventRow> {
        Some(EventRow {
            seq: self.seq?,
            id: self.id?,
            at: self.at?,
            cluster: self.cluster,
            binding_id: self.binding_id,
            generation: self.generation,
            action: self.action?,
            actor: self.actor?,
            request_id: self.request_id,
            from_state: self.from_state,
            to_state: self.to_state,
            detail: self.detail?,
            role_id: self.role_id,
            key_id: self.key_id,
            source: self.source,
            trace_id: self.trace_id,
            aws_request_ids: self.aws_request_ids?,
        })
    }
}

impl EventRow {
    fn into_event(self) -> Result<SequencedEvent, StoreError> {
        let seq = self.seq;
        let unreadable = |column| move || StoreError::UnreadableEvent { seq, column };
        let change = self.change().map_err(|column| unreadable(column)())?;
        Ok(SequencedEvent {
            seq,
            id: self.id,
            at: self.at.0.ok_or_else(unreadable("at"))?,
            change,
            action: EventAction::parse(&self.action).ok_or_else(unreadable("action"))?,
            actor: Actor(self.actor),
            key_id: self.key_id,
            source: self.source,
            request_id: self.request_id,
            trace_id: self.trace_id,
            aws_request_ids: (self.aws_request_ids.0).ok_or_else(unreadable("aws_request_ids"))?,
            detail: self.detail.0.ok_or_else(unreadable("detail"))?,
        })
    }

    /// Returns how a binding changed; none for an event about the installation.
    ///
    /// # Errors
    /// The column that can't be read.
    fn change(&self) -> Result<Option<BindingChange>, &'static str> {
        let (Some(cluster), Some(binding_id), Some(generation), Some(to_state)) = (
            &self.cluster,
            self.binding_id,
            self.generation,
            &self.to_state,
        ) else {
            return Ok(None);
        };
        let from_state = self.from_state.as_ref().map(|state| state.parse());
        Ok(Some(BindingChange {
            cluster: ClusterName::parse(cluster).map_err(|_| "cluster")?,
            binding_id: BindingId(binding_id),
            generation,
            from_state: from_state
                .transpose()
                .map_err(|_: UnknownWord| "from_state")?,
            to_state: to_state.parse().map_err(|_: UnknownWord| "to_state")?,
            role_id: self.role_id.clone(),
        }))
    }
}

/// Returns the events before the first one that can't be read, and why that one can't.
fn readable(rows: impl IntoIterator<Item = EventRow>) -> (Vec<SequencedEvent>, Option<StoreError>) {
    let mut events = Vec::new();
    for row in rows {
        match row.into_event() {
            Ok(event) => events.push(event),
            Err(error) => return (events, Some(error)),
        }
    }
    (events, None)
}
