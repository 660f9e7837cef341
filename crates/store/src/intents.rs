//! Intents: what a caller asks for, recorded before AWS is called.

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::lifecycle::Transition;
use engine_roles_domain::binding::{Binding, BindingId, Cause, State};
use engine_roles_domain::cluster::ClusterName;
use sqlx::PgConnection;

use crate::audit::append;
use crate::clusters::{Latest, lock, set_generation};
use crate::row::{binding_by_id, insert_binding, update_binding};
use crate::{Lease, Store, StoreError};

/// What the store writes for a request.
#[derive(Clone, Debug)]
pub enum Intent {
    /// A new binding, which becomes the newest of its cluster.
    New(Box<Transition>),
    /// A new intent for the newest binding.
    Changed(Box<Transition>),
    /// Nothing: the newest binding has this intent already.
    Unchanged(Box<Binding>),
}

/// What a request did to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The request recorded a new binding.
    Created,
    /// The request recorded a new intent for the binding.
    Changed,
    /// The request changed nothing: the binding had the intent already.
    Unchanged,
}

/// An intent that was committed to the database.
#[derive(Debug)]
pub struct RecordedIntent {
    /// The binding with the intent.
    pub binding: Binding,
    /// What the request did to the record.
    pub change: Change,
    /// The lease on the binding; none when another worker has it or nothing has to be done.
    pub lease: Option<Lease>,
}

/// Why no intent was recorded.
#[derive(Debug, thiserror::Error)]
pub enum IntentError<E> {
    /// The `decide` function rejected the request; nothing was written.
    #[error(transparent)]
    Rejected(E),
    /// The database failed: nothing was written, or the answer to the commit was lost.
    #[error(transparent)]
    Store(StoreError),
}

impl<E> From<StoreError> for IntentError<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Store {
    /// Records the intent that `decide` returns, with its lease and its audit event, in one
    /// transaction. `decide` is called with the cluster's newest binding, while the cluster is
    /// locked.
    ///
    /// # Errors
    /// When `decide` rejects the request, or the database fails.
    pub async fn record_intent<E>(
        &self,
        cluster: &ClusterName,
        cause: &Cause,
        decide: impl FnOnce(Latest) -> Result<Intent, E>,
    ) -> Result<RecordedIntent, IntentError<E>> {
        let mut tx = self.pool.begin().await.map_err(StoreError::from)?;
        let latest = lock(&mut tx, &self.namespace, cluster).await?;
        let from_state = latest.binding.as_ref().map(Binding::state);
        let intent = decide(latest).map_err(IntentError::Rejected)?;
        let (binding, change) = match intent {
            Intent::New(transition) => {
                write_new(&mut tx, &transition, cause).await?;
                (transition.binding, Change::Created)
            }
            Intent::Changed(transition) => {
                write_changed(&mut tx, from_state, &transition, cause).await?;
                (transition.binding, Change::Changed)
            }
            Intent::Unchanged(binding) => (*binding, Change::Unchanged),
        };
        let lease = if binding.is_intent_pending() {
            self.lease_within(&mut tx, binding.id).await?
        } else {
            None
        };
        tx.commit().await.map_err(StoreError::from)?;
        Ok(RecordedIntent {
            binding,
            change,
            lease,
        })
    }

    /// Records a binding for an orphan and takes the lease on it. `decide` is called with the
    /// cluster's newest binding, while the cluster is locked. Records nothing and returns none when
    /// `decide` returns none, or when a binding with the orphan's id exists already.
    ///
    /// # Errors
    /// When the database fails. Nothing was written then.
    pub async fn record_orphan(
        &self,
        cluster: &ClusterName,
        id: BindingId,
        cause: &Cause,
        decide: impl FnOnce(Latest) -> Option<Transition>,
    ) -> Result<Option<Lease>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let latest = lock(&mut tx, &self.namespace, cluster).await?;
        let is_known = binding_by_id(&mut *tx, id.0).await?.is_some();
        let Some(transition) = decide(latest).filter(|_| !is_known) else {
            return Ok(None);
        };
        write_new(&mut tx, &transition, cause).await?;
        let lease = self.lease_within(&mut tx, id).await?;
        tx.commit().await?;
        Ok(lease)
    }
}

async fn write_new(
    connection: &mut PgConnection,
    transition: &Transition,
    cause: &Cause,
) -> Result<(), StoreError> {
    let binding = &transition.binding;
    set_generation(connection, binding).await?;
    insert_binding(connection, binding).await?;
    append_event(connection, None, transition, cause).await
}

async fn write_changed(
    connection: &mut PgConnection,
    from_state: Option<State>,
    transition: &Transition,
    cause: &Cause,
) -> Result<(), StoreError> {
    let binding = &transition.binding;
    set_generation(connection, binding).await?;
    let updated_at: Option<DateTime<Utc>> = Some(binding.updated_at);
    update_binding!(binding, updated_at, "\n             WHERE id = $1")
        .execute(&mut *connection)
        .await?;
    append_event(connection, from_state, transition, cause).await
}

async fn append_event(
    connection: &mut PgConnection,
    from_state: Option<State>,
    transition: &Transition,
    cause: &Cause,
) -> Result<(), StoreError> {
    match &transition.event {
        Some(event) => append(connection, transition.binding.id, from_state, cause, event).await,
        None => Ok(()),
    }
}
