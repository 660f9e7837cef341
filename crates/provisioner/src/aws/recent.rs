//! How AWS answered the calls of this replica.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use engine_roles_iam::{Call, IamError};

/// How AWS answered the calls of this replica.
#[derive(Clone, Debug, Default)]
pub struct AwsHealth {
    /// How many calls were sent since the start.
    pub calls: u64,
    /// When AWS last answered a call with success.
    pub last_success: Option<Instant>,
    /// The last call that failed.
    pub last_failure: Option<FailedCall>,
}

/// A call to AWS that failed.
#[derive(Clone, Debug)]
pub struct FailedCall {
    /// The operation, such as `CreateRole`.
    pub action: &'static str,
    /// The kind of failure, as metrics name it.
    pub kind: &'static str,
    /// When the call failed.
    pub at: Instant,
}

/// Records how AWS answers the calls of this replica.
#[derive(Debug, Default)]
pub(crate) struct RecentAnswers {
    health: Mutex<AwsHealth>,
}

impl RecentAnswers {
    pub(crate) fn note(&self, call: Call, error: Option<&IamError>) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Instant::now();
        health.calls += 1;
        match error {
            None => health.last_success = Some(at),
            Some(error) => {
                health.last_failure = Some(FailedCall {
                    action: call.action,
                    kind: error.kind.as_str(),
                    at,
                });
            }
        }
    }

    pub(crate) fn health(&self) -> AwsHealth {
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.clone()
    }
}
