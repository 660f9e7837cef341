//! Replicas: the processes of the service, and which of them hold leases.

use std::sync::{PoisonError, RwLock};

use uuid::Uuid;

use crate::Store;

/// The id of a replica: new at each start, and new again after the replica was declared dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplicaId(pub Uuid);

/// The id under which this process takes leases; none until its first heartbeat was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct CurrentReplica {
    id: RwLock<Option<ReplicaId>>,
}

impl CurrentReplica {
    pub(crate) fn get(&self) -> Option<ReplicaId> {
        *self.id.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, id: Option<ReplicaId>) {
        *self.id.write().unwrap_or_else(PoisonError::into_inner) = id;
    }
}

impl Store {
    /// Returns the id under which this process takes leases; none until its first heartbeat was
    /// acknowledged.
    pub fn current_replica(&self) -> Option<ReplicaId> {
        self.replica.get()
    }

    /// Sets the id under which this process takes leases.
    pub fn set_current_replica(&self, id: Option<ReplicaId>) {
        self.replica.set(id);
    }
}
