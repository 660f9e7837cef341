//! Leases: who works on a binding, and until when.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{Binding, BindingId};
use sqlx::{PgConnection, PgPool};
use tracing::error;
use uuid::Uuid;

use crate::row::select_binding;
use crate::{Store, StoreError};

/// The right to work on a binding, for the length of its lease.
#[derive(Debug)]
pub struct Claim {
    /// The binding as it was when it was claimed.
    pub binding: Binding,
    pub(crate) token: Uuid,
    // The lease counts from before the database was asked, so that the holder always believes
    // it ends sooner than the database does.
    since: Instant,
    lease: Duration,
    now: DateTime<Utc>,
}

impl Claim {
    /// The database's time, carried on by this process's steady clock since the claim.
    pub fn now(&self) -> DateTime<Utc> {
        self.now + chrono::Duration::from_std(self.since.elapsed()).unwrap_or_default()
    }

    /// How long the lease certainly still holds.
    pub fn remaining(&self) -> Duration {
        self.lease.saturating_sub(self.since.elapsed())
    }
}

impl Store {
    /// Claims bindings that somebody has to look at: interrupted work whose lease ran out,
    /// retries, checks. Any number of replicas may ask at once.
    ///
    /// Whoever takes over an expired lease can't know what its holder still sent, so such a
    /// binding's writes count as unsettled until a window after that lease.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim_due(&self, most: i64) -> Result<Vec<Claim>, StoreError> {
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
            self.lease.as_secs_f64(),
            self.window.as_secs_f64(),
        )
        .fetch_all(&self.pool)
        .await?;
        let mut claims = Vec::with_capacity(rows.len());
        for row in rows {
            match binding_by_id(&self.pool, row.id).await {
                Ok(binding) => claims
                    .extend(binding.map(|binding| self.claim(binding, row.token, since, row.now))),
                // One that can't be read, or not now, must not keep the others waiting. Its
                // lease runs out.
                Err(error) => {
                    error!(
                        binding = %row.id,
                        error = &error as &dyn std::error::Error,
                        "a claimed binding could not be read",
                    );
                }
            }
        }
        Ok(claims)
    }

    /// Claims one binding inside a transaction that changes its intent, unless somebody has it.
    pub(crate) async fn claim_within(
        &self,
        connection: &mut PgConnection,
        id: Uuid,
    ) -> Result<Option<Claim>, StoreError> {
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
            id,
            self.lease.as_secs_f64(),
            self.window.as_secs_f64(),
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let binding = binding_by_id(&mut *connection, id).await?;
        Ok(binding.map(|binding| self.claim(binding, row.token, since, row.now)))
    }

    /// Holds a claim for another lease.
    ///
    /// # Errors
    /// When the database does not answer. The claim then holds as long as it did.
    pub async fn renew(&self, claim: &mut Claim) -> Result<bool, StoreError> {
        let since = Instant::now();
        let row = sqlx::query!(
            r#"WITH clock AS MATERIALIZED (SELECT service_now() AS now)
               UPDATE bindings b
               SET lease_until = clock.now + make_interval(secs => $3),
                   due_at = clock.now + make_interval(secs => $3)
               FROM clock
               WHERE b.id = $1 AND b.lease_token = $2 AND b.lease_until > clock.now
               RETURNING clock.now AS "now!""#,
            claim.binding.id.0,
            claim.token,
            self.lease.as_secs_f64(),
        )
        .fetch_optional(&self.pool)
        .await?;
        if let Some(row) = &row {
            claim.since = since;
            claim.now = row.now;
        }
        Ok(row.is_some())
    }

    fn claim(&self, binding: Binding, token: Uuid, since: Instant, now: DateTime<Utc>) -> Claim {
        Claim {
            binding,
            token,
            since,
            lease: self.lease,
            now,
        }
    }
}

pub(crate) async fn binding_by_id<'c>(
    executor: impl sqlx::PgExecutor<'c>,
    id: Uuid,
) -> Result<Option<Binding>, StoreError> {
    let row = select_binding!("WHERE b.id = $1", id)
        .fetch_optional(executor)
        .await?;
    row.map(crate::row::BindingRow::into_binding).transpose()
}

impl Store {
    /// One binding of this installation by its id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn binding(&self, id: BindingId) -> Result<Option<Binding>, StoreError> {
        let pool: &PgPool = &self.pool;
        let found = binding_by_id(pool, id.0).await?;
        Ok(found.filter(|binding| binding.namespace == self.namespace))
    }
}
