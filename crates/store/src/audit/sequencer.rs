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
        let row = run!(
            self,
            fetch_one,
            sqlx::query!(
                r#"/* sequence */
                SELECT numbered AS "numbered!", is_full AS "is_full!" FROM audit_sequence($1, $2)"#,
                self.namespace.as_str(),
                BATCH,
            )
        )?;
        Ok(Sequenced {
            numbered: row.numbered.unsigned_abs(),
            more: row.is_full,
        })
    }
}
