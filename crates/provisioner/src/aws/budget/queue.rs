//! The callers that wait for tokens, in the order in which they came.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::aws::budget::hand::Hand;

/// The callers with one kind of call and one precedence.
#[derive(Debug, Default)]
pub(super) struct Queue {
    hand: Mutex<Hand>,
    /// The first caller in the queue holds this lock, which is given to callers in their order.
    pub(super) front: tokio::sync::Mutex<Front>,
    /// How many calls all callers in the queue want to make.
    calls: AtomicU32,
    /// Wakes the first caller when the hand has changed.
    changed: Notify,
}

/// What a first caller leaves to the next.
#[derive(Debug, Default)]
pub(super) struct Front {
    /// The reservation that is under way. A first caller that leaves does not stop it, because the
    /// tokens that the database has granted would be lost; the next caller waits for it.
    pub(super) reservation: Option<JoinHandle<Answer>>,
    /// What the last reservation found, if it took too few tokens.
    shortage: Option<Shortage>,
    /// When the database last failed to answer.
    pub(super) failed_at: Option<Instant>,
}

/// How a reservation ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// The first caller's tokens are in the hand.
    Enough,
    TooFew(Shortage),
    /// The database did not answer, and the replica gave up then.
    Failed(Instant),
}

/// The bucket does not have this many tokens more before this time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shortage {
    pub(super) missing: u32,
    pub(super) until: Instant,
}

/// A caller in the queue, counted until this is dropped.
pub(super) struct Waiting<'a> {
    queue: &'a Queue,
    calls: u32,
}

impl Queue {
    pub(super) fn enter(&self, calls: u8) -> Waiting<'_> {
        let calls = u32::from(calls);
        self.calls.fetch_add(calls, Ordering::Relaxed);
        Waiting { queue: self, calls }
    }

    /// Returns for how many calls the callers in the queue have no tokens.
    pub(super) fn uncovered(&self) -> u32 {
        let calls = self.calls.load(Ordering::Relaxed);
        calls.saturating_sub(self.hand().tokens())
    }

    /// Waits until this time, or until the hand has changed.
    pub(super) async fn wait_until(&self, time: Instant) {
        let _ = timeout_at(time, self.changed.notified()).await;
    }

    pub(super) fn wake_first(&self) {
        self.changed.notify_one();
    }

    pub(super) fn hand(&self) -> MutexGuard<'_, Hand> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Front {
    /// Returns until when it is useless to ask for this many tokens.
    pub(super) fn shortage_of(&self, missing: u32, now: Instant) -> Option<Instant> {
        let shortage = self.shortage?;
        let applies = missing >= shortage.missing && now < shortage.until;
        applies.then_some(shortage.until)
    }

    /// Waits for the reservation under way and keeps its answer for this caller and the next ones.
    /// Returns none when it did not end by `until`.
    pub(super) async fn reserved(&mut self, until: Instant) -> Option<()> {
        let reservation = self.reservation.as_mut()?;
        let answer = timeout_at(until, reservation).await.ok()?;
        self.reservation = None;
        match answer {
            Ok(Answer::Enough) => self.shortage = None,
            Ok(Answer::TooFew(shortage)) => self.shortage = Some(shortage),
            Ok(Answer::Failed(at)) => self.failed_at = Some(at),
            // The task ends without an answer only when the process is about to end.
            Err(_) => self.failed_at = Some(Instant::now()),
        }
        Some(())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.queue.calls.fetch_sub(self.calls, Ordering::Relaxed);
    }
}
