//! The call budget: tokens taken in batches from a bucket that all replicas share.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use engine_roles_domain::account::AccountId;
use engine_roles_domain::resources::CallKind;
use engine_roles_store::{BudgetLimits, Store};
use tokio::time::Instant;
use tracing::{debug, warn};

/// How many tokens are taken at once, so that the shared row is not updated for every call.
const BATCH: f64 = 16.0;
/// How long to wait before an empty bucket is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// How urgent a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// A caller waits for it.
    Interactive,
    /// Access ends by it.
    Teardown,
    /// It can wait: half of the burst is left to the others.
    Sweep,
}

/// This replica's share.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: BudgetLimits,
    held: std::sync::Mutex<HashMap<CallKind, f64>>,
    fetching: tokio::sync::Mutex<()>,
}

impl Budget {
    pub(crate) fn new(limits: BudgetLimits) -> Self {
        Self {
            limits,
            held: std::sync::Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// Waits until this many calls may be made. Returns false when they may not be by `until`.
    ///
    /// When the database does not answer, calls may be made: the budget spares AWS, and a caller
    /// whose outcome can't be recorded makes few calls anyway.
    pub(crate) async fn acquire(
        &self,
        store: &Store,
        account: &AccountId,
        kind: CallKind,
        calls: u8,
        urgency: Urgency,
        until: Instant,
    ) -> bool {
        let calls = f64::from(calls);
        loop {
            if self.take_held(kind, calls) {
                return true;
            }
            let fetching = self.fetching.lock().await;
            if self.take_held(kind, calls) {
                return true;
            }
            let floor = match urgency {
                Urgency::Interactive | Urgency::Teardown => 0.0,
                Urgency::Sweep => self.limits.burst / 2.0,
            };
            let most = BATCH.max(calls);
            match store
                .take_calls(account, kind, self.limits, most, floor)
                .await
            {
                Ok(granted) if granted > 0.0 => {
                    *self.lock().entry(kind).or_default() += granted;
                    continue;
                }
                Ok(_) => debug!(kind = kind.as_str(), "call budget used up"),
                Err(error) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "call budget could not be read"
                    );
                    return true;
                }
            }
            drop(fetching);
            metrics::counter!("engine_roles_budget_waits_total", "kind" => kind.as_str())
                .increment(1);
            if Instant::now() + PAUSE > until {
                return false;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Takes back tokens that were not needed.
    pub(crate) fn give_back(&self, kind: CallKind, calls: u8) {
        *self.lock().entry(kind).or_default() += f64::from(calls);
    }

    /// AWS throttled a call: tokens in hand are void, and all replicas slow down.
    pub(crate) async fn throttled(&self, store: &Store, account: &AccountId, kind: CallKind) {
        self.lock().remove(&kind);
        if let Err(error) = store.calls_throttled(account, kind).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "call budget could not be slowed down"
            );
        }
    }

    fn take_held(&self, kind: CallKind, calls: f64) -> bool {
        let mut held = self.lock();
        let tokens = held.entry(kind).or_default();
        let enough = *tokens >= calls;
        if enough {
            *tokens -= calls;
        }
        enough
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<CallKind, f64>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
