//! The append-only audit log, and the sequencer that numbers its events.

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{
    Actor, BindingId, Cause, EventAction, EventDetail, SequencedEvent, State,
};
use engine_roles_domain::cluster::ClusterName;
use engine_roles_domain::invalid::UnknownWord;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::row::{corrupt, to_json};
use crate::{Store, StoreError};

/// The first key of the advisory lock that a sequencer holds; the second is a hash of the namespace.
/// An arbitrary constant that no other advisory lock in the database may use.
const SEQUENCER_LOCK: i32 = 0x656e_6772;

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

/// Appends an event with the generation and state that the binding has in this transaction.
pub(crate) async fn append(
    connection: &mut PgConnection,
    binding: BindingId,
    from_state: Option<State>,
    cause: &Cause,
    event: &EventDetail,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO audit_events (id, at, namespace, cluster, binding_id, generation, action,
                                   actor, request_id, from_state, to_state, detail)
         SELECT $1, service_now(), b.namespace, b.cluster, b.id, b.generation, $3, $4, $5, $6,
                b.state, $7
         FROM bindings b WHERE b.id = $2",
        Uuid::now_v7(),
        binding.0,
        event.action().as_str(),
        cause.actor.0,
        cause.request_id,
        from_state.map(State::as_str),
        to_json(event),
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Numbers the events that have no number yet, in the order in which they were written. Returns
    /// how many were numbered. An advisory lock lets one sequencer work at a time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sequence_audit(&self) -> Result<u64, StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "SELECT pg_advisory_xact_lock($1, hashtext($2))",
            SEQUENCER_LOCK,
            self.namespace.as_str(),
        )
        .fetch_one(&mut *tx)
        .await?;
        // The numbers are assigned in a separate statement, so that its snapshot is taken after the
        // lock, and contains every number that the previous holder of the lock assigned.
        let numbered = sqlx::query!(
            "WITH last AS (
                 SELECT COALESCE(max(seq), 0) AS seq FROM audit_events WHERE namespace = $1
             ),
             fresh AS (
                 SELECT id, row_number() OVER (ORDER BY at, generation, id) AS place
                 FROM audit_events WHERE namespace = $1 AND seq IS NULL
             )
             UPDATE audit_events e SET seq = last.seq + fresh.place
             FROM fresh, last WHERE e.id = fresh.id",
            self.namespace.as_str(),
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(numbered)
    }

    /// Returns at most `limit` numbered events, lowest number first.
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
        let rows = sqlx::query!(
            r#"SELECT id, seq AS "seq!", at, cluster, binding_id, generation, action, actor,
                      request_id, from_state, to_state, detail
               FROM audit_events
               WHERE namespace = $1 AND seq > $2
                 AND ($3::text IS NULL OR cluster = $3)
                 AND ($4::text IS NULL OR actor = $4)
                 AND ($5::text[] IS NULL OR action = ANY($5))
                 AND ($6::timestamptz IS NULL OR at >= $6)
                 AND ($7::timestamptz IS NULL OR at < $7)
               ORDER BY seq
               LIMIT $8"#,
            self.namespace.as_str(),
            filter.after,
            filter.cluster.as_ref().map(ClusterName::as_str),
            filter.actor.as_deref(),
            words.as_deref(),
            filter.since,
            filter.until,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let id = row.id;
                let from_state = row.from_state.map(|state| state.parse()).transpose();
                let action = EventAction::parse(&row.action).ok_or(UnknownWord);
                Ok(SequencedEvent {
                    seq: row.seq,
                    id,
                    at: row.at,
                    cluster: ClusterName::parse(&row.cluster)
                        .map_err(|error| corrupt(id, "cluster", error))?,
                    binding_id: BindingId(row.binding_id),
                    generation: row.generation,
                    from_state: from_state
                        .map_err(|error: UnknownWord| corrupt(id, "from_state", error))?,
                    to_state: row
                        .to_state
                        .parse()
                        .map_err(|error: UnknownWord| corrupt(id, "to_state", error))?,
                    action: action.map_err(|error| corrupt(id, "action", error))?,
                    actor: Actor(row.actor),
                    request_id: row.request_id,
                    detail: row.detail,
                })
            })
            .collect()
    }
}
