//! The clock by which the age of a heartbeat is measured.

use std::ops::Add;
use std::time::Duration;

/// A time on `CLOCK_BOOTTIME`, which does not jump, and which also counts the time during which the
/// machine is suspended. On systems other than Linux, a time on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(Duration);

impl BootTime {
    /// Reads the clock.
    #[cfg(target_os = "linux")]
    pub fn now() -> Self {
        use rustix::time::{ClockId, clock_gettime};
        let read = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(read.tv_sec).unwrap_or_default();
        let nanoseconds = u32::try_from(read.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanoseconds))
    }

    /// Reads the clock.
    #[cfg(not(target_os = "linux"))]
    pub fn now() -> Self {
        static FIRST_READ: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        Self(FIRST_READ.get_or_init(std::time::Instant::now).elapsed())
    }

    #[cfg(test)]
    pub(crate) fn ago(age: Duration) -> Self {
        Self(Self::now().0.saturating_sub(age))
    }

    /// Returns how much time has passed since then; zero for a time in the future.
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

impl Add<Duration> for BootTime {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}
