//! The provisioner and what it is made of.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use engine_roles_domain::cluster::RoleReference;
use engine_roles_iam::Iam;
use engine_roles_store::Store;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::Settings;
use crate::budget::Budget;
use crate::capabilities::Found;
use crate::permissions::Permissions;
use crate::read::Liveness;

use crate::scope::ScopeSource;
use crate::upkeep::Upkeep;
use crate::waiting::Waiting;

/// The application. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Provisioner {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) iam: Iam,
    pub(crate) settings: Settings,
    pub(crate) scope: ScopeSource,
    pub(crate) permissions: Permissions,
    pub(crate) found: Found,
    /// When each prepared role was last read for a request.
    pub(crate) looked: tokio::sync::Mutex<HashMap<RoleReference, tokio::time::Instant>>,
    pub(crate) waiting: Waiting,
    pub(crate) budget: Budget,
    pub(crate) upkeep: Upkeep,
    pub(crate) liveness: Liveness,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Provisioner {
    /// Puts the application together. Nothing runs yet.
    pub fn new(store: Store, iam: Iam, settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner {
                scope: ScopeSource::new(settings.scope.clone()),
                budget: Budget::new(settings.call_limits),
                store,
                iam,
                settings,
                permissions: Permissions::default(),
                found: Found::default(),
                looked: tokio::sync::Mutex::default(),
                waiting: Waiting::default(),
                upkeep: Upkeep::default(),
                liveness: Liveness::default(),
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
            }),
        }
    }

    /// Starts the background tasks; they end with [`Provisioner::shut_down`].
    pub fn start(&self) {
        self.inner
            .tasks
            .spawn(crate::reconciler::run(Arc::clone(&self.inner)));
        self.inner
            .tasks
            .spawn(crate::reconciler::sequence(Arc::clone(&self.inner)));
        self.inner
            .tasks
            .spawn(crate::reconciler::find_scope(Arc::clone(&self.inner)));
        self.inner
            .tasks
            .spawn(crate::upkeep::look_around(Arc::clone(&self.inner)));
        self.inner
            .tasks
            .spawn(crate::upkeep::run(Arc::clone(&self.inner)));
    }

    /// Starts no more work, lets what runs come to its next rest, and waits for that at most
    /// `limit`. What is not at rest by then is found by its lease and finished by another
    /// replica or at the next start.
    pub async fn shut_down(&self, limit: Duration) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        if tokio::time::timeout(limit, self.inner.tasks.wait())
            .await
            .is_err()
        {
            let running = self.inner.tasks.len();
            warn!(
                running,
                "work was still under way at the end of the shutdown"
            );
        }
    }
}
