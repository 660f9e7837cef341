//! How long to wait before a retry or the next check.

use std::time::Duration;

/// Returns a random pause between zero and `base` doubled with each attempt, at most `cap`: full
/// jitter.
/// Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
pub(crate) fn full_jitter(base: Duration, cap: Duration, attempt: u32) -> Duration {
    let most = base.saturating_mul(2_u32.saturating_pow(attempt)).min(cap);
    most.mul_f64(rand::random::<f64>())
}

/// Returns a random duration between half of the interval and all of it, so that the checks of many
/// bindings are spread over time.
pub(crate) fn spread(interval: Duration) -> Duration {
    interval.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}
