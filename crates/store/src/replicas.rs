//! The id under which this process takes leases, and how fresh its heartbeat is.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::connection::read;
use crate::{BootTime, Schema, Store, StoreError};

/// The id of a replica: new at each start, and new again after the replica was declared dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub Uuid);

impl std::fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The record of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaRecord {
    /// The id of the replica.
    pub id: ReplicaId,
    /// The database's time of its first heartbeat under this id.
    pub started_at: DateTime<Utc>,
    /// When another replica declared it dead; none where none has.
    pub dead_at: Option<DateTime<Utc>>,
}

/// A heartbeat is fresh for this long after it was sent. Another replica needs at least as much
/// time, from the moment at which it read the heartbeat, to declare this replica dead.
const FRESH_FOR: Duration = Duration::from_secs(3);

/// A heartbeat shows for this long that the database can be used: a little longer than the interval of
/// heartbeats.
const JUST: Duration = Duration::from_millis(1_200);

/// The id under which this process takes leases; none until its first heartbeat was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct CurrentReplica {
    last: RwLock<Option<Acknowledged>>,
    /// The version of a schema that is too new for this release; 0 where the last heartbeat that saw a schema
    /// saw another one.
    too_new: AtomicI64,
}

/// The last heartbeat that the database acknowledged.
#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    replica: ReplicaId,
    /// Read before the heartbeat was sent, so that this process considers the heartbeat older than
    /// the other replicas do.
    sent_at: BootTime,
    /// The schema of the database that answered, which accepted a write.
    schema: Option<Schema>,
}

impl CurrentReplica {
    pub(crate) fn get(&self) -> Option<ReplicaId> {
        let last = self.last();
        last.filter(|last| last.sent_at.elapsed() < FRESH_FOR && self.understands_schema().is_ok())
            .map(|last| last.replica)
    }

    pub(crate) fn acknowledged(
        &self,
        replica: ReplicaId,
        sent_at: BootTime,
        schema: Option<Schema>,
    ) {
        match schema {
            Some(Schema::TooNew { version }) => self.too_new.store(version, Ordering::Relaxed),
            Some(Schema::Usable | Schema::Older) => self.too_new.store(0, Ordering::Relaxed),
            None => {}
        }
        self.set(Some(Acknowledged {
            replica,
            sent_at,
            schema,
        }));
    }

    /// Returns the schema of the database and the age of that knowledge, if the last heartbeat has just
    /// shown it.
    pub(crate) fn schema_just_seen(&self) -> Option<(Schema, Duration)> {
        let last = self.last()?;
        let age = last.sent_at.elapsed();
        last.schema
            .filter(|_| age < JUST)
            .map(|schema| (schema, age))
    }

    /// Checks that the last heartbeat which saw a schema found none that is too new.
    ///
    /// # Errors
    /// When it did: what this release writes could be wrong there.
    pub(crate) fn understands_schema(&self) -> Result<(), StoreError> {
        match self.too_new.load(Ordering::Relaxed) {
            0 => Ok(()),
            version => Err(StoreError::SchemaTooNew { version }),
        }
    }

    pub(crate) fn lost(&self) {
        self.set(None);
    }

    fn last(&self) -> Option<Acknowledged> {
        *self.last.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, last: Option<Acknowledged>) {
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = last;
    }
}

impl Store {
    /// Returns the id under which this process takes leases and makes calls to AWS. Returns none
    /// unless the last acknowledged heartbeat was sent less than three seconds ago: the other
    /// replicas may have declared this one dead since. Also returns none where this release can't work on
    /// the schema.
    pub fn current_replica(&self) -> Option<ReplicaId> {
        self.replica.get()
    }

    /// Returns the replicas of the installation, newest first. One that ended or died is listed until the
    /// others have forgotten it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn replicas(&self) -> Result<Vec<ReplicaRecord>, StoreError> {
        let rows = read!(
            self,
            fetch_all,
            sqlx::query!(
                "/* console */ SELECT id, started_at, dead_at FROM replicas WHERE namespace = $1
                 ORDER BY started_at DESC, id LIMIT 100",
                self.namespace.as_str(),
            )
        )?;
        let replicas = rows.into_iter().map(|row| ReplicaRecord {
            id: ReplicaId(row.id),
            started_at: row.started_at,
            dead_at: row.dead_at,
        });
        Ok(replicas.collect())
    }

    /// Returns how long ago the last acknowledged heartbeat was sent; none when no heartbeat was
    /// acknowledged under the current id.
    pub fn heartbeat_age(&self) -> Option<Duration> {
        self.replica.last().map(|last| last.sent_at.elapsed())
    }

    /// Notes that the database acknowledged a heartbeat that was sent at this time.
    pub fn heartbeat_acknowledged(&self, replica: ReplicaId, sent_at: BootTime) {
        self.replica.acknowledged(replica, sent_at, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_fresh_for_three_seconds_after_it_was_sent() {
        let (current, replica) = (CurrentReplica::default(), ReplicaId(Uuid::now_v7()));
        assert_eq!(current.get(), None);
        for (age, expected) in [
            (0, Some(replica)),
            (2, Some(replica)),
            (3, None),
            (60, None),
        ] {
            current.acknowledged(replica, BootTime::ago(Duration::from_secs(age)), None);
            assert_eq!(current.get(), expected, "after {age} s");
        }
        current.acknowledged(replica, BootTime::now(), None);
        current.lost();
        assert_eq!(current.get(), None);
    }
}
