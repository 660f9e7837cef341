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
