//! Counts of bindings, which triggers keep.
//!
//! Every statement that changes a binding's state also writes what that changes about the counts, as
//! rows that nobody else writes. [`Store::add_count_changes`] adds these rows to the counts, so a
//! reader sums a few rows, and its result is exact.

use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::State;

use crate::connection::run;
use crate::{Store, StoreError};

impl Store {
    /// Counts the bindings in each state, tombstones of earlier incarnations included. A state
    /// without bindings may be missing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_by_state(&self) -> Result<Vec<(State, i64)>, StoreError> {
        let rows = run!(
            self,
            fetch_all,
            sqlx::query!(
                r#"/* metrics */ SELECT state AS "state!", sum(count)::bigint AS "count!" FROM (
                       SELECT state, count FROM binding_counts WHERE namespace = $1
                       UNION ALL
                       SELECT state, change FROM binding_count_changes WHERE namespace = $1
                   ) counted
                   GROUP BY state HAVING sum(count) <> 0"#,
                self.namespace.as_str(),
            )
        )?;
        let counted = rows
            .into_iter()
            .filter_map(|row| Some((row.state.parse().ok()?, row.count)));
        Ok(counted.collect())
    }

    /// Counts the live bindings that do not belong to this account and partition.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_of_other_accounts(&self, here: &Scope) -> Result<i64, StoreError> {
        let row = run!(
            self,
            fetch_one,
            sqlx::query!(
                r#"/* task: other accounts */ SELECT COALESCE(sum(count)::bigint, 0) AS "count!"
                   FROM (
                       SELECT account_id, aws_partition, count FROM binding_counts
                       WHERE namespace = $1 AND live
                       UNION ALL
                       SELECT account_id, aws_partition, change FROM binding_count_changes
                       WHERE namespace = $1 AND live
                   ) counted
                   WHERE (account_id, aws_partition) <> ($2, $3)"#,
                self.namespace.as_str(),
                here.account.as_str(),
                here.partition.as_str(),
            )
        )?;
        Ok(row.count)
    }

    /// Returns whether the installation has, or had, bindings in this account and partition.
    pub(crate) async fn has_bindings_in(
        &self,
        account: &str,
        partition: &str,
    ) -> Result<bool, StoreError> {
        let row = run!(
            self,
            fetch_one,
            sqlx::query!(
                r#"/* list */ SELECT EXISTS (
                       SELECT FROM binding_counts
                       WHERE namespace = $1 AND account_id = $2 AND aws_partition = $3
                       UNION ALL
                       SELECT FROM binding_count_changes
                       WHERE namespace = $1 AND account_id = $2 AND aws_partition = $3
                   ) AS "has_bindings!""#,
                self.namespace.as_str(),
                account,
                partition,
            )
        )?;
        Ok(row.has_bindings)
    }

    /// Adds the changes to the counts and deletes them. Returns how many there were. Any number of
    /// replicas may call this at the same time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn add_count_changes(&self) -> Result<i64, StoreError> {
        let row = run!(
            self,
            fetch_one,
            sqlx::query!(
                // The counts are written in one order, so that two replicas can't wait for one
                // another.
                r#"/* task: counts */ WITH taken AS (
                       DELETE FROM binding_count_changes
                       WHERE ctid = ANY(ARRAY(
                           SELECT ctid FROM binding_count_changes WHERE namespace = $1
                           LIMIT $2 FOR UPDATE SKIP LOCKED))
                       RETURNING namespace, account_id, aws_partition, state, live, change
                   ),
                   added AS (
                       INSERT INTO binding_counts AS c
                           (namespace, account_id, aws_partition, state, live, count)
                       SELECT namespace, account_id, aws_partition, state, live, sum(change)
                       FROM taken
                       GROUP BY namespace, account_id, aws_partition, state, live
                       ORDER BY namespace, account_id, aws_partition, state, live
                       ON CONFLICT (namespace, account_id, aws_partition, state, live)
                       DO UPDATE SET count = c.count + EXCLUDED.count
                   )
                   SELECT count(*) AS "count!" FROM taken"#,
                self.namespace.as_str(),
                MOST_CHANGES,
            )
        )?;
        Ok(row.count)
    }
}

/// How many changes one statement adds to the counts.
const MOST_CHANGES: i64 = 100_000;
