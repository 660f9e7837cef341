//! The partitions of the audit log. The database's function `audit_maintain_partitions` makes and
//! drops them, because the service's role does not have to own the tables.

use std::time::Duration;

use crate::connection::run;
use crate::{Store, StoreError};

/// What was done to a partition of the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintained {
    /// A partition was made for numbers that are given next.
    Made,
    /// The newest partition takes no more events; a new one takes them.
    Closed,
    /// A partition was dropped, because all its events were older than the retention.
    Dropped,
}

impl Store {
    /// Does one thing that the partitions of the audit log need. Returns none when nothing is left
    /// to do. A retention of none keeps all events; one of less than a day counts as a day.
    ///
    /// Readers and writers of the audit log may have to wait for up to two seconds.
    ///
    /// # Errors
    /// When the database does not answer, or when a lock on the audit log is not granted within two
    /// seconds. Nothing was changed then.
    pub async fn maintain_audit_partitions(
        &self,
        retention: Option<Duration>,
    ) -> Result<Option<Maintained>, StoreError> {
        let row = run!(
            self,
            fetch_one,
            sqlx::query!(
                "/* task: audit_partitions */
                SELECT audit_maintain_partitions(make_interval(secs => $1)) AS done",
                retention.map(|retention| retention.as_secs_f64()),
            )
        )?;
        Ok(row.done.and_then(|word| match word.as_str() {
            "made" => Some(Maintained::Made),
            "closed" => Some(Maintained::Closed),
            "dropped" => Some(Maintained::Dropped),
            _ => None,
        }))
    }
}
