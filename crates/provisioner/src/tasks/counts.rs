//! Keeps the counts of bindings short to read.

use engine_roles_store::Store;
use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::warn;

use crate::tasks::task::{NextRun, Task};

/// Adds the changes of the counts of bindings to the counts. The counts are exact without this task,
/// but a reader would have to add up ever more changes.
pub(crate) struct AddCountChanges {
    pub(crate) store: Store,
}

impl Task for AddCountChanges {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            if let Err(error) = self.store.add_count_changes().await {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "changes could not be added to the counts of bindings"
                );
            }
            NextRun::AfterInterval
        }
        .boxed()
    }
}
