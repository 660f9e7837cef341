//! Receives notifications of bindings that other replicas hand over.

use std::sync::Arc;

use engine_roles_store::{Store, StoreError};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::tasks::task::{NextRun, Task};

/// Wakes the reconciler when another replica hands over a binding. The reconciler's timer finds the
/// same binding, so a lost connection only causes a short delay.
pub(crate) struct ReceiveNotifications {
    pub(crate) store: Store,
    pub(crate) work_left: Arc<Notify>,
    pub(crate) stop: CancellationToken,
}

impl ReceiveNotifications {
    async fn receive(&self) -> Result<(), StoreError> {
        let mut listener = self.store.listen_for_work().await?;
        loop {
            listener.next().await?;
            self.work_left.notify_one();
        }
    }
}

impl Task for ReceiveNotifications {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            if !self.store.can_listen() {
                return NextRun::Never;
            }
            tokio::select! {
                received = self.receive() => {
                    if let Err(error) = received {
                        debug!(
                            error = &error as &dyn std::error::Error,
                            "notifications from other replicas could not be received"
                        );
                    }
                }
                () = self.stop.cancelled() => {}
            }
            NextRun::AfterInterval
        }
        .boxed()
    }
}
