//! Intents: what a caller asks for, recorded before AWS is called.
//!
//! One statement writes intent, lease and audit event. It begins with a compare-and-swap on what the
//! caller read, and everything else in it acts only on the row that the compare-and-swap returns.

use std::time::Instant;

use chrono::{DateTime, Utc};
use engine_roles_domain::audit::Cause;
use engine_roles_domain::binding::lifecycle::Transition;
use engine_roles_domain::binding::{Binding, Consistency};
use uuid::Uuid;

use crate::audit::append;
use crate::connection::read;
use crate::operation::run_for;
use crate::row::{optional_json, to_json, update_binding};
use crate::{Latest, Lease, Operation, ReplicaId, Store, StoreError};

/// What the store writes for a request.
#[derive(Clone, Debug)]
pub enum Intent {
    /// A new binding, which becomes the newest of its cluster.
    New(Box<Transition>),
    /// A new intent for the newest binding.
    Changed(Box<Transition>),
}

impl Intent {
    /// Returns the binding with the intent.
    pub fn binding(&self) -> &Binding {
        match self {
            Self::New(transition) | Self::Changed(transition) => &transition.binding,
        }
    }
}

/// What a request did to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The request recorded a new binding.
    Created,
    /// The request recorded a new intent for the binding.
    Changed,
    /// The request changed nothing: the binding had the intent already.
    Unchanged,
}

/// An intent that was committed to the database.
#[derive(Debug)]
pub struct RecordedIntent {
    /// The binding with the intent.
    pub binding: Binding,
    /// What the request did to the record.
    pub change: Change,
    /// The lease on the binding; none when another worker has it or nothing has to be done.
    pub lease: Option<Lease>,
}

/// The ids of one attempt to record an intent. The replica makes them before it sends the statement,
/// so that it can find the row after a lost answer.
#[derive(Clone, Copy, Debug)]
pub struct IntentIds {
    lease_token: Uuid,
    event: Uuid,
    // Kept with the token, because this process may have another id when the answer comes.
    replica: Option<ReplicaId>,
    // Before the statement is sent, so that the lease ends here no later than in the database.
    since: Instant,
}

impl IntentIds {
    /// Makes new ids, for a lease that this replica takes. No lease is taken for a replica without
    /// an id.
    #[must_use]
    pub fn new(replica: Option<ReplicaId>) -> Self {
        Self {
            lease_token: Uuid::new_v4(),
            event: Uuid::now_v7(),
            replica,
            since: Instant::now(),
        }
    }
}

/// The answer of a statement that records an intent.
#[derive(Clone, Copy)]
struct WrittenRow {
    revision: i64,
    now: DateTime<Utc>,
    is_leased: bool,
    reads_consistent_at: Option<DateTime<Utc>>,
    writes_resolved_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Records an intent with its lease and its audit event, if the cluster and its binding are as
    /// they were read. Returns none when they are not, or when another transaction was in the way:
    /// nothing was written then, and the caller reads again.
    ///
    /// Takes no lease where the intent needs no work, another worker has the lease, or this replica
    /// has no id yet; the binding is due at once then.
    ///
    /// # Errors
    /// When the database fails. The intent may have been recorded; see [`Store::find_intent`].
    pub async fn record_intent(
        &self,
        latest: &Latest,
        intent: &Intent,
        ids: IntentIds,
        cause: &Cause,
        operation: Operation,
    ) -> Result<Option<RecordedIntent>, StoreError> {
        let written = match intent {
            Intent::New(transition) => {
                self.insert_intent(latest, transition, ids, cause, operation)
                    .await
            }
            Intent::Changed(transition) => match &latest.binding {
                Some(read) => {
                    self.update_intent(read, transition, ids, cause, operation)
                        .await
                }
                None => return Ok(None),
            },
        };
        match written {
            Ok(Some(row)) => Ok(Some(self.recorded(intent, row, ids))),
            Ok(None) => Ok(None),
            Err(error) if error.is_conflict() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns an intent whose recording was not answered, if it was recorded; none if not (yet): a
    /// statement that was sent may still run until the server's own time limit ends it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_intent(
        &self,
        intent: &Intent,
        ids: IntentIds,
    ) -> Result<Option<RecordedIntent>, StoreError> {
        let meant = intent.binding();
        let row = read!(
            self,
            fetch_optional,
            sqlx::query_as!(
                WrittenRow,
                r#"/* find intent */ SELECT b.revision, service_now() AS "now!",
                          COALESCE(w.lease_token = $4, false) AS "is_leased!",
                          w.reads_consistent_at, w.writes_resolved_at
                   FROM bindings b LEFT JOIN work w ON w.binding_id = b.id
                   WHERE b.id = $1 AND b.generation = $2 AND b.updated_at = $3"#,
                meant.id.0,
                meant.generation,
                meant.updated_at,
                ids.lease_token,
            )
        )?;
        Ok(row.map(|row| self.recorded(intent, row, ids)))
    }

    fn recorded(&self, intent: &Intent, row: WrittenRow, ids: IntentIds) -> RecordedIntent {
        let binding = Binding {
            revision: row.revision,
            consistency: Consistency {
                reads_consistent_at: row.reads_consistent_at,
                writes_resolved_at: row.writes_resolved_at,
            },
            ..intent.binding().clone()
        };
        let lease = row.is_leased.then(|| {
            let IntentIds {
                lease_token,
                replica,
                since,
                ..
            } = ids;
            self.lease(binding.clone(), lease_token, replica, since, row.now)
        });
        RecordedIntent {
            binding,
            change: match intent {
                Intent::New(_) => Change::Created,
                Intent::Changed(_) => Change::Changed,
            },
            lease,
        }
    }

    async fn insert_intent(
        &self,
        latest: &Latest,
        transition: &Transition,
        ids: IntentIds,
        cause: &Cause,
        operation: Operation,
    ) -> Result<Option<WrittenRow>, StoreError> {
        let binding = &transition.binding;
        let event = append::of_binding(ids.event, cause, None, &[], transition.event.as_ref());
        let resource_name = binding.resource_name();
        let replica = ids.replica.map(|replica| replica.0);
        macro_rules! statement {
            ($comment:literal) => {
                sqlx::query_as!(
                    WrittenRow,
                    $comment
                        + r#"WITH clock AS MATERIALIZED (SELECT service_now() AS now),
             numbered AS (
                 INSERT INTO clusters AS c (namespace, cluster, generation) VALUES ($2, $3, $11)
                 ON CONFLICT (namespace, cluster) DO UPDATE
                 SET generation = GREATEST(c.generation, EXCLUDED.generation)
                 WHERE c.generation = $10
                 RETURNING c.namespace, c.cluster
             ),
             written AS (
                 INSERT INTO bindings (id, namespace, cluster, account_id, aws_partition, state,
                                       live, mode, generation, spec, role, profile, resource_name,
                                       created_at, updated_at, intent_key)
                 SELECT $1, numbered.namespace, numbered.cluster, $4, $5, $6, $7, $8, $11, $9, $12,
                        $13, $14, $15, $16, $21
                 FROM numbered
                 RETURNING id, namespace, cluster, generation, state, revision
             ),
             leased AS (
                 INSERT INTO work (binding_id, lease_token, lease_until, lease_replica)
                 SELECT written.id, CASE WHEN $17::uuid IS NOT NULL THEN $18::uuid END,
                        CASE WHEN $17::uuid IS NOT NULL
                             THEN clock.now + make_interval(secs => $19) END, $17
                 FROM written, clock
             ),
             scheduled AS (
                 INSERT INTO schedule (binding_id, namespace, due_at)
                 SELECT written.id, written.namespace, clock.now FROM written, clock
             )
             SELECT written.revision, clock.now AS "now!", $17::uuid IS NOT NULL AS "is_leased!",
                    NULL::timestamptz AS reads_consistent_at,
                    NULL::timestamptz AS writes_resolved_at
             FROM written, clock
             WHERE audit_append($20, clock.now, written.namespace, written.cluster, written.id,
                                written.generation, written.state, NULL) IS NOT NULL"#,
                    binding.id.0,
                    binding.namespace.as_str(),
                    binding.cluster.as_str(),
                    binding.scope.account.as_str(),
                    binding.scope.partition.as_str(),
                    binding.state().as_str(),
                    binding.is_live(),
                    binding.mode().as_str(),
                    to_json(&binding.spec),
                    latest.generation,
                    binding.generation,
                    optional_json(binding.role.as_ref()),
                    optional_json(binding.profile.as_ref()),
                    resource_name.as_str(),
                    binding.created_at,
                    binding.updated_at,
                    replica,
                    ids.lease_token,
                    self.lease_length.as_secs_f64(),
                    event,
                    optional_json(binding.intent_key.as_ref()),
                )
            };
        }
        run_for!(operation, self, fetch_optional, statement)
    }

    async fn update_intent(
        &self,
        read: &Binding,
        transition: &Transition,
        ids: IntentIds,
        cause: &Cause,
        operation: Operation,
    ) -> Result<Option<WrittenRow>, StoreError> {
        let binding = &transition.binding;
        let (from, event) = (Some(read.state()), transition.event.as_ref());
        let event = append::of_binding(ids.event, cause, from, &[], event);
        let updated_at: Option<DateTime<Utc>> = Some(binding.updated_at);
        let replica = ids.replica.map(|replica| replica.0);
        macro_rules! statement {
            ($comment:literal) => {
                update_binding!(
                    WrittenRow,
                    $comment,
                    r"WITH clock AS MATERIALIZED (SELECT service_now() AS now),
             -- The row of `work` is locked before that of `bindings`, here and everywhere.
             held AS MATERIALIZED (
                 SELECT w.binding_id,
                        lease_is_held(w.lease_until, w.lease_replica, clock.now) AS is_leased,
                        lease_resolved_at(w.lease_until, w.lease_replica,
                                          make_interval(secs => $27)) AS resolved_at
                 FROM work w, clock WHERE w.binding_id = $1 FOR UPDATE OF w
             ),
             written AS (",
                    r#", intent_key = $29
                 FROM held, clock
                 WHERE b.id = held.binding_id AND b.generation = $21 AND b.revision = $22
                   -- A new binding changes nothing else of the one that it replaces.
                   AND b.newest
                 RETURNING b.id, b.namespace, b.cluster, b.generation, b.state, b.role_id,
                           b.revision
             ),
             numbered AS (
                 UPDATE clusters c SET generation = written.generation FROM written
                 WHERE c.namespace = written.namespace AND c.cluster = written.cluster
                   AND c.generation < written.generation
             ),
             leased AS (
                 UPDATE work w
                 SET lease_token = $24, lease_until = clock.now + make_interval(secs => $25),
                     lease_replica = $26,
                     writes_resolved_at = GREATEST(w.writes_resolved_at, held.resolved_at)
                 FROM written, held, clock
                 WHERE w.binding_id = written.id AND NOT held.is_leased AND $23
                   AND $26::uuid IS NOT NULL
                 RETURNING w.binding_id, w.reads_consistent_at, w.writes_resolved_at
             ),
             scheduled AS (
                 INSERT INTO schedule AS s (binding_id, namespace, due_at)
                 SELECT written.id, written.namespace, clock.now FROM written, clock WHERE $23
                 ON CONFLICT (binding_id) DO UPDATE
                 SET due_at = LEAST(s.due_at, EXCLUDED.due_at)
             )
             SELECT written.revision, clock.now AS "now!",
                    leased.binding_id IS NOT NULL AS "is_leased!",
                    CASE WHEN leased.binding_id IS NULL THEN $18
                         ELSE leased.reads_consistent_at END AS reads_consistent_at,
                    CASE WHEN leased.binding_id IS NULL THEN $19
                         ELSE leased.writes_resolved_at END AS writes_resolved_at
             FROM written CROSS JOIN clock LEFT JOIN leased ON true
             WHERE audit_append($28, clock.now, written.namespace, written.cluster, written.id,
                                written.generation, written.state, written.role_id) IS NOT NULL"#,
                    binding,
                    updated_at,
                    read.generation,
                    read.revision,
                    binding.is_intent_pending(),
                    ids.lease_token,
                    self.lease_length.as_secs_f64(),
                    replica,
                    self.window.as_secs_f64(),
                    event,
                    optional_json(binding.intent_key.as_ref()),
                )
            };
        }
        run_for!(operation, self, fetch_optional, statement)
    }
}
