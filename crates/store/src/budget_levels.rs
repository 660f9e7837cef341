//! How much of the call budget is left.

use chrono::{DateTime, Utc};
use engine_roles_domain::account::AccountId;
use engine_roles_domain::resources::CallKind;

use crate::budget::GROWTH;
use crate::connection::read;
use crate::{BudgetLimits, Store, StoreError};

/// What one of an account's two token buckets holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetLevel {
    /// Whether the bucket is for reads or for writes.
    pub kind: CallKind,
    /// How many calls may be made at once; negative where calls wait already.
    pub tokens: f64,
    /// How many calls may be made per second. Less than the configured rate for some minutes after AWS has
    /// throttled a call.
    pub rate: f64,
    /// When AWS last throttled a call; none where it never did.
    pub throttled_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Returns what the token buckets of an account hold. A bucket from which no call was taken yet is
    /// missing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn budget_levels(
        &self,
        account: &AccountId,
        limits: BudgetLimits,
    ) -> Result<Vec<BudgetLevel>, StoreError> {
        let rows = read!(
            self,
            fetch_all,
            sqlx::query!(
                r#"/* budget */
                 SELECT b.kind, b.throttled_at,
                        LEAST($3, b.tokens + age.seconds * b.rate) AS "tokens!",
                        LEAST($2, b.rate + age.seconds * $2 * $4) AS "rate!"
                 FROM call_budgets b
                 CROSS JOIN LATERAL (
                     SELECT GREATEST(EXTRACT(EPOCH FROM service_now() - b.updated_at), 0)::float8
                 ) AS age (seconds)
                 WHERE b.account_id = $1 ORDER BY b.kind"#,
                account.as_str(),
                limits.rate,
                limits.burst,
                GROWTH,
            )
        )?;
        let levels = rows.into_iter().filter_map(|row| {
            let mut kinds = [CallKind::Read, CallKind::Write].into_iter();
            Some(BudgetLevel {
                kind: kinds.find(|kind| kind.as_str() == row.kind)?,
                tokens: row.tokens,
                rate: row.rate,
                throttled_at: row.throttled_at,
            })
        });
        Ok(levels.collect())
    }
}
