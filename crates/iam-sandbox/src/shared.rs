use std::sync::{Mutex, MutexGuard};

use crate::call_log::CallLog;
use crate::clock::Clock;
use crate::simulated_aws::SimulatedAws;

/// The state that all requests share.
pub(crate) struct Shared {
    aws: Mutex<SimulatedAws>,
    pub(crate) clock: Clock,
    pub(crate) calls: CallLog,
}

impl Shared {
    pub(crate) fn new(aws: SimulatedAws, clock: Clock) -> Self {
        Self {
            aws: Mutex::new(aws),
            clock,
            calls: CallLog::start(),
        }
    }

    pub(crate) fn aws(&self) -> MutexGuard<'_, SimulatedAws> {
        self.aws.lock().expect("no holder of the lock panics")
    }
}
