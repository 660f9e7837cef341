//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// The longest that anything here is waited for: what takes longer does not happen.
pub const LIMIT: Duration = Duration::from_mins(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Asks again and again until there is an answer.
///
/// # Panics
/// When there is none for two minutes.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            started.elapsed() < LIMIT,
            "waited {LIMIT:?} in vain until {what}"
        );
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
