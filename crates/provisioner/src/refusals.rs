//! What AWS refused our identity lately.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// For how long a refusal of `CreateRole` is remembered.
const FRESH: Duration = Duration::from_mins(1);

/// Remembers that `CreateRole` was refused: while that is fresh, the role is asked for alone
/// first, so that no instance profile is made only to be removed again.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    create_role: Mutex<Option<Instant>>,
}

impl Refusals {
    pub(crate) fn create_role_refused(&self) {
        *self
            .create_role
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Instant::now());
    }

    pub(crate) fn create_role_allowed(&self) {
        *self
            .create_role
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }

    pub(crate) fn is_create_role_refused(&self) -> bool {
        let refused = self
            .create_role
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        refused.is_some_and(|at| at.elapsed() < FRESH)
    }
}
