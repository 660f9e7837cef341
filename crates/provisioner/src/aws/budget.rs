//! The call budget: tokens taken from a bucket that all replicas share.
//!
//! Callers with the same kind of call and the same share wait in one queue. The first caller in the
//! queue waits until this replica holds all tokens that it needs, and no other caller takes those
//! tokens meanwhile, so that a caller that needs six tokens is not overtaken for ever by callers that
//! need one. A caller that reaches its deadline leaves the queue, and the next caller gets the tokens.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine_roles_domain::account::AccountId;
use engine_roles_domain::resources::CallKind;
use engine_roles_store::{BudgetLimits, Store, StoreError};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{debug, warn};

/// The most tokens that are fetched at once, so that the shared row is not updated for every call. At
/// a rate below this, the tokens of one second, so that no replica holds tokens that another waits for.
const BATCH: f64 = 16.0;
/// How long to wait before tokens are requested again from an empty bucket.
const PAUSE: Duration = Duration::from_millis(200);

/// How urgent a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// A caller waits for the result.
    Interactive,
    /// The call belongs to a teardown, which ends access.
    Teardown,
    /// The call can wait: half of the burst is left to more urgent calls.
    Sweep,
}

/// The kind and the urgency of calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    pub(crate) kind: CallKind,
    pub(crate) urgency: Urgency,
}

/// The permission to make calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    /// How often AWS had throttled such calls when the tokens were taken; none when the calls are
    /// made without tokens because the database does not answer.
    throttles: Option<u64>,
}

/// The tokens of the account's budget that this replica holds.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: BudgetLimits,
    reads: Shares,
    writes: Shares,
}

/// Sweeps have a separate share, so that they never use tokens that were fetched for other calls.
#[derive(Debug, Default)]
struct Shares {
    prompt: Arc<Share>,
    sweeps: Arc<Share>,
}

#[derive(Debug, Default)]
struct Share {
    hand: Mutex<Hand>,
    /// The first caller in the queue holds this lock. The value is when the database last failed to
    /// answer a caller of this queue.
    queue: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Hand {
    tokens: f64,
    throttles: u64,
}

impl Budget {
    pub(crate) fn new(limits: BudgetLimits) -> Self {
        Self {
            limits,
            reads: Shares::default(),
            writes: Shares::default(),
        }
    }

    /// Waits until this many calls may be made. Returns none when that is not the case by `until`.
    ///
    /// When the database does not answer, the calls may be made: the budget only protects against
    /// throttling, and a caller whose outcome can't be recorded makes few calls anyway.
    pub(crate) async fn acquire(
        &self,
        store: &Store,
        account: &AccountId,
        purpose: Purpose,
        calls: u8,
        until: Instant,
    ) -> Option<Grant> {
        let kind = purpose.kind.as_str();
        let share = self.share(purpose);
        let asked_at = Instant::now();
        let mut last_failure = timeout_at(until, share.queue.lock()).await.ok()?;
        loop {
            if let Some(grant) = share.take(calls) {
                return Some(grant);
            }
            // When the database failed while this caller was in the queue, the caller does not wait
            // for the same failure again.
            if last_failure.is_some_and(|at| at >= asked_at) {
                return Some(Grant { throttles: None });
            }
            let fetching = self.fetch(store, account, purpose, calls);
            match timeout_at(until, fetching).await.ok()? {
                Ok(Ok(granted)) if granted > 0.0 => continue,
                Ok(Ok(_)) => debug!(kind, "call budget is used up; the calls wait"),
                Ok(Err(error)) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "call budget could not be read"
                    );
                    *last_failure = Some(Instant::now());
                    return Some(Grant { throttles: None });
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, "call budget could not be read");
                }
            }
            metrics::counter!("engine_roles_budget_waits_total", "kind" => kind).increment(1);
            let now = Instant::now();
            if now >= until {
                return None;
            }
            sleep_until(until.min(now + PAUSE)).await;
        }
    }

    /// Returns unused tokens to this replica's share, unless AWS has throttled such calls since.
    pub(crate) fn give_back(&self, purpose: Purpose, calls: u8, grant: Grant) {
        let mut hand = self.share(purpose).hand();
        if grant.throttles == Some(hand.throttles) {
            hand.tokens += f64::from(calls);
        }
    }

    /// Handles a throttled call: discards the tokens that this replica holds, and lowers the rate of
    /// all replicas.
    pub(crate) async fn throttled(&self, store: &Store, account: &AccountId, kind: CallKind) {
        let shares = self.shares(kind);
        for share in [&shares.prompt, &shares.sweeps] {
            let mut hand = share.hand();
            hand.tokens = 0.0;
            hand.throttles += 1;
        }
        if let Err(error) = store.calls_throttled(account, kind).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "call rate could not be lowered after throttling"
            );
        }
    }

    /// Fetches tokens from the shared bucket. Runs as a separate task, because tokens that the database
    /// has granted would be lost if the caller were dropped meanwhile.
    fn fetch(
        &self,
        store: &Store,
        account: &AccountId,
        purpose: Purpose,
        calls: u8,
    ) -> JoinHandle<Result<f64, StoreError>> {
        let (limits, kind) = (self.limits, purpose.kind);
        let share = Arc::clone(self.share(purpose));
        let (store, account) = (store.clone(), account.clone());
        let (in_hand, throttles) = {
            let hand = share.hand();
            (hand.tokens, hand.throttles)
        };
        let missing = f64::from(calls) - in_hand;
        let (most, floor) = match purpose.urgency {
            Urgency::Interactive | Urgency::Teardown => (BATCH.min(limits.rate).max(missing), 0.0),
            Urgency::Sweep => (missing, limits.burst / 2.0),
        };
        tokio::spawn(async move {
            let granted = store
                .take_calls(&account, kind, limits, most, floor)
                .await?;
            let mut hand = share.hand();
            if hand.throttles == throttles {
                hand.tokens += granted;
            }
            Ok(granted)
        })
    }

    #[cfg(test)]
    pub(super) fn in_hand(&self, purpose: Purpose) -> f64 {
        self.share(purpose).hand().tokens
    }

    fn share(&self, purpose: Purpose) -> &Arc<Share> {
        let shares = self.shares(purpose.kind);
        match purpose.urgency {
            Urgency::Interactive | Urgency::Teardown => &shares.prompt,
            Urgency::Sweep => &shares.sweeps,
        }
    }

    fn shares(&self, kind: CallKind) -> &Shares {
        match kind {
            CallKind::Read => &self.reads,
            CallKind::Write => &self.writes,
        }
    }
}

impl Share {
    fn take(&self, calls: u8) -> Option<Grant> {
        let mut hand = self.hand();
        let left = hand.tokens - f64::from(calls);
        if left < 0.0 {
            return None;
        }
        hand.tokens = left;
        Some(Grant {
            throttles: Some(hand.throttles),
        })
    }

    fn hand(&self) -> MutexGuard<'_, Hand> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
