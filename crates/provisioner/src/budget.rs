//! The call budget: tokens taken in batches from what all replicas share.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use engine_roles_domain::account::AccountId;
use engine_roles_store::{BudgetLimits, CallKind, Store};
use tokio::time::Instant;
use tracing::{debug, warn};

/// How many tokens are taken at once, so that the shared row is not hot.
const BATCH: f64 = 16.0;
/// How long to wait where nothing was to be had.
const PAUSE: Duration = Duration::from_millis(200);

/// How urgent a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Somebody waits for it, or access ends by it.
    Interactive,
    /// It can wait: half of the burst is left to others.
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

    /// Waits for leave to make this many calls; false when there was none by `until`.
    ///
    /// A database that does not answer gives leave: it is AWS that the budget spares, and the
    /// outcome could not be recorded anyway.
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
                Urgency::Interactive => 0.0,
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
                Ok(_) => debug!(kind = kind.as_str(), "the call budget is used up for now"),
                Err(error) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "could not ask for the call budget"
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

    /// AWS throttled: what is held is gone, and all replicas slow down.
    pub(crate) async fn throttled(&self, store: &Store, account: &AccountId, kind: CallKind) {
        self.lock().remove(&kind);
        if let Err(error) = store.calls_throttled(account, kind).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "could not slow the call budget down"
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
