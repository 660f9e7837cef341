//! What the background task last found out about the audit log.

use std::sync::{Mutex, PoisonError};

/// The state of the tree over the audit log and of its checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuditLogState {
    /// The task has not run yet.
    #[default]
    Unknown,
    /// Every numbered event was in the tree, and the checkpoint was signed if there is a key.
    Ok,
    /// Numbered events wait to be added to the tree, or the database failed.
    Behind,
    /// The tree or a checkpoint contradicts the log. Nothing is added or signed.
    Broken {
        /// What is wrong.
        reason: String,
    },
}

/// The state as the last run of the task left it.
#[derive(Debug, Default)]
pub(crate) struct LastState(Mutex<AuditLogState>);

impl LastState {
    pub(crate) fn get(&self) -> AuditLogState {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Sets the state, and returns the one before.
    pub(crate) fn replace(&self, state: AuditLogState) -> AuditLogState {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut last, state)
    }
}
