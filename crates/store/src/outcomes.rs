//! Outcomes: what a worker did. An outcome is recorded only while generation, revision and lease
//! match.

use chrono::{DateTime, Utc};
use engine_roles_domain::audit::Cause;
use engine_roles_domain::binding::lifecycle::{Transition, superseded};
use engine_roles_domain::binding::{Binding, Consistency};
use serde_json::Value;
use uuid::Uuid;

use crate::audit::append;
use crate::connection::read;
use crate::notify::CHANNEL;
use crate::operation::run_for;
use crate::row::{BindingRow, select_binding, update_binding};
use crate::{Lease, Operation, Store, StoreError};

/// What happens to the lease when an outcome is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The worker keeps the lease and continues.
    Keep,
    /// The worker has finished and releases the lease.
    Release {
        /// When the binding is due again; none when only a request makes it due.
        due_at: Option<DateTime<Utc>>,
    },
    /// The worker stops before it has finished: the binding is due at once, and the other replicas
    /// are notified.
    HandOver,
}

/// Whether an outcome was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The outcome and its event were written.
    Written,
    /// The binding was changed first, usually by another request. What was learned about AWS was
    /// written, but not the outcome. The worker still has the lease, whose binding now has the new
    /// intent.
    Superseded,
    /// The lease was lost: nothing was written, and the worker must stop.
    Lost,
}

/// The answer of a statement that records an outcome.
struct WrittenRow {
    revision: i64,
    updated_at: DateTime<Utc>,
    writes_resolved_at: Option<DateTime<Utc>>,
}

/// How often a worker merges what it learned into a record that others keep changing.
const MERGE_ATTEMPTS: u32 = 8;

impl Store {
    /// Records the binding and the event of a transition in one statement, but only while generation,
    /// revision and lease match. `aws_request_ids` are the ids of the AWS calls that led to the event. [`Next::Release`] and [`Next::HandOver`] end the lease.
    ///
    /// # Errors
    /// When the database fails. The outcome may have been recorded: see [`Store::find_outcome`].
    pub async fn record(
        &self,
        lease: &mut Lease,
        transition: &Transition,
        cause: &Cause,
        aws_request_ids: &[String],
        next: Next,
        operation: Operation,
    ) -> Result<Recorded, StoreError> {
        let held = lease.binding.clone();
        let (from, event) = (Some(held.state()), transition.event.as_ref());
        let event = append::of_binding(Uuid::now_v7(), cause, from, aws_request_ids, event);
        let written = self
            .write_outcome(lease, &held, transition, event, next, operation)
            .await;
        let written = match written {
            Err(error) if error.is_conflict() => None,
            other => other?,
        };
        let Some(row) = written else {
            return self
                .keep_what_was_learned(lease, &transition.binding, operation)
                .await;
        };
        lease.binding = Binding {
            revision: row.revision,
            updated_at: row.updated_at,
            consistency: Consistency {
                writes_resolved_at: row.writes_resolved_at,
                ..transition.binding.consistency
            },
            ..transition.binding.clone()
        };
        Ok(Recorded::Written)
    }

    /// Writes a transition over the binding as it was read, `held`, while the lease lasts.
    async fn write_outcome(
        &self,
        lease: &Lease,
        held: &Binding,
        transition: &Transition,
        event: Option<Value>,
        next: Next,
        operation: Operation,
    ) -> Result<Option<WrittenRow>, StoreError> {
        let binding = &transition.binding;
        let (keep, due_at) = match next {
            Next::Keep => (true, None),
            Next::Release { due_at } => (false, due_at),
            Next::HandOver => (false, Some(lease.now())),
        };
        // A record that changes nothing keeps its time, and so its revision.
        let updated_at = (event.is_none() && is_same(binding, held)).then_some(held.updated_at);
        macro_rules! statement {
            ($comment:literal) => {
                update_binding!(
                    WrittenRow,
                    $comment,
                    r"WITH clock AS MATERIALIZED (SELECT service_now() AS now),
             held AS MATERIALIZED (
                 SELECT w.binding_id FROM work w, clock
                 WHERE w.binding_id = $1 AND w.lease_token = $21
                   AND lease_is_held(w.lease_until, w.lease_replica, clock.now)
                 FOR UPDATE OF w
             ),
             written AS (",
                    r#"FROM held, clock
                 WHERE b.id = held.binding_id AND b.generation = $22 AND b.revision = $23
                 RETURNING b.id, b.namespace, b.cluster, b.generation, b.state, b.role_id,
                           b.revision, b.updated_at
             ),
             numbered AS (
                 UPDATE clusters c SET generation = written.generation FROM written
                 WHERE c.namespace = written.namespace AND c.cluster = written.cluster
                   AND c.generation < written.generation
             ),
             released AS (
                 UPDATE work w
                 SET lease_token = CASE WHEN $25 THEN w.lease_token END,
                     lease_until = CASE WHEN $25 THEN w.lease_until END,
                     lease_replica = CASE WHEN $25 THEN w.lease_replica END,
                     reads_consistent_at = $18,
                     writes_resolved_at = GREATEST(w.writes_resolved_at, $19)
                 FROM written WHERE w.binding_id = written.id
                 RETURNING w.binding_id, w.writes_resolved_at
             ),
             -- While a write may still take effect, the binding is due when it can no more.
             next AS (
                 SELECT r.binding_id,
                        CASE WHEN r.writes_resolved_at > clock.now
                             THEN LEAST($24, r.writes_resolved_at) ELSE $24 END AS due_at
                 FROM released r, clock WHERE NOT $25
             ),
             unscheduled AS (
                 DELETE FROM schedule s USING next
                 WHERE s.binding_id = next.binding_id AND next.due_at IS NULL
             ),
             scheduled AS (
                 INSERT INTO schedule (binding_id, namespace, due_at)
                 SELECT next.binding_id, written.namespace, next.due_at FROM next, written
                 WHERE next.due_at IS NOT NULL
                 ON CONFLICT (binding_id) DO UPDATE SET due_at = EXCLUDED.due_at
             )
             SELECT written.revision, written.updated_at, released.writes_resolved_at
             FROM written CROSS JOIN released CROSS JOIN clock
             WHERE audit_append($26, clock.now, written.namespace, written.cluster, written.id,
                                written.generation, written.state, written.role_id) IS NOT NULL
               -- The notification is sent with the commit.
               AND CASE WHEN $27 THEN pg_notify($28, written.namespace)::text IS NOT NULL
                        ELSE true END"#,
                    binding,
                    updated_at,
                    lease.token,
                    held.generation,
                    held.revision,
                    due_at,
                    keep,
                    event,
                    next == Next::HandOver,
                    CHANNEL,
                )
            };
        }
        run_for!(operation, self, fetch_optional, statement)
    }

    /// Records what was learned about AWS under an intent that was changed since. The lease's binding
    /// changes only with the answer: the caller repeats its record after an error, and that record must
    /// never match the new intent.
    async fn keep_what_was_learned(
        &self,
        lease: &mut Lease,
        learned: &Binding,
        operation: Operation,
    ) -> Result<Recorded, StoreError> {
        for _ in 0..MERGE_ATTEMPTS {
            let Some(current) = self.held_binding(lease, operation).await? else {
                return Ok(Recorded::Lost);
            };
            let transition = Transition::silent(superseded(current.clone(), learned));
            let written = self
                .write_outcome(lease, &current, &transition, None, Next::Keep, operation)
                .await;
            match written {
                Ok(Some(row)) => {
                    lease.binding = Binding {
                        revision: row.revision,
                        updated_at: row.updated_at,
                        ..transition.binding
                    };
                    return Ok(Recorded::Superseded);
                }
                Ok(None) => {}
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Recorded::Lost)
    }

    /// Returns the leased binding as it is now; none when the lease was lost.
    async fn held_binding(
        &self,
        lease: &Lease,
        operation: Operation,
    ) -> Result<Option<Binding>, StoreError> {
        macro_rules! statement {
            ($comment:literal) => {
                select_binding!(
                    $comment,
                    "WHERE b.id = $1 AND w.lease_token = $2
                       AND lease_is_held(w.lease_until, w.lease_replica, service_now())",
                    lease.binding.id.0,
                    lease.token,
                )
            };
        }
        let row = run_for!(read, operation, self, fetch_optional, statement)?;
        row.map(BindingRow::into_binding).transpose()
    }

    /// Returns whether an outcome whose recording was not answered was recorded: then the lease's
    /// binding is the recorded one. A statement that was sent may still run until the server's own
    /// time limit ends it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_outcome(
        &self,
        lease: &mut Lease,
        transition: &Transition,
        next: Next,
    ) -> Result<Option<Recorded>, StoreError> {
        let row = read!(
            self,
            fetch_optional,
            select_binding!("/* find outcome */ ", "WHERE b.id = $1", lease.binding.id.0)
        )?;
        let Some(row) = row else {
            return Ok(Some(Recorded::Lost));
        };
        let is_ours = row.lease_token == Some(lease.token);
        let current = row.into_binding()?;
        let is_written = is_same(&current, &transition.binding)
            && current.revision > lease.binding.revision
            && is_ours == (next == Next::Keep);
        if is_written {
            lease.binding = current;
            return Ok(Some(Recorded::Written));
        }
        Ok((!is_ours).then_some(Recorded::Lost))
    }
}

/// Returns whether two records of a binding differ at most in what callers do not see and in the time
/// of the last change.
fn is_same(one: &Binding, other: &Binding) -> bool {
    let seen = |binding: &Binding| Binding {
        revision: 0,
        updated_at: DateTime::UNIX_EPOCH,
        consistency: Consistency::default(),
        ..binding.clone()
    };
    seen(one) == seen(other)
}
