use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use tokio::sync::Notify;

/// The sandbox's clock. Stale reads, hangs, throttling and creation dates use it, so a test moves
/// the clock and does not have to wait.
pub(crate) struct Clock {
    started: DateTime<Utc>,
    reading: Mutex<Reading>,
    moved: Notify,
}

/// The sandbox time since the start, as of one real instant.
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

    /// Returns the sandbox time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.reading().now()
    }

    /// Returns the date of `time`, in whole seconds like IAM's dates.
    pub(crate) fn date(&self, time: Duration) -> DateTime<Utc> {
        (self.started + time).trunc_subsecs(0)
    }

    /// Returns the date at which the sandbox started.
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

    /// Waits for a duration of sandbox time.
    pub(crate) async fn sleep(&self, duration: Duration) {
        let deadline = self.now() + duration;
        loop {
            // Registered before the clock is read; otherwise a change between the two steps would
            // be missed.
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
