use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use tokio::sync::Notify;

/// The sandbox's own time. Stale reads, hangs, throttling and creation dates go by it, so that
/// a test moves time instead of waiting for it.
pub(crate) struct Clock {
    started: DateTime<Utc>,
    reading: Mutex<Reading>,
    moved: Notify,
}

/// Time since the sandbox started, as of one real instant.
#[derive(Clone, Copy)]
struct Reading {
    at: Instant,
    elapsed: Duration,
    frozen: bool,
}

impl Reading {
    fn now(self) -> Duration {
        if self.frozen {
            self.elapsed
        } else {
            self.elapsed + self.at.elapsed()
        }
    }
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            started: Utc::now(),
            reading: Mutex::new(Reading {
                at: Instant::now(),
                elapsed: Duration::ZERO,
                frozen: false,
            }),
            moved: Notify::new(),
        }
    }

    /// Time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.reading().now()
    }

    /// The date that answers carry for that time, in whole seconds as IAM's are.
    pub(crate) fn date(&self, time: Duration) -> DateTime<Utc> {
        (self.started + time).trunc_subsecs(0)
    }

    /// When time was zero.
    pub(crate) fn started(&self) -> DateTime<Utc> {
        self.started
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.reading().frozen
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.set(|reading| reading.elapsed += by);
    }

    pub(crate) fn freeze(&self, frozen: bool) {
        self.set(|reading| reading.frozen = frozen);
    }

    /// Waits until this much of the sandbox's time has gone by.
    pub(crate) async fn sleep(&self, duration: Duration) {
        let deadline = self.now() + duration;
        loop {
            // Registered before the time is read: a move in between would be missed otherwise.
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            let reading = self.reading();
            let Some(left) = deadline
                .checked_sub(reading.now())
                .filter(|left| !left.is_zero())
            else {
                return;
            };
            if reading.frozen {
                moved.await;
            } else {
                tokio::select! {
                    () = moved => {}
                    () = tokio::time::sleep(left) => {}
                }
            }
        }
    }

    fn reading(&self) -> Reading {
        *self.reading.lock().expect("no holder of the clock panics")
    }

    fn set(&self, change: impl FnOnce(&mut Reading)) {
        {
            let mut reading = self.reading.lock().expect("no holder of the clock panics");
            *reading = Reading {
                at: Instant::now(),
                elapsed: reading.now(),
                frozen: reading.frozen,
            };
            change(&mut reading);
        }
        self.moved.notify_waiters();
    }
}
