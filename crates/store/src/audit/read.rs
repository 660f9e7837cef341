//! Reads of the audit log.

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{Actor, BindingId, EventAction, SequencedEvent};
use engine_roles_domain::cluster::ClusterName;
use engine_roles_domain::invalid::UnknownWord;
use serde_json::Value;
use uuid::Uuid;

use crate::connection::read;
use crate::row::corrupt;
use crate::{Store, StoreError};

/// Selects events of the audit log. A field that is none selects all.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only events of this cluster's bindings.
    pub cluster: Option<ClusterName>,
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

struct EventRow {
    seq: i64,
    id: Uuid,
    at: DateTime<Utc>,
    cluster: String,
    binding_id: Uuid,
    generation: i64,
    action: String,
    actor: String,
    request_id: Option<String>,
    from_state: Option<String>,
    to_state: String,
    detail: Value,
}

/// Selects events in the order of their numbers. `$condition` is added to the WHERE clause; its
/// arguments start at `$6`. `$words` can add a table of words to the FROM clause: the events of each
/// word are read in the order of their numbers, then merged.
///
/// Each combination of filters is a statement of its own, because Postgres plans a statement once
/// for all arguments. With a condition such as `$6 IS NULL OR cluster = $6` that plan could not use
/// an index for the cluster.
///
/// Times select a range of numbers, since no index has both. Up to the greatest number in
/// `audit_times` with a latest time before `since`, all events are too early. No event is numbered
/// more than `longest_delay` too late, so after a number whose latest time is `until` plus
/// `longest_delay` or later, all events are too late. Between the two, the events' own times decide.
macro_rules! select_events {
    ($store:expr, $filter:expr, $limit:expr, $words:literal, $condition:literal
     $(, $argument:expr)* $(,)?) => {
        read!(
            $store,
            fetch_all,
            sqlx::query_as!(
                EventRow,
                r#"/* audit */
                SELECT found.seq AS "seq!", found.id AS "id!", found.at AS "at!",
                       found.cluster AS "cluster!", found.binding_id AS "binding_id!",
                       found.generation AS "generation!", found.action AS "action!",
                       found.actor AS "actor!", found.request_id AS "request_id?",
                       found.from_state AS "from_state?", found.to_state AS "to_state!",
                       found.detail AS "detail!"
                FROM "# + $words + r#" LATERAL (
                    SELECT e.seq, e.id, e.at, e.cluster, e.binding_id, e.generation, e.action,
                           e.actor, e.request_id, e.from_state, e.to_state, e.detail
                    FROM audit_events e
                    WHERE e.namespace = $1
                      AND e.seq > GREATEST($2, CASE WHEN $3::timestamptz IS NOT NULL THEN (
                          SELECT t.seq FROM audit_times t
                          WHERE t.namespace = $1 AND t.latest_at < $3
                          ORDER BY t.latest_at DESC, t.seq DESC LIMIT 1) END)
                      AND e.seq <= COALESCE(CASE WHEN $4::timestamptz IS NOT NULL THEN (
                          SELECT t.seq FROM audit_times t
                          WHERE t.namespace = $1 AND t.latest_at >= $4 + (
                              SELECT h.longest_delay FROM audit_heads h WHERE h.namespace = $1)
                          ORDER BY t.latest_at, t.seq LIMIT 1) END, 9223372036854775807)
                      AND ($3 IS NULL OR e.at >= $3)
                      AND ($4 IS NULL OR e.at < $4)"# + $condition + r#"
                    ORDER BY e.seq
                    LIMIT $5
                ) found
                ORDER BY found.seq
                LIMIT $5"#,
                $store.namespace.as_str(),
                $filter.after,
                $filter.since,
                $filter.until,
                $limit
                $(, $argument)*
            )
        )
    };
}

impl Store {
    /// Returns at most `limit` numbered events, lowest number first. An event gets its number within
    /// about a second after the change was committed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        limit: i64,
    ) -> Result<Vec<SequencedEvent>, StoreError> {
        let cluster = filter.cluster.as_ref().map(ClusterName::as_str);
        let actor = filter.actor.as_deref();
        // Rows of earlier releases have earlier words for some actions.
        let words = filter.action.map(|action| {
            let words = action.stored_words().into_iter();
            words.map(str::to_owned).collect::<Vec<_>>()
        });
        let rows = match (cluster, actor, words.as_deref()) {
            (None, None, None) => select_events!(self, filter, limit, "", ""),
            (Some(cluster), None, None) => select_events!(
                self,
                filter,
                limit,
                "",
                r#" AND e.cluster = $6::text COLLATE "C""#,
                cluster,
            ),
            (None, Some(actor), None) => select_events!(
                self,
                filter,
                limit,
                "",
                r#" AND e.actor = $6::text COLLATE "C""#,
                actor,
            ),
            (Some(cluster), Some(actor), None) => select_events!(
                self,
                filter,
                limit,
                "",
                r#" AND e.cluster = $6::text COLLATE "C" AND e.actor = $7::text COLLATE "C""#,
                cluster,
                actor,
            ),
            (None, None, Some(words)) => select_events!(
                self,
                filter,
                limit,
                "unnest($6::text[]) AS word,",
                r#" AND e.action = word COLLATE "C""#,
                words,
            ),
            (Some(cluster), None, Some(words)) => select_events!(
                self,
                filter,
                limit,
                "unnest($6::text[]) AS word,",
                r#" AND e.action = word COLLATE "C" AND e.cluster = $7::text COLLATE "C""#,
                words,
                cluster,
            ),
            (None, Some(actor), Some(words)) => select_events!(
                self,
                filter,
                limit,
                "unnest($6::text[]) AS word,",
                r#" AND e.action = word COLLATE "C" AND e.actor = $7::text COLLATE "C""#,
                words,
                actor,
            ),
            (Some(cluster), Some(actor), Some(words)) => select_events!(
                self,
                filter,
                limit,
                "unnest($6::text[]) AS word,",
                r#" AND e.action = word COLLATE "C" AND e.cluster = $7::text COLLATE "C"
                      AND e.actor = $8::text COLLATE "C""#,
                words,
                cluster,
                actor,
            ),
        }?;
        rows.into_iter().map(EventRow::into_event).collect()
    }
}

impl EventRow {
    fn into_event(self) -> Result<SequencedEvent, StoreError> {
        let id = self.id;
        let unknown = |column| move |error: UnknownWord| corrupt(id, column, error);
        let from_state = self.from_state.map(|state| state.parse()).transpose();
        let action = EventAction::parse(&self.action).ok_or(UnknownWord);
        Ok(SequencedEvent {
            seq: self.seq,
            id,
            at: self.at,
            cluster: ClusterName::parse(&self.cluster)
                .map_err(|error| corrupt(id, "cluster", error))?,
            binding_id: BindingId(self.binding_id),
            generation: self.generation,
            from_state: from_state.map_err(unknown("from_state"))?,
            to_state: self.to_state.parse().map_err(unknown("to_state"))?,
            action: action.map_err(unknown("action"))?,
            actor: Actor(self.actor),
            request_id: self.request_id,
            detail: self.detail,
        })
    }
}
