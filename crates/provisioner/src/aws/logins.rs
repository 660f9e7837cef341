//! The limits of the calls that strangers trigger: each login is a call to STS.

use std::num::NonZeroU32;

use engine_roles_iam::NotIdentified;
use governor::clock::Clock;
use governor::{DefaultDirectRateLimiter, Quota};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many logins one replica sends to STS per second on average, and how many at once after a pause.
const RATE: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
const BURST: NonZeroU32 = NonZeroU32::new(20).expect("not zero");
/// How many logins may wait for STS at the same time.
const MOST_AT_ONCE: usize = 8;

/// Why a login did not find out who the caller is.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Too many callers log in at this time. Nothing was sent.
    #[error("too many callers log in at this time")]
    TooMany {
        /// After how many seconds the next login may come.
        retry_after: u32,
    },
    /// STS did not say who the caller is.
    #[error(transparent)]
    NotIdentified(#[from] NotIdentified),
}

/// Admits logins. They have limits of their own, so that strangers use up nothing that the service needs.
pub(super) struct Logins {
    rate: DefaultDirectRateLimiter,
    slots: Semaphore,
}

impl Default for Logins {
    fn default() -> Self {
        let quota = Quota::per_second(RATE).allow_burst(BURST);
        Self {
            rate: DefaultDirectRateLimiter::direct(quota),
            slots: Semaphore::new(MOST_AT_ONCE),
        }
    }
}

impl Logins {
    /// Admits a login until the permit is dropped. Does not wait.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) fn admit(&self) -> Result<SemaphorePermit<'_>, LoginError> {
        let too_many = |retry_after| LoginError::TooMany { retry_after };
        let slot = self.slots.try_acquire().map_err(|_| too_many(1))?;
        self.rate.check().map_err(|not_until| {
            let wait = not_until.wait_time_from(self.rate.clock().now());
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            too_many(u32::try_from(seconds.max(1)).unwrap_or(u32::MAX))
        })?;
        Ok(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_logins_are_admitted_at_once_and_few_after_one_another() {
        let logins = Logins::default();
        let admitted: Vec<_> = (0..MOST_AT_ONCE).map(|_| logins.admit()).collect();
        assert!(admitted.iter().all(Result::is_ok));
        let refused = logins.admit();
        assert!(matches!(
            refused,
            Err(LoginError::TooMany { retry_after: 1 })
        ));
        drop(admitted);
        // The burst, and one more for each tenth of a second that this loop takes.
        let refused = (0..1_000_000).find_map(|_| logins.admit().err());
        assert!(matches!(
            refused,
            Some(LoginError::TooMany { retry_after: 1 })
        ));
    }
}
