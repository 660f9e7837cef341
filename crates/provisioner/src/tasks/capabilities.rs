//! Detects at the start what our identity may do.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::warn;

use crate::aws::{CapabilityDetector, Gateway};
use crate::tasks::task::{ACCOUNT_POLL, NextRun, Task};

/// Detects once what our identity may do, and reports in the log what is missing. Later detections
/// are made when somebody asks.
pub(crate) struct DetectCapabilities {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) detector: Arc<CapabilityDetector>,
}

impl Task for DetectCapabilities {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            if self.gateway.known_account().is_none() {
                return NextRun::After(ACCOUNT_POLL);
            }
            if let Err(error) = self.detector.report().await {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "capabilities could not be detected"
                );
            }
            NextRun::Never
        }
        .boxed()
    }
}
