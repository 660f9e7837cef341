//! Detects after the start what this service's identity may do.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::warn;

use crate::aws::{CapabilityDetector, Gateway};
use crate::tasks::task::{ACCOUNT_POLL, NextRun, Task};

/// Detects once what this service's identity may do, and logs the missing permissions. Later, a
/// detection is made when a caller asks for the capabilities.
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
