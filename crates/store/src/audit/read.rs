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
        // Rows of earlier releases have earlier words for some actions.
        let words = filter.action.map(|action| {
            let words = action.stored_words().into_iter();
            words.map(str::to_owned).collect::<Vec<_>>()
        });
        let rows = read!(
            self,
            fetch_all,
            sqlx::query_as!(
                EventRow,
                r#"/* audit */
                SELECT seq AS "seq!", id AS "id!", at AS "at!", cluster AS "cluster!",
                       binding_id AS "binding_id!", generation AS "generation!",
                       action AS "action!", actor AS "actor!", request_id AS "request_id?",
                       from_state AS "from_state?", to_state AS "to_state!", detail AS "detail!"
                FROM audit_page($1, $2, $3, $4, $5, $6, $7, $8)"#,
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
