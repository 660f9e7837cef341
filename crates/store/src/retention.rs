//! Deletion of finished incarnations whose events were deleted.

use std::time::Duration;

use crate::connection::run;
use crate::{Store, StoreError};

/// The most bindings that one statement deletes.
const BATCH: i64 = 500;

impl Store {
    /// Deletes at most 500 bindings of finished incarnations that were last changed before the
    /// retention and have no event any more. Returns how many were deleted. A retention of less than
    /// a day counts as a day.
    ///
    /// A cluster may lose its newest binding too. The cluster's row with its generation stays, because
    /// generations only grow.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_expired_bindings(&self, retention: Duration) -> Result<u64, StoreError> {
        // A binding that is due or leased may have a late resource to remove, and the events of that
        // are written later.
        let deleted = run!(
            self,
            execute,
            sqlx::query!(
                r#"/* task: audit_log */
                WITH clock AS MATERIALIZED (
                    SELECT service_now() AS now,
                           service_now() - GREATEST(make_interval(secs => $2), interval '1 day')
                               AS cutoff
                ),
                expired AS MATERIALIZED (
                    SELECT b.id FROM bindings b
                    WHERE b.namespace = $1 AND NOT b.live
                      AND b.created_at < (SELECT cutoff FROM clock)
                      AND b.updated_at < (SELECT cutoff FROM clock)
                      AND NOT EXISTS (SELECT FROM schedule s WHERE s.binding_id = b.id)
                      AND NOT EXISTS (
                          SELECT FROM work w
                          WHERE w.binding_id = b.id
                            AND (w.lease_token IS NOT NULL
                                 OR w.writes_resolved_at > (SELECT now FROM clock)))
                      AND NOT EXISTS (SELECT FROM audit_pending p WHERE p.binding_id = b.id)
                      -- A NOT EXISTS would be planned as a join with all events.
                      AND (
                          SELECT true FROM audit_events e
                          WHERE e.namespace = b.namespace AND e.seq > 0
                            AND e.cluster = b.cluster COLLATE "C" AND e.binding_id = b.id
                          LIMIT 1) IS NULL
                    ORDER BY b.created_at
                    LIMIT $3
                    FOR UPDATE SKIP LOCKED
                )
                DELETE FROM bindings b USING expired WHERE b.id = expired.id"#,
                self.namespace.as_str(),
                retention.as_secs_f64(),
                BATCH,
            )
        )?;
        Ok(deleted.rows_affected())
    }
}
