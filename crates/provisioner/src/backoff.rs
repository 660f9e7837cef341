//! How long to wait before something is tried again.

use std::time::Duration;

/// Full jitter: anywhere between nothing and the cap, which doubles with each attempt.
/// Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
pub(crate) fn full_jitter(base: Duration, cap: Duration, attempt: u32) -> Duration {
    let most = base.saturating_mul(2_u32.saturating_pow(attempt)).min(cap);
    most.mul_f64(rand::random::<f64>())
}

/// Between half and the whole: for checks that are to be spread out.
pub(crate) fn spread(interval: Duration) -> Duration {
    interval.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}
