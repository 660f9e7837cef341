//! Notifications between replicas: one hands over a binding that another should converge.

use sqlx::postgres::PgListener;

use crate::{Store, StoreError};

pub(crate) const CHANNEL: &str = "engine_roles_work";

/// Receives notifications that a binding is due. A lost notification does no harm: the reconciler's
/// timer finds the same binding.
pub struct WorkListener {
    listener: PgListener,
    namespace: String,
}

impl Store {
    /// Opens a separate connection and listens on it.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn listen_for_work(&self) -> Result<WorkListener, StoreError> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(WorkListener {
            listener,
            namespace: self.namespace.to_string(),
        })
    }
}

impl WorkListener {
    /// Waits for the next notification in this namespace.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        loop {
            if self.listener.recv().await?.payload() == self.namespace {
                return Ok(());
            }
        }
    }
}
