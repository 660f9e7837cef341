//! Callers that wait for the outcome of a binding's intent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use engine_roles_domain::binding::{Binding, BindingId};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// Who works on the binding that a caller waits for. A caller reads the database now and then even if
/// nothing is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorksOnIt {
    /// A worker of this process, which publishes each record.
    ThisProcess,
    /// A worker of another replica, which can't publish to this process, or nobody yet.
    Anybody,
}

impl WorksOnIt {
    /// Returns how long a caller waits before it reads the database again.
    fn read_again(self) -> Duration {
        match self {
            Self::ThisProcess => Duration::from_secs(5),
            Self::Anybody => Duration::from_millis(500),
        }
    }
}

/// The record that a worker of this process last wrote; none when a worker stopped without one.
type Published = watch::Sender<Option<Arc<Binding>>>;

/// Passes what the workers of this process record to the callers that wait for it.
#[derive(Debug)]
pub(crate) struct Waiting {
    by_binding: Mutex<HashMap<BindingId, Weak<Published>>>,
    stop: CancellationToken,
}

/// A caller's subscription to one binding.
pub(crate) struct Subscription {
    // Keeps the sender alive while a caller waits.
    _sender: Arc<Published>,
    news: watch::Receiver<Option<Arc<Binding>>>,
    stop: CancellationToken,
}

/// What a waiting caller learned.
#[derive(Debug)]
pub(crate) enum News {
    /// A worker of this process recorded the binding.
    Recorded(Arc<Binding>),
    /// The caller has to read the database.
    ReadAgain,
    /// The caller has waited long enough, or the service stops.
    TimeUp,
}

impl Waiting {
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self {
            by_binding: Mutex::default(),
            stop,
        }
    }

    /// Subscribes to a binding. A caller must do so before it reads the database or starts the work,
    /// so that it misses no record.
    pub(crate) fn subscribe(&self, id: BindingId) -> Subscription {
        let mut waiting = self.lock();
        let existing = waiting.get(&id).and_then(Weak::upgrade);
        let sender = existing.unwrap_or_else(|| {
            waiting.retain(|_, sender| sender.strong_count() > 0);
            let sender = Arc::new(watch::Sender::new(None));
            waiting.insert(id, Arc::downgrade(&sender));
            sender
        });
        Subscription {
            news: sender.subscribe(),
            _sender: sender,
            stop: self.stop.clone(),
        }
    }

    /// Passes a record to all callers that wait for the binding.
    pub(crate) fn publish(&self, binding: &Binding) {
        if let Some(sender) = self.sender(binding.id) {
            sender.send_replace(Some(Arc::new(binding.clone())));
        }
    }

    /// Makes all callers that wait for the binding read the database.
    pub(crate) fn read_again(&self, id: BindingId) {
        if let Some(sender) = self.sender(id) {
            sender.send_replace(None);
        }
    }

    /// Waits for something else than a record. Returns false if it did not come in time, or the service
    /// stops.
    pub(crate) async fn until(&self, until: Instant, something: impl Future) -> bool {
        tokio::select! {
            came = timeout_at(until, something) => came.is_ok(),
            () = self.stop.cancelled() => false,
        }
    }

    fn sender(&self, id: BindingId) -> Option<Arc<Published>> {
        self.lock().get(&id).and_then(Weak::upgrade)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BindingId, Weak<Published>>> {
        self.by_binding
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// Waits for the next record, or until the caller has to read the database again.
    pub(crate) async fn next(&mut self, until: Instant, works: WorksOnIt) -> News {
        let now = Instant::now();
        if now >= until || self.stop.is_cancelled() {
            return News::TimeUp;
        }
        let changed = timeout_at(until.min(now + works.read_again()), self.news.changed());
        tokio::select! {
            changed = changed => match changed {
                Ok(Ok(())) => match &*self.news.borrow_and_update() {
                    Some(binding) => News::Recorded(Arc::clone(binding)),
                    None => News::ReadAgain,
                },
                Ok(Err(_)) | Err(_) => News::ReadAgain,
            },
            () = self.stop.cancelled() => News::ReadAgain,
        }
    }
}
