//! Notifications to all replicas of work that one of them has left.

use sqlx::PgConnection;
use sqlx::postgres::PgListener;

use crate::{Store, StoreError};

const CHANNEL: &str = "engine_roles_work";

/// Receives notifications of work that was left for others. A lost notification does no harm:
/// the reconciler's timer finds the same work.
pub struct WorkListener {
    listener: PgListener,
    namespace: String,
}

impl Store {
    /// Listens on a connection of its own.
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
    /// Waits for the next notification of work in this namespace.
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

/// Tells all replicas that work is left, when this transaction commits.
pub(crate) async fn notify_replicas(
    connection: &mut PgConnection,
    namespace: &str,
) -> Result<(), StoreError> {
    sqlx::query!("SELECT pg_notify($1, $2)", CHANNEL, namespace)
        .execute(connection)
        .await?;
    Ok(())
}
