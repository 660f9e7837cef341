use std::time::Duration;

/// A token bucket for the whole account, like IAM's.
pub(crate) struct Throttle {
    rate: f64,
    burst: f64,
    tokens: f64,
    filled: Duration,
}

impl Throttle {
    /// Allows `rate` calls per second, and `burst` calls at once (default: the calls of one
    /// second).
    pub(crate) fn new(rate: f64, burst: Option<u32>, now: Duration) -> Self {
        let burst = burst.map_or(rate.ceil(), f64::from).max(1.0);
        Self {
            rate,
            burst,
            tokens: burst,
            filled: now,
        }
    }

    /// Takes a token; returns `false` if the bucket is empty.
    pub(crate) fn admit(&mut self, now: Duration) -> bool {
        let gone = now.saturating_sub(self.filled).as_secs_f64();
        self.tokens = (self.tokens + gone * self.rate).min(self.burst);
        self.filled = now;
        let admitted = self.tokens >= 1.0;
        if admitted {
            self.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_allows_its_burst_and_then_its_rate() {
        let mut throttle = Throttle::new(2.0, Some(3), Duration::ZERO);
        let admitted = |throttle: &mut Throttle, millis| {
            let now = Duration::from_millis(millis);
            (0..10).filter(|_| throttle.admit(now)).count()
        };
        assert_eq!(admitted(&mut throttle, 0), 3);
        assert_eq!(admitted(&mut throttle, 1_000), 2);
        assert_eq!(admitted(&mut throttle, 60_000), 3);
    }
}
