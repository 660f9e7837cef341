//! Sweeps of the whole account: which replica runs the next one, and what the drift sweep records.

use std::time::Duration;

use engine_roles_domain::binding::{BindingId, Generation};

use crate::{Store, StoreError};

/// A sweep of the whole account, which one replica runs for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Pass-through roles are attested again.
    Attestation,
    /// All active bindings are compared with AWS.
    Drift,
    /// AWS is searched for resources that no binding accounts for.
    Orphans,
}

impl Sweep {
    fn as_str(self) -> &'static str {
        match self {
            Self::Attestation => "attestation",
            Self::Drift => "drift",
            Self::Orphans => "orphans",
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
        let taken = sqlx::query!(
            r#"WITH clock AS MATERIALIZED (SELECT service_now() AS now),
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
        .fetch_optional(&self.pool)
        .await?;
        Ok(taken.is_some())
    }

    /// Makes these bindings due now, except those that a worker has leased.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn make_due(&self, ids: &[BindingId]) -> Result<(), StoreError> {
        let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
        sqlx::query!(
            "UPDATE bindings SET due_at = service_now()
             WHERE id = ANY($1) AND (lease_until IS NULL OR lease_until <= service_now())",
            &ids,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Records that a read found no drift of these active bindings, and makes them due again after
    /// the interval. Skips a binding whose intent has changed since, or that a worker has leased.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn verified(
        &self,
        sound: &[(BindingId, Generation)],
        interval: Duration,
    ) -> Result<(), StoreError> {
        let ids: Vec<_> = sound.iter().map(|(id, _)| id.0).collect();
        let generations: Vec<_> = sound.iter().map(|(_, generation)| *generation).collect();
        sqlx::query!(
            "UPDATE bindings b
             SET verified_at = clock.now, due_at = clock.now + make_interval(secs => $3)
             FROM unnest($1::uuid[], $2::bigint[]) AS sound (id, generation),
                  (SELECT service_now() AS now) clock
             WHERE b.id = sound.id AND b.generation = sound.generation
               AND b.state = 'active' AND b.lease_token IS NULL",
            &ids,
            &generations,
            interval.as_secs_f64(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Returns the active bindings that have an instance profile of ours and whose consistency
    /// window has passed, except those in `found`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn active_except(&self, found: &[BindingId]) -> Result<Vec<BindingId>, StoreError> {
        let found: Vec<_> = found.iter().map(|id| id.0).collect();
        let rows = sqlx::query!(
            "SELECT id FROM bindings
             WHERE namespace = $1 AND state = 'active' AND profile @> '{\"managed\": true}'
               AND (reads_settle_at IS NULL OR reads_settle_at <= service_now())
               AND NOT (id = ANY($2))",
            self.namespace.as_str(),
            &found,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| BindingId(row.id)).collect())
    }
}
