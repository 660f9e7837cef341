//! A line on a terminal while a command waits.

use std::io::{Write, stderr};
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::screen::{Screen, clean};

/// How often the line is written anew.
const REFRESH: Duration = Duration::from_secs(1);
/// Returns to the start of the line and empties it.
const EMPTY_LINE: &str = "\r\x1b[K";

/// Awaits the work. On a terminal, a line on standard error says what the command waits for, and for
/// how long it has waited since `since`; the line is gone afterwards.
pub(super) async fn during<T>(
    screen: Screen,
    text: &str,
    since: Instant,
    work: impl Future<Output = T>,
) -> T {
    if !screen.shows_progress() {
        return work.await;
    }
    let text = clean(text);
    let mut work = pin!(work);
    let mut ticks = interval(REFRESH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            _ = ticks.tick() => {
                let seconds = since.elapsed().as_secs();
                // A terminal that can't be written is not a reason to give up the work.
                let _ = write!(stderr(), "{EMPTY_LINE}{text} … {seconds} s");
                let _ = stderr().flush();
            }
        }
    };
    let _ = write!(stderr(), "{EMPTY_LINE}");
    let _ = stderr().flush();
    done
}

/// A line on a terminal that says how far a long command has come.
pub(super) struct Count {
    is_shown: bool,
    what: &'static str,
    all: u64,
    last: Instant,
}

impl Count {
    pub(super) fn new(screen: Screen, what: &'static str, all: u64) -> Self {
        Self {
            is_shown: screen.shows_progress(),
            what,
            all,
            last: Instant::now(),
        }
    }

    /// Shows the number, and of how many, at most once in a second.
    pub(super) fn among(&mut self, count: u64, all: u64) {
        self.all = all;
        self.at(count);
    }

    /// Shows the number, at most once in a second.
    pub(super) fn at(&mut self, count: u64) {
        if self.is_shown && self.last.elapsed() >= REFRESH {
            self.last = Instant::now();
            // A terminal that can't be written is not a reason to give up the work.
            let _ = write!(
                stderr(),
                "{EMPTY_LINE}{count} of {} {}",
                self.all,
                self.what
            );
            let _ = stderr().flush();
        }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(stderr(), "{EMPTY_LINE}");
            let _ = stderr().flush();
        }
    }
}
