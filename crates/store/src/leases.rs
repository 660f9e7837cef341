//! Leases: who may converge a binding, and until when.

use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use engine_roles_domain::binding::{Binding, BindingId};
use tracing::error;
use uuid::Uuid;

use crate::connection::run;
use crate::operation::run_for;
use crate::row::{BindingRow, JsonText};
use crate::{Operation, ReplicaId, Store, StoreError};

/// A replica's time-limited right to converge a binding. A lease ends at its time, or when its
/// replica is declared dead.
#[derive(Debug)]
pub struct Lease {
    /// The binding as it was last read or written under this lease.
    pub binding: Binding,
    pub(crate) token: Uuid,
    replica: Option<ReplicaId>,
    // Read before the query is sent, so that the holder considers the lease ended earlier than the
    // database does.
    since: Instant,
    length: Duration,
    now: DateTime<Utc>,
}

impl Lease {
    /// Returns the database's time: the time that it returned with the lease, plus what this process's
    /// monotonic clock has measured since, in microseconds as the database stores it.
    pub fn now(&self) -> DateTime<Utc> {
        let elapsed = chrono::Duration::from_std(self.since.elapsed()).unwrap_or_default();
        (self.now + elapsed).trunc_subsecs(6)
    }

    /// Returns how long the lease is certain to last.
    pub fn remaining(&self) -> Duration {
        self.length.saturating_sub(self.since.elapsed())
    }

    /// Returns the replica that took the lease.
    pub fn replica(&self) -> Option<ReplicaId> {
        self.replica
    }
}

impl Store {
    /// Takes leases on at most `most` bindings that are due: those whose lease ended, retries and
    /// checks. Any number of replicas may call this at the same time. Takes none while this replica
    /// has no id.
    ///
    /// A replica that takes over an ended lease can't know which calls the previous holder sent, so
    /// the binding's writes count as unresolved until one consistency window after the last moment
    /// at which such a call could have been sent.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lease_due(&self, most: i64) -> Result<Vec<Lease>, StoreError> {
        let Some(replica) = self.current_replica() else {
            return Ok(Vec::new());
        };
        let since = Instant::now();
        let rows = run!(
            self,
            fetch_all,
            sqlx::query_as!(
                BindingRow,
                r#"/* task: reconcile */
                WITH clock AS MATERIALIZED (SELECT service_now() AS now),
                -- Rows that another transaction has locked are left out, and each row is read in its
                -- newest version.
                due AS MATERIALIZED (
                    SELECT b.*, w.reads_consistent_at,
                           GREATEST(w.writes_resolved_at,
                                    lease_resolved_at(w.lease_until, w.lease_replica,
                                                      make_interval(secs => $5))) AS resolved_at
                    FROM schedule s
                    JOIN work w ON w.binding_id = s.binding_id
                    JOIN bindings b ON b.id = s.binding_id
                    -- As sub-selects, so that the index of the due times ends the search.
                    WHERE s.namespace = $1 AND s.due_at <= (SELECT now FROM clock)
                      AND NOT lease_is_held(
                          w.lease_until, w.lease_replica, (SELECT now FROM clock))
                    ORDER BY s.due_at
                    LIMIT $2
                    FOR NO KEY UPDATE OF w, b SKIP LOCKED
                ),
                leased AS (
                    UPDATE work w
                    SET lease_token = gen_random_uuid(), lease_replica = $3,
                        lease_until = clock.now + make_interval(secs => $4),
                        writes_resolved_at = due.resolved_at
                    -- A limit that the planner knows, above every possible $2: without it, the
                    -- planner expects a tenth of all bindings here and reads all of `work`.
                    FROM (SELECT * FROM due LIMIT 1000) due, clock WHERE w.binding_id = due.id
                    RETURNING w.binding_id, w.lease_token
                )
                SELECT leased.lease_token, clock.now, d.id, d.namespace,
                       d.cluster, d.account_id, d.aws_partition, d.state, d.live, d.generation,
                       d.revision, d.intent_key AS "intent_key: JsonText", d.applied_generation,
                       d.spec AS "spec: JsonText", d.applied_spec AS "applied_spec: JsonText",
                       d.unapplied_tags, d.role AS "role: JsonText",
                       d.profile AS "profile: JsonText", d.policy, d.drift AS "drift: JsonText",
                       d.last_error AS "last_error: JsonText", d.receipt AS "receipt: JsonText",
                       d.usable_after, d.verified_at, d.created_at, d.updated_at, d.attempts,
                       d.reads_consistent_at, d.resolved_at AS writes_resolved_at
                FROM due d JOIN leased ON leased.binding_id = d.id CROSS JOIN clock"#,
                self.namespace.as_str(),
                most,
                replica.0,
                self.lease_length.as_secs_f64(),
                self.window.as_secs_f64(),
            )
        )?;
        let mut leases = Vec::with_capacity(rows.len());
        for row in rows {
            let (id, lease) = (row.id, row.lease_token.zip(row.now));
            match row.into_binding() {
                Ok(binding) => {
                    leases.extend(
                        lease.map(|(token, now)| {
                            self.lease(binding, token, Some(replica), since, now)
                        }),
                    );
                }
                // A binding that can't be read must not delay the others. Its lease ends and it is
                // due again.
                Err(error) => {
                    error!(
                        binding = %id,
                        error = &error as &dyn std::error::Error,
                        "leased binding could not be read",
                    );
                }
            }
        }
        Ok(leases)
    }

    /// Takes the lease on one binding, whether the binding is due or not. Returns none when another
    /// worker has the lease, or this replica has no id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lease_now(
        &self,
        id: BindingId,
        operation: Operation,
    ) -> Result<Option<Lease>, StoreError> {
        let Some(replica) = self.current_replica() else {
            return Ok(None);
        };
        let since = Instant::now();
        macro_rules! statement {
            ($comment:literal) => {
                sqlx::query_as!(
                    BindingRow,
                    $comment
                        + r#"WITH clock AS MATERIALIZED (SELECT service_now() AS now),
             free AS MATERIALIZED (
                 SELECT b.*, w.reads_consistent_at,
                        GREATEST(w.writes_resolved_at,
                                 lease_resolved_at(w.lease_until, w.lease_replica,
                                                   make_interval(secs => $4))) AS resolved_at
                 FROM work w JOIN bindings b ON b.id = w.binding_id, clock
                 WHERE b.id = $1
                   AND NOT lease_is_held(w.lease_until, w.lease_replica, clock.now)
                 FOR NO KEY UPDATE OF w, b SKIP LOCKED
             ),
             leased AS (
                 UPDATE work w
                 SET lease_token = gen_random_uuid(), lease_replica = $2,
                     lease_until = clock.now + make_interval(secs => $3),
                     writes_resolved_at = free.resolved_at
                 FROM free, clock WHERE w.binding_id = free.id
                 RETURNING w.binding_id, w.lease_token
             )
             SELECT leased.lease_token, clock.now, f.id, f.namespace, f.cluster, f.account_id,
                    f.aws_partition, f.state, f.live, f.generation, f.revision,
                    f.intent_key AS "intent_key: JsonText", f.applied_generation,
                    f.spec AS "spec: JsonText", f.applied_spec AS "applied_spec: JsonText",
                    f.unapplied_tags, f.role AS "role: JsonText",
                    f.profile AS "profile: JsonText", f.policy, f.drift AS "drift: JsonText",
                    f.last_error AS "last_error: JsonText", f.receipt AS "receipt: JsonText",
                    f.usable_after, f.verified_at, f.created_at, f.updated_at, f.attempts,
                    f.reads_consistent_at, f.resolved_at AS writes_resolved_at
             FROM free f JOIN leased ON leased.binding_id = f.id CROSS JOIN clock"#,
                    id.0,
                    replica.0,
                    self.lease_length.as_secs_f64(),
                    self.window.as_secs_f64(),
                )
            };
        }
        let row = run_for!(operation, self, fetch_optional, statement)?;
        let Some(row) = row else { return Ok(None) };
        let lease = row.lease_token.zip(row.now);
        let binding = row.into_binding()?;
        Ok(lease.map(|(token, now)| self.lease(binding, token, Some(replica), since, now)))
    }

    /// Extends a lease to its full length from now. Returns false when the lease was lost.
    ///
    /// # Errors
    /// When the database does not answer. The lease then ends when it would have without the call.
    pub async fn renew(&self, lease: &mut Lease, operation: Operation) -> Result<bool, StoreError> {
        let since = Instant::now();
        macro_rules! statement {
            ($comment:literal) => {
                sqlx::query!(
                    $comment
                        + r#"WITH clock AS MATERIALIZED (SELECT service_now() AS now)
             UPDATE work w SET lease_until = clock.now + make_interval(secs => $3)
             FROM clock
             WHERE w.binding_id = $1 AND w.lease_token = $2
               AND lease_is_held(w.lease_until, w.lease_replica, clock.now)
             RETURNING clock.now AS "now!""#,
                    lease.binding.id.0,
                    lease.token,
                    self.lease_length.as_secs_f64(),
                )
            };
        }
        let row = match operation {
            Operation::Reconcile => {
                run!(self, fetch_optional, statement!("/* task: reconcile */ "))?.map(|row| row.now)
            }
            Operation::Provision => {
                run!(self, fetch_optional, statement!("/* provision */ "))?.map(|row| row.now)
            }
            Operation::TearDown => {
                run!(self, fetch_optional, statement!("/* tear down */ "))?.map(|row| row.now)
            }
            Operation::Orphans => {
                run!(self, fetch_optional, statement!("/* orphans */ "))?.map(|row| row.now)
            }
        };
        if let Some(now) = row {
            lease.since = since;
            lease.now = now;
        }
        Ok(row.is_some())
    }

    /// Gives a lease back whose holder stops without an outcome, and leaves the binding due. A call of
    /// the holder may have reached AWS: the binding's writes count as unresolved for one consistency
    /// window from now. A lease that another worker has taken since is not affected.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn abandon(&self, lease: &Lease, operation: Operation) -> Result<(), StoreError> {
        macro_rules! statement {
            ($comment:literal) => {
                sqlx::query!(
                    $comment
                        + r"WITH clock AS MATERIALIZED (SELECT service_now() AS now),
             abandoned AS (
                 UPDATE work w
                 SET writes_resolved_at =
                         GREATEST(w.writes_resolved_at, clock.now + make_interval(secs => $3)),
                     lease_until = CASE WHEN w.lease_token = $2 THEN NULL ELSE w.lease_until END,
                     lease_replica =
                         CASE WHEN w.lease_token = $2 THEN NULL ELSE w.lease_replica END,
                     lease_token = CASE WHEN w.lease_token = $2 THEN NULL ELSE w.lease_token END
                 FROM clock WHERE w.binding_id = $1
                 RETURNING w.binding_id, w.lease_token, w.writes_resolved_at
             )
             INSERT INTO schedule AS s (binding_id, namespace, due_at)
             SELECT a.binding_id, $4,
                    CASE WHEN a.lease_token IS NULL THEN clock.now ELSE a.writes_resolved_at END
             FROM abandoned a, clock
             ON CONFLICT (binding_id) DO UPDATE SET due_at = LEAST(s.due_at, EXCLUDED.due_at)",
                    lease.binding.id.0,
                    lease.token,
                    self.window.as_secs_f64(),
                    self.namespace.as_str(),
                )
            };
        }
        run_for!(operation, self, execute, statement).map(drop)
    }

    pub(crate) fn lease(
        &self,
        binding: Binding,
        token: Uuid,
        replica: Option<ReplicaId>,
        since: Instant,
        now: DateTime<Utc>,
    ) -> Lease {
        Lease {
            binding,
            token,
            replica,
            since,
            length: self.lease_length,
            now,
        }
    }
}
