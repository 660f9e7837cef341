//! Callers that wait for the outcome of a binding's intent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use engine_roles_domain::binding::BindingId;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// How often a waiting caller reads the database even if it is not woken: another replica, which can't
/// wake it, may have converged the binding.
const READ_AGAIN: Duration = Duration::from_millis(500);

/// Wakes the callers of this process that wait for a binding.
#[derive(Debug)]
pub(crate) struct Waiting {
    by_binding: Mutex<HashMap<BindingId, Weak<Notify>>>,
    stop: CancellationToken,
}

impl Waiting {
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self {
            by_binding: Mutex::default(),
            stop,
        }
    }

    /// Returns the notification that a caller waits for. The caller must get it before it reads the
    /// database, so that it misses no change.
    pub(crate) fn on(&self, id: BindingId) -> Arc<Notify> {
        let mut waiting = self.lock();
        if let Some(notify) = waiting.get(&id).and_then(Weak::upgrade) {
            return notify;
        }
        waiting.retain(|_, notify| notify.strong_count() > 0);
        let notify = Arc::new(Notify::new());
        waiting.insert(id, Arc::downgrade(&notify));
        notify
    }

    /// Wakes all callers that wait for this binding.
    pub(crate) fn wake(&self, id: BindingId) {
        if let Some(notify) = self.lock().remove(&id).and_then(|notify| notify.upgrade()) {
            notify.notify_waiters();
        }
    }

    /// Waits until the caller is woken or has to read the database again. Returns false, without
    /// waiting, when `until` has passed or the service stops.
    pub(crate) async fn wait(&self, notified: Notified<'_>, until: Instant) -> bool {
        let now = Instant::now();
        if now >= until || self.stop.is_cancelled() {
            return false;
        }
        tokio::select! {
            _ = timeout_at(until.min(now + READ_AGAIN), notified) => {}
            () = self.stop.cancelled() => {}
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BindingId, Weak<Notify>>> {
        self.by_binding
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
