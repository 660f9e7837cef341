//! Waiting until a condition holds.

use std::time::{Duration, Instant};

/// How long a condition is waited for before the test fails.
pub const LIMIT: Duration = Duration::from_mins(2);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Polls until there is an answer.
///
/// # Panics
/// When there is no answer within [`LIMIT`].
pub async fn eventually<T>(what: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = poll().await {
            return found;
        }
        assert!(
            started.elapsed() < LIMIT,
            "waited {LIMIT:?} in vain until {what}"
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
