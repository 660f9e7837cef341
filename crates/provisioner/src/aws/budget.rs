//! The call budget: tokens taken from a bucket that all replicas share.
//!
//! Callers of the same kind and class stand in one line. The first in line waits until all tokens
//! that it needs are in hand, and nobody takes them away meanwhile, so that a caller of six calls
//! is served beside callers of one. Whoever is not served in time leaves the line, and what was
//! gathered is the next one's.

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

/// How many tokens are taken at once, so that the shared row is not updated for every call. At a
/// low rate it is what one second brings, so that no replica keeps what another one waits for.
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

/// What calls are made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    pub(crate) kind: CallKind,
    pub(crate) urgency: Urgency,
}

/// The right to make calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    /// How often AWS had throttled such calls when tokens were taken for them; none where calls
    /// may be made without tokens, because the database does not answer.
    throttles: Option<u64>,
}

/// This replica's part of the budget.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: BudgetLimits,
    reads: Shares,
    writes: Shares,
}

/// Sweeps have a share of their own, so that they use up nothing that was taken for others.
#[derive(Debug, Default)]
struct Shares {
    prompt: Arc<Share>,
    sweeps: Arc<Share>,
}

#[derive(Debug, Default)]
struct Share {
    hand: Mutex<Hand>,
    /// Held by the first in line: when the database last failed to answer one of the line.
    line: tokio::sync::Mutex<Option<Instant>>,
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

    /// Waits until this many calls may be made. Returns none when they may not be by `until`.
    ///
    /// When the database does not answer, calls may be made: the budget spares AWS, and a caller
    /// whose outcome can't be recorded makes few calls anyway.
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
        let mut last_failure = timeout_at(until, share.line.lock()).await.ok()?;
        loop {
            if let Some(grant) = share.take(calls) {
                return Some(grant);
            }
            // Those in line don't each wait for a database that is away.
            if last_failure.is_some_and(|at| at >= asked_at) {
                return Some(Grant { throttles: None });
            }
            let fetching = self.fetch(store, account, purpose, calls);
            match timeout_at(until, fetching).await.ok()? {
                Ok(Ok(granted)) if granted > 0.0 => continue,
                Ok(Ok(_)) => debug!(kind, "call budget used up"),
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

    /// Takes back tokens that were not needed, unless throttling has made them void.
    pub(crate) fn give_back(&self, purpose: Purpose, calls: u8, grant: Grant) {
        let mut hand = self.share(purpose).hand();
        if grant.throttles == Some(hand.throttles) {
            hand.tokens += f64::from(calls);
        }
    }

    /// AWS throttled a call: tokens in hand are void, and all replicas slow down.
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
                "call budget could not be slowed down"
            );
        }
    }

    /// Takes tokens out of the bucket into the hand. In a task of its own: a caller that leaves
    /// meanwhile would take along what the database has given.
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
