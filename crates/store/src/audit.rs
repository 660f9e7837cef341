//! The append-only audit log.
//!
//! A writer inserts its event into `audit_pending`, in the transaction that makes the change. The
//! sequencer moves the events to `audit_events` and numbers them, so that the numbers have no gaps
//! and follow the order in which the changes of each binding were committed: numbers that the
//! writers took from a counter could become visible in another order. Readers see numbered events
//! only, and wait for no writer and no sequencer.

mod partitions;
mod read;
mod sequencer;

use engine_roles_domain::binding::{BindingId, Cause, EventDetail, State};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;
use crate::row::to_json;

pub use partitions::Maintained;
pub use read::AuditFilter;
pub use sequencer::Sequenced;

/// Appends an event with the generation and state that the binding has in this transaction.
pub(crate) async fn append(
    connection: &mut PgConnection,
    binding: BindingId,
    from_state: Option<State>,
    cause: &Cause,
    event: &EventDetail,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO audit_pending (id, at, namespace, cluster, binding_id, generation, action,
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
