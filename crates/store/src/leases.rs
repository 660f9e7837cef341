//! Leases: who may converge a binding, and until when.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{Binding, BindingId};
use sqlx::PgConnection;
use tracing::error;
use uuid::Uuid;

use crate::row::binding_by_id;
use crate::{Store, StoreError};

/// A replica's time-limited right to converge a binding.
#[derive(Debug)]
pub struct Lease {
    /// The binding as it was last read or written under this lease.
    pub binding: Binding,
    pub(crate) token: Uuid,
    // Read before the query is sent, so that the holder considers the lease ended earlier than the
    // database does.
    since: Instant,
    length: Duration,
    now: DateTime<Utc>,
}

impl Lease {
    /// Returns the database's time: the time that it returned with the lease, plus what this process's
    /// monotonic clock has measured since.
    pub fn now(&self) -> DateTime<Utc> {
        self.now + chrono::Duration::from_std(self.since.elapsed()).unwrap_or_default()
    }

    /// Returns how long the lease is certain to last.
    pub fn remaining(&self) -> Duration {
        self.length.saturating_sub(self.since.elapsed())
    }
}

impl Store {
    /// Takes leases on at most `most` bindings that are due: those whose lease expired, retries and
    /// checks. Any number of replicas may call this at the same time.
    ///
    /// A replica that takes over an expired lease can't know which calls the previous holder sent,
    /// so the binding's writes count as unresolved until one consistency window after that lease.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lease_due(&self, most: i64) -> Result<Vec<Lease>, StoreError> {
        let since = Instant::now();
        let rows = sqlx::query!(
            r#"WITH clock AS MATERIALIZED (SELECT service_now() AS now),
               due AS (
                   SELECT id FROM bindings
                   WHERE namespace = $1
                     AND due_at <= (SELECT now FROM clock)
                     AND (lease_until IS NULL OR lease_until <= (SELECT now FROM clock))
                   ORDER BY due_at
                   LIMIT $2
                   FOR UPDATE SKIP LOCKED
               )
               UPDATE bindings b
               SET lease_token = gen_random_uuid(),
                   lease_until = clock.now + make_interval(secs => $3),
                   due_at = clock.now + make_interval(secs => $3),
                   writes_settle_at = GREATEST(
                       b.writes_settle_at, b.lease_until + make_interval(secs => $4))
               FROM due, clock
               WHERE b.id = due.id
               RETURNING b.id, b.lease_token AS "token!", clock.now AS "now!""#,
            self.namespace.as_str(),
            most,
            self.lease_length.as_secs_f64(),
            self.window.as_secs_f64(),
        )
        .fetch_all(&self.pool)
        .await?;
        let mut leases = Vec::with_capacity(rows.len());
        for row in rows {
            match binding_by_id(&self.pool, row.id).await {
                Ok(binding) => leases
                    .extend(binding.map(|binding| self.lease(binding, row.token, since, row.now))),
                // A binding that can't be read must not delay the others. Its lease expires
                // and it is due again.
                Err(error) => {
                    error!(
                        binding = %row.id,
                        error = &error as &dyn std::error::Error,
                        "leased binding could not be read",
                    );
                }
            }
        }
        Ok(leases)
    }

    /// Takes the lease on one binding inside a transaction that changes its intent. Returns none
    /// when another worker has the lease.
    pub(crate) async fn lease_within(
        &self,
        connection: &mut PgConnection,
        id: BindingId,
    ) -> Result<Option<Lease>, StoreError> {
        let since = Instant::now();
        let row = sqlx::query!(
            r#"WITH clock AS MATERIALIZED (SELECT service_now() AS now)
               UPDATE bindings b
               SET lease_token = gen_random_uuid(),
                   lease_until = clock.now + make_interval(secs => $2),
                   due_at = clock.now + make_interval(secs => $2),
                   writes_settle_at = GREATEST(
                       b.writes_settle_at, b.lease_until + make_interval(secs => $3))
               FROM clock
               WHERE b.id = $1 AND (b.lease_until IS NULL OR b.lease_until <= clock.now)
               RETURNING b.lease_token AS "token!", clock.now AS "now!""#,
            id.0,
            self.lease_length.as_secs_f64(),
            self.window.as_secs_f64(),
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let binding = binding_by_id(&mut *connection, id.0).await?;
        Ok(binding.map(|binding| self.lease(binding, row.token, since, row.now)))
    }

    /// Extends a lease to its full length from now. Returns false when the lease was lost.
    ///
    /// # Errors
    /// When the database does not answer. The lease then ends when it would have without the call.
    pub async fn renew(&self, lease: &mut Lease) -> Result<bool, StoreError> {
        let since = Instant::now();
        let row = sqlx::query!(
            r#"WITH clock AS MATERIALIZED (SELECT service_now() AS now)
               UPDATE bindings b
               SET lease_until = clock.now + make_interval(secs => $3),
                   due_at = clock.now + make_interval(secs => $3)
               FROM clock
               WHERE b.id = $1 AND b.lease_token = $2 AND b.lease_until > clock.now
               RETURNING clock.now AS "now!""#,
            lease.binding.id.0,
            lease.token,
            self.lease_length.as_secs_f64(),
        )
        .fetch_optional(&self.pool)
        .await?;
        if let Some(row) = &row {
            lease.since = since;
            lease.now = row.now;
        }
        Ok(row.is_some())
    }

    fn lease(&self, binding: Binding, token: Uuid, since: Instant, now: DateTime<Utc>) -> Lease {
        Lease {
            binding,
            token,
            since,
            length: self.lease_length,
            now,
        }
    }
}
