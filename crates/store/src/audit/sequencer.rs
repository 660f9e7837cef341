//! The sequencer, which numbers the events of the audit log.

use crate::connection::run;
use crate::{Store, StoreError};

/// The most events that one statement numbers. `audit_maintain_partitions` keeps a partition for
/// this many numbers.
const BATCH: i64 = 1000;

/// The SQLSTATE of an insert for which the partitioned table has no partition (`check_violation`).
const NO_PARTITION: &str = "23514";

/// What one run of the sequencer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequenced {
    /// How many events got a number.
    pub numbered: u64,
    /// Whether events are left that this replica can number at once. False where another replica's
    /// sequencer is at work.
    pub more: bool,
}

impl Store {
    /// Numbers at most 1,000 events that have no number yet, in the order of their times. An event
    /// of a binding always gets a greater number than the events of this binding that were
    /// committed before.
    ///
    /// One sequencer of an installation works at a time. This function waits for no other sequencer,
    /// and no reader or writer waits for this function.
    ///
    /// # Errors
    /// When the database does not answer. Nothing was numbered then, or the whole batch.
    pub async fn sequence_audit(&self) -> Result<Sequenced, StoreError> {
        match self.number_batch().await {
            Err(error) if error.has_code(NO_PARTITION) => {
                // Partitions are made in advance, except for an installation whose first numbers
                // have no partition any more.
                while self.maintain_audit_partitions(None).await?.is_some() {}
                self.number_batch().await
            }
            result => result,
        }
    }

    async fn number_batch(&self) -> Result<Sequenced, StoreError> {
        // One statement is one transaction, which a paused replica can't keep open.
        //
        // The lock on the head makes this sequencer the only one. The row is read as the previous
        // sequencer committed it, even if that was after this statement's snapshot was taken. The
        // snapshot may then show pending events that have been moved since: only rows that DELETE
        // returns are numbered. DELETE must not skip a row that somebody has locked, because later
        // events of the same binding would get smaller numbers.
        let row = run!(
            self,
            fetch_one,
            sqlx::query!(
                r#"/* sequence */
                WITH head AS MATERIALIZED (
                    SELECT h.seq, h.latest_at FROM audit_heads h
                    WHERE h.namespace = $1
                      AND EXISTS (SELECT FROM audit_pending p WHERE p.namespace = $1)
                    FOR UPDATE SKIP LOCKED
                ),
                batch AS MATERIALIZED (
                    SELECT p.id FROM audit_pending p
                    WHERE p.namespace = $1 AND EXISTS (SELECT FROM head)
                    ORDER BY p.at, p.generation, p.id
                    LIMIT $2
                ),
                moved AS (
                    DELETE FROM audit_pending p USING batch WHERE p.id = batch.id
                    RETURNING p.id, p.at, p.namespace, p.cluster, p.binding_id, p.generation,
                              p.action, p.actor, p.request_id, p.from_state, p.to_state, p.detail
                ),
                numbered AS (
                    INSERT INTO audit_events (seq, id, at, namespace, cluster, binding_id,
                                              generation, action, actor, request_id, from_state,
                                              to_state, detail)
                    SELECT head.seq + row_number() OVER (ORDER BY m.at, m.generation, m.id), m.id,
                           m.at, m.namespace, m.cluster, m.binding_id, m.generation, m.action,
                           m.actor, m.request_id, m.from_state, m.to_state, m.detail
                    FROM moved m, head
                    RETURNING seq, at
                ),
                times AS (
                    INSERT INTO audit_times (namespace, latest_at, seq)
                    SELECT $1, GREATEST(head.latest_at, n.at), n.seq FROM numbered n, head
                    WHERE n.seq % 100 = 0
                ),
                next_head AS (
                    UPDATE audit_heads h
                    SET seq = n.seq,
                        latest_at = GREATEST(h.latest_at, n.latest_at),
                        longest_delay = CASE WHEN h.latest_at > n.first_at THEN GREATEST(
                            h.longest_delay, make_interval(secs => extract(
                                epoch FROM h.latest_at - n.first_at)::double precision))
                            ELSE h.longest_delay END
                    FROM (SELECT max(seq) AS seq, max(at) AS latest_at, min(at) AS first_at
                          FROM numbered) n
                    WHERE h.namespace = $1 AND n.seq IS NOT NULL
                )
                SELECT (SELECT count(*) FROM numbered) AS "numbered!",
                       (SELECT count(*) FROM batch) AS "read!",
                       EXISTS (SELECT FROM audit_pending WHERE namespace = $1)
                           AND NOT EXISTS (SELECT FROM audit_heads WHERE namespace = $1)
                           AS "is_first!""#,
                self.namespace.as_str(),
                BATCH,
            )
        )?;
        if row.is_first {
            self.insert_audit_head().await?;
        }
        Ok(Sequenced {
            numbered: row.numbered.unsigned_abs(),
            more: row.is_first || row.read == BATCH,
        })
    }

    async fn insert_audit_head(&self) -> Result<(), StoreError> {
        run!(
            self,
            execute,
            sqlx::query!(
                "/* sequence */ INSERT INTO audit_heads (namespace) VALUES ($1)
                 ON CONFLICT (namespace) DO NOTHING",
                self.namespace.as_str(),
            )
        )?;
        Ok(())
    }
}
