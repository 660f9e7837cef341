//! What the background task last found out about the audit log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use metrics::gauge;

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

/// The state as the last runs of the tasks left it.
#[derive(Debug, Default)]
pub(crate) struct LastState {
    tree: Mutex<AuditLogState>,
    /// Why events can't be numbered, where trying again does not help.
    numbering: Mutex<Option<String>>,
}

impl LastState {
    pub(crate) fn get(&self) -> AuditLogState {
        match lock(&self.numbering).clone() {
            Some(reason) => AuditLogState::Broken { reason },
            None => lock(&self.tree).clone(),
        }
    }

    /// Sets the state of the tree, and returns the one before.
    pub(crate) fn replace(&self, state: AuditLogState) -> AuditLogState {
        let before = std::mem::replace(&mut *lock(&self.tree), state);
        self.measure();
        before
    }

    /// Notes why events can't be numbered; none where they can.
    pub(crate) fn note_numbering(&self, failure: Option<String>) {
        *lock(&self.numbering) = failure;
        self.measure();
    }

    fn measure(&self) {
        let is_broken = matches!(self.get(), AuditLogState::Broken { .. });
        gauge!("engine_roles_audit_log_broken").set(if is_broken { 1.0 } else { 0.0 });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
