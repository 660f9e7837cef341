//! Notifications between replicas: one hands over a binding that another should converge.

use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::timeout;

use crate::connection::ANSWER_LIMIT;
use crate::database::Pooler;
use crate::limits::LIMITS;
use crate::{Store, StoreError};

pub(crate) const CHANNEL: &str = "engine_roles_work";
/// How long the connection may be silent before it is tested: a network that no longer passes
/// anything reports nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// Receives notifications that a binding is due. A lost notification does no harm: the heartbeat finds
/// the same binding within a second.
pub struct WorkListener {
    listener: PgListener,
    namespace: String,
}

impl Store {
    /// Returns whether notifications can be received: not through a transaction pooler, behind which
    /// a connection belongs to nobody between two transactions.
    pub fn can_listen(&self) -> bool {
        self.direct.is_some() || self.database.pooler != Pooler::Transaction
    }

    /// Opens a separate connection and listens on it, past the pooler where there is a direct URL.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn listen_for_work(&self) -> Result<WorkListener, StoreError> {
        let database = self.direct.as_ref().unwrap_or(&self.database);
        let options = LIMITS.at_startup(database.options().await?, database.pooler);
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ANSWER_LIMIT)
            .connect_lazy_with(options);
        let mut listener = match PgListener::connect_with(&pool)
            .await
            .map_err(StoreError::from)
        {
            Err(error) if error.is_refused_login() => {
                let Some(options) = database.reload().await else {
                    return Err(error);
                };
                pool.set_connect_options(LIMITS.at_startup(options, database.pooler));
                PgListener::connect_with(&pool).await?
            }
            connected => connected?,
        };
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
            match timeout(SILENCE, self.listener.recv()).await {
                Ok(received)
                    if received
                        .as_ref()
                        .is_ok_and(|it| it.payload() == self.namespace) =>
                {
                    return Ok(());
                }
                Ok(received) => {
                    received?;
                }
                Err(_) => {
                    let test = self.listener.execute("/* task: notifications */ SELECT 1");
                    match timeout(ANSWER_LIMIT, test).await {
                        Ok(answered) => {
                            answered?;
                        }
                        Err(elapsed) => return Err(sqlx::Error::Io(elapsed.into()).into()),
                    }
                }
            }
        }
    }
}
