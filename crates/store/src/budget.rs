//! The call budget of an AWS account, shared by the replicas.
//!
//! The budget is a token bucket. A reservation may take tokens that the bucket does not hold yet: the
//! bucket then owes them, and the reservation says when each of them will be refilled. So a caller
//! waits once, for a computed time, instead of asking again and again.

use std::time::Duration;

use engine_roles_domain::account::AccountId;
use engine_roles_domain::resources::CallKind;

use crate::connection::run;
use crate::{Store, StoreError};

/// The rate limit on calls to one account while AWS does not throttle, for reads and for writes each.
#[derive(Clone, Copy, Debug)]
pub struct BudgetLimits {
    /// The most calls per second.
    pub rate: f64,
    /// The most calls at once after a pause: the size of the token bucket.
    pub burst: f64,
}

/// Which tokens a reservation may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// All tokens that the bucket holds, and tokens of the next second that it does not hold yet.
    Prompt,
    /// Only tokens above half of the burst. The bucket owes nothing to such calls, so other calls
    /// never wait for their refill.
    Sweep,
}

/// A replica's request for tokens, of which each permits one call.
#[derive(Clone, Copy, Debug)]
pub struct CallRequest {
    /// The precedence of the calls.
    pub precedence: Precedence,
    /// The calls of the caller that is served next.
    pub next: u32,
    /// The calls of all callers that wait, the next one included. They get tokens that the bucket
    /// holds, and up to `batch` tokens of the next second.
    pub waiting: u32,
    /// The most tokens that are taken before the bucket is refilled, except for the next caller; and
    /// the most tokens of the bucket that are taken although no caller waits for them, but then never
    /// more than one second permits. [`Precedence::Sweep`] ignores this.
    pub batch: u32,
    /// How long the next caller can wait for its last call.
    pub longest_wait: Duration,
}

/// The tokens that were taken for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// For each token, how long to wait from now until its call may be made. Ascending.
    pub waits: Vec<Duration>,
    /// If fewer tokens were taken than the next caller needs: how long it takes until the bucket holds
    /// the missing ones, unless more urgent calls take them. With [`Precedence::Prompt`], this is
    /// longer than the longest wait.
    pub rest: Option<Duration>,
}

/// The lowest rate to which throttling reduces the budget, in calls per second.
const SLOWEST: f64 = 0.5;
/// The share of the full rate that is restored each second after throttling: all of it within 200
/// seconds.
pub(crate) const GROWTH: f64 = 1.0 / 200.0;
/// For how many seconds tokens are taken before they are refilled, unless a single caller needs more.
/// A replica that ends, and calls that use their tokens although AWS throttled another replica, can
/// therefore do little harm.
const AHEAD: f64 = 1.0;
/// The share of the burst that sweeps leave to more urgent calls.
const LEFT_BY_SWEEPS: f64 = 0.5;
/// A wait for the database's row that is longer than any real one, for rows with impossible values.
const DAY: Duration = Duration::from_hours(24);

impl Store {
    /// Takes tokens for the next caller and, as far as they are available within a second, for the
    /// callers behind it. Takes none if the next caller could not make its calls within its longest
    /// wait.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reserve_calls(
        &self,
        account: &AccountId,
        kind: CallKind,
        limits: BudgetLimits,
        request: CallRequest,
    ) -> Result<Reservation, StoreError> {
        loop {
            let reserved = self.try_reserve_calls(account, kind, limits, request);
            if let Some(reservation) = reserved.await? {
                return Ok(reservation);
            }
            self.create_budget(account, kind, limits).await?;
        }
    }

    /// Returns none if the account has no budget yet.
    async fn try_reserve_calls(
        &self,
        account: &AccountId,
        kind: CallKind,
        limits: BudgetLimits,
        request: CallRequest,
    ) -> Result<Option<Reservation>, StoreError> {
        let floor = match request.precedence {
            Precedence::Prompt => 0.0,
            Precedence::Sweep => limits.burst * LEFT_BY_SWEEPS,
        };
        // The time is read after the row is locked, so no statement that waited for the lock sets
        // `updated_at` back, which would refill the time between twice. The tiny number keeps a
        // rounding error from withholding a token at the very moment that was computed for it.
        let row = run!(
            self,
            fetch_optional,
            sqlx::query!(
                r#"/* budget */
                   WITH locked AS MATERIALIZED (
                       SELECT tokens, rate, updated_at FROM call_budgets
                       WHERE account_id = $1 AND kind = $2
                       FOR UPDATE
                   ),
                   timed AS MATERIALIZED (
                       SELECT l.tokens, l.rate, l.updated_at, service_now() AS now FROM locked l
                   ),
                   aged AS (
                       SELECT tokens, rate, now,
                              GREATEST(extract(epoch FROM now - updated_at), 0)::float8 AS age
                       FROM timed
                   ),
                   filled AS (
                       SELECT now, LEAST($4, tokens + age * rate) AS tokens,
                              LEAST($3, rate + age * $3 * $5) AS rate
                       FROM aged
                   ),
                   ready AS (
                       SELECT now, tokens, rate, GREATEST(floor(tokens - $11 + 1e-6), 0) AS ready
                       FROM filled
                   ),
                   timed_wait AS (
                       SELECT now, tokens, rate, ready,
                              CASE WHEN ready >= $7 THEN 0
                                   WHEN $6 THEN GREATEST($7 - tokens, 0) / rate
                                   ELSE (LEAST($4, $11 + $7 - ready) - (tokens - ready)) / rate
                              END AS wait
                       FROM ready
                   ),
                   decided AS (
                       SELECT now, tokens, rate, wait,
                              CASE WHEN wait > $10 THEN 0
                                   WHEN $6 THEN GREATEST(
                                       $7, LEAST($8, $9, floor(tokens + rate * $12 + 1e-6)),
                                       LEAST($8, ready), LEAST($9, ready, floor(rate * $12)))
                                   ELSE LEAST($8, ready)
                              END AS granted
                       FROM timed_wait
                   ),
                   taken AS (
                       UPDATE call_budgets b
                       SET tokens = d.tokens - d.granted, rate = d.rate, updated_at = d.now
                       FROM decided d
                       WHERE b.account_id = $1 AND b.kind = $2 AND d.granted > 0
                   )
                   SELECT granted::int4 AS "granted!", tokens AS "tokens!", rate AS "rate!",
                          wait AS "wait!"
                   FROM decided"#,
                account.as_str(),
                kind.as_str(),
                limits.rate,
                limits.burst,
                GROWTH,
                request.precedence == Precedence::Prompt,
                f64::from(request.next),
                f64::from(request.waiting),
                f64::from(request.batch),
                request.longest_wait.as_secs_f64(),
                floor,
                AHEAD,
            )
        )?;
        Ok(row.map(|row| {
            let granted = u32::try_from(row.granted).unwrap_or_default();
            let wait = |nth: u32| seconds((f64::from(nth) - row.tokens) / row.rate);
            Reservation {
                waits: (1..=granted).map(wait).collect(),
                rest: (granted < request.next).then(|| seconds(row.wait)),
            }
        }))
    }

    async fn create_budget(
        &self,
        account: &AccountId,
        kind: CallKind,
        limits: BudgetLimits,
    ) -> Result<(), StoreError> {
        run!(
            self,
            execute,
            sqlx::query!(
                "/* budget */
                 INSERT INTO call_budgets (account_id, kind, tokens, rate, updated_at)
                 VALUES ($1, $2, $3, $4, service_now())
                 ON CONFLICT (account_id, kind) DO NOTHING",
                account.as_str(),
                kind.as_str(),
                limits.burst,
                limits.rate,
            )
        )?;
        Ok(())
    }

    /// Records that AWS throttled a call: halves the rate, at most once per second, and discards the
    /// tokens that the bucket holds. `returned` tokens were taken, but their time has not come, and
    /// the replica does not use them: the bucket no longer owes them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn calls_throttled(
        &self,
        account: &AccountId,
        kind: CallKind,
        limits: BudgetLimits,
        returned: u32,
    ) -> Result<(), StoreError> {
        run!(
            self,
            execute,
            sqlx::query!(
                "/* budget */
                 WITH locked AS MATERIALIZED (
                     SELECT tokens, rate, updated_at, throttled_at FROM call_budgets
                     WHERE account_id = $1 AND kind = $2
                     FOR UPDATE
                 ),
                 timed AS MATERIALIZED (
                     SELECT l.tokens, l.rate, l.updated_at, l.throttled_at, service_now() AS now
                     FROM locked l
                 ),
                 aged AS (
                     SELECT tokens, rate, now,
                            GREATEST(extract(epoch FROM now - updated_at), 0)::float8 AS age,
                            (throttled_at > now - interval '1 second'
                             AND throttled_at <= now) IS NOT TRUE AS slows
                     FROM timed
                 ),
                 filled AS (
                     SELECT now, slows, LEAST($4, tokens + age * rate + $7) AS tokens,
                            LEAST($3, rate + age * $3 * $5) AS rate
                     FROM aged
                 )
                 UPDATE call_budgets b
                 SET tokens = CASE WHEN f.slows THEN LEAST(f.tokens, 0) ELSE f.tokens END,
                     rate = CASE WHEN f.slows THEN GREATEST(f.rate / 2, $6) ELSE f.rate END,
                     throttled_at = CASE WHEN f.slows THEN f.now ELSE b.throttled_at END,
                     updated_at = f.now
                 FROM filled f
                 WHERE b.account_id = $1 AND b.kind = $2",
                account.as_str(),
                kind.as_str(),
                limits.rate,
                limits.burst,
                GROWTH,
                SLOWEST,
                f64::from(returned),
            )
        )?;
        Ok(())
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).map_or(DAY, |wait| wait.min(DAY))
}
