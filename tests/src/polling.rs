//! Polling until a condition holds.

use std::time::{Duration, Instant, SystemTime};

/// The longest wait for a condition before the test fails.
pub const LIMIT: Duration = Duration::from_mins(2);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Waits for the next hour where this one ends soon: a test that counts what is recorded once an hour then lies
/// within one.
pub async fn within_one_hour() {
    const ENOUGH: u64 = 120;
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let left = 3_600 - since_epoch.expect("after 1970").as_secs() % 3_600;
    if left < ENOUGH {
        tokio::time::sleep(Duration::from_secs(left)).await;
    }
}

/// Polls until `poll` returns a value, and returns that value.
///
/// # Panics
/// When `poll` returns no value within [`LIMIT`].
pub async fn eventually<T>(what: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = poll().await {
            return found;
        }
        assert!(started.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
