//! The call budget: tokens taken from a bucket that all replicas share.
//!
//! Callers with the same kind of call wait in two queues: one for sweeps, one for all others. In each
//! queue, callers are served in the order in which they came. The first caller in a queue waits until
//! this replica holds all tokens that it needs, and no other caller takes those tokens meanwhile, so
//! that a caller that needs six tokens is not overtaken for ever by callers that need one. A caller
//! that reaches its deadline leaves the queue, and the next caller gets the tokens.
//!
//! One statement reserves tokens for the callers in a queue: those that the bucket holds, and up to
//! [`BATCH`] before the bucket is refilled. The statement says how long each token takes, so the first
//! caller then waits once, for a computed time. A sweep may only take tokens that the bucket holds. If
//! there are too few, the statement says how long their refill takes, and no sweep of this replica
//! asks for as many again before that time.
//!
//! When AWS throttles a call, this replica discards the tokens that it holds, and the bucket no longer
//! owes those whose time had not come. Waiting callers reserve again, in their order and at the lower
//! rate. Other replicas use the tokens that they hold, each at its time, and get the lower rate with
//! their next reservation. That takes about a second, because a reservation reaches no further ahead,
//! except for a caller whose calls alone take longer.

mod hand;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine_roles_domain::account::AccountId;
use engine_roles_domain::resources::CallKind;
use engine_roles_store::{BudgetLimits, CallRequest, Precedence, Store};
use tokio::sync::RwLock;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use crate::aws::budget::hand::{Held, Throttles};
use crate::aws::budget::queue::{Answer, Queue, Shortage};

/// How many tokens are reserved at once before the bucket is refilled, and how many are kept in hand, so
/// that the shared row is not updated for every call.
const BATCH: u32 = 16;
/// For how long after a throttled call further ones change nothing: those calls were sent before the
/// rate was lowered.
const ONE_THROTTLE: Duration = Duration::from_secs(1);

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

impl Urgency {
    fn precedence(self) -> Precedence {
        match self {
            Self::Interactive | Self::Teardown => Precedence::Prompt,
            Self::Sweep => Precedence::Sweep,
        }
    }
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
    /// How often tokens had been discarded when these were taken; none when the calls are made without
    /// tokens because the database does not answer.
    throttles: Option<Throttles>,
    /// Whether the caller waited for tokens.
    pub(crate) has_waited: bool,
}

/// The tokens of the account's budget that this replica holds, and the callers that wait for more.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: BudgetLimits,
    reads: Arc<Bucket>,
    writes: Arc<Bucket>,
}

/// One of the account's two token buckets, as this replica sees it.
#[derive(Debug, Default)]
struct Bucket {
    prompt: Queue,
    /// Sweeps have tokens of their own, so that they never use tokens that were taken for other calls.
    sweeps: Queue,
    /// Reservations share this lock; lowering the rate needs it alone. So each reservation has either
    /// ended, and its tokens are discarded, or it begins with the lower rate.
    reserving: RwLock<()>,
    /// When a throttled call last lowered the rate, or began to.
    throttled_at: Mutex<Option<Instant>>,
}

impl Budget {
    pub(crate) fn new(limits: BudgetLimits) -> Self {
        Self {
            limits,
            reads: Arc::default(),
            writes: Arc::default(),
        }
    }

    /// Waits until this many calls may be made. Returns none when that is not the case by `until`, as
    /// soon as that is certain for the first caller in the queue.
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
        let queue = self.bucket(purpose.kind).queue(purpose.urgency);
        let asked_at = Instant::now();
        let _waiting = queue.enter(calls);
        let mut front = timeout_at(until, queue.front.lock()).await.ok()?;
        let mut has_waited = false;
        loop {
            let held = queue.hand().take(calls, Instant::now());
            let ready_at = match held {
                Held::Taken(throttles) => {
                    let throttles = Some(throttles);
                    return Some(Grant {
                        throttles,
                        has_waited,
                    });
                }
                Held::Due(at) => at,
                // When the database failed while this caller was in the queue, the caller does not
                // wait for the same failure again.
                Held::Missing(_) if front.failed_at.is_some_and(|at| at >= asked_at) => {
                    return Some(Grant {
                        throttles: None,
                        has_waited,
                    });
                }
                Held::Missing(missing) => {
                    match front.shortage_of(missing, Instant::now()) {
                        // Other calls may reserve tokens that the bucket does not hold yet, so they
                        // need not wait before they ask.
                        Some(at) if at > until || purpose.urgency == Urgency::Sweep => at,
                        _ => {
                            let reserve = || self.reserve(store, account, purpose, missing, until);
                            front.reservation.get_or_insert_with(reserve);
                            front.reserved(until).await?;
                            continue;
                        }
                    }
                }
            };
            if ready_at > until {
                return None;
            }
            if !has_waited {
                has_waited = true;
                let kind = purpose.kind.as_str();
                debug!(kind, "call budget is used up; the calls wait");
                metrics::counter!("engine_roles_budget_waits_total", "kind" => kind).increment(1);
            }
            queue.wait_until(ready_at).await;
        }
    }

    /// Returns unused tokens to this replica's callers, unless AWS has throttled such calls since.
    pub(crate) fn give_back(&self, purpose: Purpose, calls: u8, grant: Grant) {
        let Some(throttles) = grant.throttles else {
            return;
        };
        let queue = self.bucket(purpose.kind).queue(purpose.urgency);
        queue.hand().give_back(calls, throttles, Instant::now());
        queue.wake_first();
    }

    /// Handles a throttled call: discards the tokens that this replica holds, and lowers the rate of
    /// all replicas.
    pub(crate) async fn throttled(&self, store: &Store, account: &AccountId, kind: CallKind) {
        let bucket = Arc::clone(self.bucket(kind));
        if !bucket.begins_throttle(Instant::now()) {
            return;
        }
        let (store, account, limits) = (store.clone(), account.clone(), self.limits);
        // A separate task, because a caller that is dropped meanwhile would lose the tokens that are
        // returned to the bucket.
        let lower_rate = tokio::spawn(async move {
            let _alone = bucket.reserving.write().await;
            let returned = bucket.discard(Instant::now());
            if let Err(error) = store
                .calls_throttled(&account, kind, limits, returned)
                .await
            {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "call rate could not be lowered after throttling"
                );
            }
            // The database ignores a throttled call within a second of the last, so this replica
            // counts the second from when the database has recorded it.
            *bucket.throttled_at() = Some(Instant::now());
        });
        // It ends without a result only when the process is about to end.
        let _ = lower_rate.await;
    }

    /// Begins to reserve tokens from the shared bucket for the first caller, which lacks `missing`
    /// tokens, and for callers behind it.
    fn reserve(
        &self,
        store: &Store,
        account: &AccountId,
        purpose: Purpose,
        missing: u32,
        until: Instant,
    ) -> JoinHandle<Answer> {
        let Purpose { kind, urgency } = purpose;
        let (store, account, limits) = (store.clone(), account.clone(), self.limits);
        let bucket = Arc::clone(self.bucket(kind));
        tokio::spawn(async move {
            let _shared = bucket.reserving.read().await;
            let queue = bucket.queue(urgency);
            let request = CallRequest {
                precedence: urgency.precedence(),
                next: missing,
                waiting: queue.uncovered().max(missing),
                batch: BATCH,
                longest_wait: until.saturating_duration_since(Instant::now()),
            };
            let reserved = store.reserve_calls(&account, kind, limits, request).await;
            let now = Instant::now();
            let reservation = match reserved {
                Ok(reservation) => reservation,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, "call budget could not be read");
                    return Answer::Failed(now);
                }
            };
            let taken = u32::try_from(reservation.waits.len()).unwrap_or(u32::MAX);
            let due = reservation.waits.into_iter().map(|wait| now + wait);
            queue.hand().add(due);
            match reservation.rest {
                None => Answer::Enough,
                Some(rest) => Answer::TooFew(Shortage {
                    missing: missing.saturating_sub(taken),
                    until: now + rest,
                }),
            }
        })
    }

    #[cfg(test)]
    pub(super) fn in_hand(&self, purpose: Purpose) -> u32 {
        let queue = self.bucket(purpose.kind).queue(purpose.urgency);
        queue.hand().tokens()
    }

    fn bucket(&self, kind: CallKind) -> &Arc<Bucket> {
        match kind {
            CallKind::Read => &self.reads,
            CallKind::Write => &self.writes,
        }
    }
}

impl Bucket {
    fn queue(&self, urgency: Urgency) -> &Queue {
        match urgency.precedence() {
            Precedence::Prompt => &self.prompt,
            Precedence::Sweep => &self.sweeps,
        }
    }

    /// Returns whether a call that is throttled now lowers the rate.
    fn begins_throttle(&self, now: Instant) -> bool {
        let mut last = self.throttled_at();
        let begins = last.is_none_or(|at| now.duration_since(at) >= ONE_THROTTLE);
        if begins {
            *last = Some(now);
        }
        begins
    }

    fn throttled_at(&self) -> MutexGuard<'_, Option<Instant>> {
        let last = self.throttled_at.lock();
        last.unwrap_or_else(PoisonError::into_inner)
    }

    /// Discards all tokens that this replica holds, and makes the first callers reserve again. Returns
    /// how many of the tokens could not be used yet.
    fn discard(&self, now: Instant) -> u32 {
        let discard = |queue: &Queue| {
            let returned = queue.hand().discard(now);
            queue.wake_first();
            returned
        };
        discard(&self.prompt) + discard(&self.sweeps)
    }
}
