//! Sweeps of the whole account: which replica runs the next one, and what the drift sweep records.

use std::collections::HashSet;
use std::time::Duration;

use engine_roles_domain::binding::{BindingId, Generation};

use crate::connection::run;
use crate::{Store, StoreError};

/// How many bindings one statement of a sweep reads or writes. A sweep writes in many short
/// statements, so that it never holds many rows locked.
const PER_STATEMENT: usize = 1_000;

/// A task for the whole account or the whole database, which one replica runs for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Pass-through roles are attested again.
    Attestation,
    /// All active bindings are compared with AWS.
    Drift,
    /// AWS is searched for resources that no binding accounts for.
    Orphans,
    /// Partitions of the audit log are made and dropped.
    AuditLog,
}

impl Sweep {
    fn as_str(self) -> &'static str {
        match self {
            Self::Attestation => "attestation",
            Self::Drift => "drift",
            Self::Orphans => "orphans",
            Self::AuditLog => "audit_log",
        }
    }
}

impl Store {
    /// Returns whether this replica must run the sweep now: true for one replica, once per interval.
    /// The first sweep of an installation is due one interval after the first call.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take_turn(&self, sweep: Sweep, interval: Duration) -> Result<bool, StoreError> {
        let taken = run!(
            self,
            fetch_optional,
            sqlx::query!(
                r#"/* task: sweep turn */ WITH clock AS MATERIALIZED (SELECT service_now() AS now),
                   first AS (
                       INSERT INTO sweeps (namespace, kind, next_at)
                       SELECT $1, $2, now + make_interval(secs => $3) FROM clock
                       ON CONFLICT (namespace, kind) DO NOTHING
                   )
                   UPDATE sweeps s SET next_at = clock.now + make_interval(secs => $3)
                   FROM clock
                   WHERE s.namespace = $1 AND s.kind = $2 AND s.next_at <= clock.now
                   RETURNING s.kind"#,
                self.namespace.as_str(),
                sweep.as_str(),
                interval.as_secs_f64(),
            )
        )?;
        Ok(taken.is_some())
    }

    /// Makes these bindings due now, except those that a worker has leased or that another
    /// transaction has locked. The call waits for no other transaction.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn make_due(&self, ids: &[BindingId]) -> Result<(), StoreError> {
        for ids in ids.chunks(PER_STATEMENT) {
            let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
            run!(
                self,
                execute,
                sqlx::query!(
                    "/* task: sweep */ WITH clock AS MATERIALIZED (SELECT service_now() AS now),
                     free AS MATERIALIZED (
                         SELECT w.binding_id
                         FROM work w JOIN bindings b ON b.id = w.binding_id, clock
                         WHERE w.binding_id = ANY($1) AND b.namespace = $2
                           AND NOT lease_is_held(w.lease_until, w.lease_replica, clock.now)
                         FOR NO KEY UPDATE OF w SKIP LOCKED
                         -- What the foreign key of `schedule` would wait for.
                         FOR KEY SHARE OF b SKIP LOCKED
                     )
                     INSERT INTO schedule AS s (binding_id, namespace, due_at)
                     SELECT free.binding_id, $2, clock.now FROM free, clock
                     ON CONFLICT (binding_id)
                     DO UPDATE SET due_at = LEAST(s.due_at, EXCLUDED.due_at)",
                    &ids,
                    self.namespace.as_str(),
                )
            )?;
        }
        Ok(())
    }

    /// Records that a read found no drift of these active bindings, and makes them due again after
    /// the interval. Skips a binding whose intent has changed since, that has a lease, or that
    /// another transaction has locked. The call waits for no other transaction.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn verified(
        &self,
        sound: &[(BindingId, Generation)],
        interval: Duration,
    ) -> Result<(), StoreError> {
        for sound in sound.chunks(PER_STATEMENT) {
            let ids: Vec<_> = sound.iter().map(|(id, _)| id.0).collect();
            let generations: Vec<_> = sound.iter().map(|(_, generation)| *generation).collect();
            run!(
                self,
                execute,
                sqlx::query!(
                    "/* task: drift sweep */
                     WITH clock AS MATERIALIZED (SELECT service_now() AS now),
                     -- A binding whose lease has ended stays due, so that a worker takes it over.
                     free AS MATERIALIZED (
                         SELECT b.id
                         FROM unnest($1::uuid[], $2::bigint[]) AS sound (id, generation)
                         JOIN work w ON w.binding_id = sound.id
                         JOIN bindings b ON b.id = sound.id AND b.generation = sound.generation
                         WHERE b.state = 'active' AND w.lease_token IS NULL
                         FOR NO KEY UPDATE OF w, b SKIP LOCKED
                     ),
                     verified AS (
                         UPDATE bindings b SET verified_at = clock.now FROM free, clock
                         WHERE b.id = free.id
                         RETURNING b.id, b.namespace
                     )
                     INSERT INTO schedule (binding_id, namespace, due_at)
                     SELECT v.id, v.namespace, clock.now + make_interval(secs => $3)
                     FROM verified v, clock
                     ON CONFLICT (binding_id) DO UPDATE SET due_at = EXCLUDED.due_at",
                    &ids,
                    &generations,
                    interval.as_secs_f64(),
                )
            )?;
        }
        Ok(())
    }

    /// Returns the active bindings that have an instance profile of ours and whose consistency
    /// window has passed, except those in `found`. Reads all active bindings, page by page.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn active_except(&self, found: &[BindingId]) -> Result<Vec<BindingId>, StoreError> {
        let found: HashSet<_> = found.iter().copied().collect();
        let mut missing = Vec::new();
        let (mut mode, mut drifted, mut cluster) = (String::new(), false, String::new());
        loop {
            let page = run!(
                self,
                fetch_all,
                sqlx::query!(
                    // The order is that of the index `bindings_listed`.
                    r#"/* task: drift sweep */
                       SELECT b.id, b.mode, b.drifted, b.cluster,
                              COALESCE(b.profile @> '{"managed": true}', false)
                              AND COALESCE(w.reads_consistent_at <= service_now(), true)
                                  AS "is_checked!"
                       FROM bindings b LEFT JOIN work w ON w.binding_id = b.id
                       WHERE b.namespace = $1 AND b.newest AND b.state = 'active' AND b.live
                         AND (b.mode, b.drifted, b.cluster COLLATE "C") > ($2, $3, $4)
                       ORDER BY b.mode, b.drifted, b.cluster COLLATE "C" LIMIT $5"#,
                    self.namespace.as_str(),
                    mode,
                    drifted,
                    cluster,
                    i64::try_from(PER_STATEMENT).unwrap_or(i64::MAX),
                )
            )?;
            let checked = page.iter().filter(|row| row.is_checked);
            let ids = checked.map(|row| BindingId(row.id));
            missing.extend(ids.filter(|id| !found.contains(id)));
            match page.into_iter().last() {
                Some(last) => (mode, drifted, cluster) = (last.mode, last.drifted, last.cluster),
                None => return Ok(missing),
            }
        }
    }
}
