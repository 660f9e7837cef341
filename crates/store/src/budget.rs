//! The call budget of an AWS account, shared by the replicas.

use std::time::Duration;

use engine_roles_domain::account::AccountId;
use engine_roles_domain::resources::CallKind;

use crate::{Store, StoreError};

/// The rate limit on calls to one account while AWS does not throttle, for reads and for writes each.
#[derive(Clone, Copy, Debug)]
pub struct BudgetLimits {
    /// The most calls per second.
    pub rate: f64,
    /// The most calls at once after a pause: the size of the token bucket.
    pub burst: f64,
}

/// The lowest rate to which throttling reduces the budget, in calls per second.
const SLOWEST: f64 = 0.5;
/// The share of the full rate that is restored each second after throttling: all of it within 200
/// seconds.
const GROWTH: f64 = 1.0 / 200.0;

impl Store {
    /// Takes up to `most` tokens, of which each permits one call, but leaves `floor` tokens in the
    /// bucket. Returns how many tokens were taken.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take_calls(
        &self,
        account: &AccountId,
        kind: CallKind,
        limits: BudgetLimits,
        most: f64,
        floor: f64,
    ) -> Result<f64, StoreError> {
        // The first statement for an account inserts its row, but its snapshot does not contain
        // that row, so it grants nothing. The second statement does.
        if let Some(granted) = self
            .try_take_calls(account, kind, limits, most, floor)
            .await?
        {
            return Ok(granted);
        }
        let granted = self
            .try_take_calls(account, kind, limits, most, floor)
            .await?;
        Ok(granted.unwrap_or_default())
    }

    async fn try_take_calls(
        &self,
        account: &AccountId,
        kind: CallKind,
        limits: BudgetLimits,
        most: f64,
        floor: f64,
    ) -> Result<Option<f64>, StoreError> {
        let row = sqlx::query!(
            r#"WITH clock AS MATERIALIZED (SELECT service_now() AS now),
               first AS (
                   INSERT INTO call_budgets (account_id, kind, tokens, rate, updated_at)
                   SELECT $1, $2, $4, $3, now FROM clock
                   ON CONFLICT (account_id, kind) DO NOTHING
               ),
               locked AS (
                   SELECT b.tokens, b.rate, b.throttled_at,
                          GREATEST(extract(epoch FROM clock.now - b.updated_at), 0)::float8 AS age
                   FROM call_budgets b, clock
                   WHERE b.account_id = $1 AND b.kind = $2
                   FOR UPDATE OF b
               ),
               filled AS (
                   SELECT LEAST($4, tokens + age * rate) AS tokens,
                          LEAST($3, rate + age * $3 * $7) AS rate
                   FROM locked
               ),
               granted AS (
                   SELECT tokens, rate, GREATEST(0, floor(LEAST($5, tokens - $6))) AS grant
                   FROM filled
               )
               UPDATE call_budgets b
               SET tokens = g.tokens - g.grant, rate = g.rate, updated_at = clock.now
               FROM granted g, clock
               WHERE b.account_id = $1 AND b.kind = $2
               RETURNING g.grant AS "grant!""#,
            account.as_str(),
            kind.as_str(),
            limits.rate,
            limits.burst,
            most,
            floor,
            GROWTH,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| row.grant))
    }

    /// Records that AWS throttled a call: halves the rate, at most once per second, and discards the
    /// unused tokens.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn calls_throttled(
        &self,
        account: &AccountId,
        kind: CallKind,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE call_budgets
             SET rate = GREATEST(rate / 2, $3), tokens = LEAST(tokens, 0),
                 throttled_at = service_now(), updated_at = service_now()
             WHERE account_id = $1 AND kind = $2
               AND (throttled_at IS NULL OR throttled_at <= service_now() - make_interval(secs => $4))",
            account.as_str(),
            kind.as_str(),
            SLOWEST,
            Duration::from_secs(1).as_secs_f64(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
