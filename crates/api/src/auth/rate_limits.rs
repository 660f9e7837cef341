//! How often a key may be used, and how often a source may fail to authenticate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

/// How many requests without a valid key one source may send at once, of those that it may send per
/// minute.
const PART_AT_ONCE: u32 = 3;
/// How many sources are remembered. Further ones share one limit, until some are within theirs again.
const MOST_REMEMBERED: usize = 10_000;
/// How often those that are within their limit are looked for, when there are too many.
const FORGET_EVERY: Duration = Duration::from_secs(1);
/// Stands for all sources that are not remembered.
const OTHERS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// The addresses of one IPv6 network of this many bits count as one source: a single host has all of them.
const IPV6_NETWORK: u32 = 64;

type Limiter<K> = RateLimiter<K, HashMapStateStore<K>, MonotonicClock, NoOpMiddleware<Instant>>;

/// A request came too soon.
#[derive(Debug)]
pub(super) struct TooSoon {
    /// After how many seconds the next one may come.
    pub(super) retry_after: u32,
}

pub(super) struct RateLimits {
    failures: Sources,
    logins: Sources,
    keys: Limiter<String>,
}

/// A limit for each source.
struct Sources {
    limiter: Limiter<IpAddr>,
    forgot_at: Mutex<Option<Instant>>,
}

impl RateLimits {
    /// `failure_rate` is how many requests without a valid key one source may send per minute on average,
    /// and how many logins,
    /// `key_rate` how many requests one key may send per second on average, and `key_burst` how many at
    /// once.
    pub(super) fn new(
        failure_rate: NonZeroU32,
        key_rate: NonZeroU32,
        key_burst: NonZeroU32,
    ) -> Self {
        let keys = Quota::per_second(key_rate).allow_burst(key_burst);
        Self {
            failures: Sources::new(failure_rate),
            logins: Sources::new(failure_rate),
            keys: RateLimiter::new(keys, HashMapStateStore::default(), MonotonicClock),
        }
    }

    /// Counts a request of a source without a valid key.
    pub(super) fn count_failure(&self, source: IpAddr) -> Result<(), TooSoon> {
        self.failures.count(source)
    }

    /// Counts a login of a source, before AWS is asked about it.
    pub(super) fn count_login(&self, source: IpAddr) -> Result<(), TooSoon> {
        self.logins.count(source)
    }

    /// Counts a request with a valid key.
    pub(super) fn count_use(&self, key: &String) -> Result<(), TooSoon> {
        check(&self.keys, key)
    }
}

impl Sources {
    /// `rate` is how many requests one source may send per minute on average.
    fn new(rate: NonZeroU32) -> Self {
        let at_once = NonZeroU32::new(rate.get() / PART_AT_ONCE);
        let quota = Quota::per_minute(rate).allow_burst(at_once.unwrap_or(NonZeroU32::MIN));
        Self {
            limiter: RateLimiter::new(quota, HashMapStateStore::default(), MonotonicClock),
            forgot_at: Mutex::default(),
        }
    }

    fn count(&self, source: IpAddr) -> Result<(), TooSoon> {
        let source = if self.is_full() {
            OTHERS
        } else {
            network(source)
        };
        check(&self.limiter, &source)
    }

    /// Returns whether no further source can be remembered.
    fn is_full(&self) -> bool {
        if self.limiter.len() < MOST_REMEMBERED {
            return false;
        }
        let mut forgot_at = self
            .forgot_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if forgot_at.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
            self.limiter.retain_recent();
            *forgot_at = Some(Instant::now());
        }
        self.limiter.len() >= MOST_REMEMBERED
    }
}

fn check<K: Clone + std::hash::Hash + Eq>(limiter: &Limiter<K>, key: &K) -> Result<(), TooSoon> {
    limiter.check_key(key).map_err(|not_until| {
        let wait = not_until.wait_time_from(limiter.clock().now());
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        TooSoon {
            retry_after: u32::try_from(seconds.max(1)).unwrap_or(u32::MAX),
        }
    })
}

/// Returns what counts as one source: an IPv4 address, or an IPv6 network.
pub(super) fn network(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => {
            let host_bits = 128 - IPV6_NETWORK;
            Ipv6Addr::from_bits(address.to_bits() >> host_bits << host_bits).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> RateLimits {
        let number = |number| NonZeroU32::new(number).expect("not zero");
        RateLimits::new(number(60), number(1), number(2))
    }

    #[test]
    fn a_source_may_fail_so_often_and_another_one_is_not_concerned() {
        let limits = limits();
        let source = |text: &str| text.parse::<IpAddr>().expect("an address");
        for _ in 0..20 {
            assert!(limits.count_failure(source("192.0.2.1")).is_ok());
        }
        let refused = limits.count_failure(source("192.0.2.1"));
        assert_eq!(refused.expect_err("too many").retry_after, 1);
        assert!(limits.count_failure(source("192.0.2.2")).is_ok());
        // One host can have all addresses of its network.
        for host in 0..20 {
            let address = format!("2001:db8::{host:x}");
            assert!(limits.count_failure(source(&address)).is_ok());
        }
        assert!(limits.count_failure(source("2001:db8::ffff")).is_err());
        assert!(limits.count_failure(source("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn sources_that_are_within_their_limit_are_forgotten() {
        let limits = limits();
        for number in 0..(2 * MOST_REMEMBERED) {
            let number = u32::try_from(number).expect("small");
            let source = Ipv4Addr::from_bits(number);
            let _ = limits.count_failure(source.into());
        }
        // A single failure is forgotten after a second.
        assert!(limits.failures.limiter.len() <= MOST_REMEMBERED + 1);
        std::thread::sleep(Duration::from_millis(2200));
        let _ = limits.count_failure("192.0.2.1".parse().expect("an address"));
        assert!(limits.failures.limiter.len() < MOST_REMEMBERED);
    }
}
