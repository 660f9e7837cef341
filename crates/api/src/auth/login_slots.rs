//! How many logins of one source wait for AWS at the same time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::rate_limits::network;

/// How many logins of one source may wait at the same time. A replica sends eight at a time, so that a few
/// sources can't keep all others out.
const MOST_OF_ONE_SOURCE: usize = 2;

/// Counts the logins of each source that wait for AWS now.
#[derive(Debug, Default)]
pub(super) struct LoginSlots(Mutex<HashMap<IpAddr, usize>>);

/// The place of a login, until it is dropped.
#[derive(Debug)]
pub(crate) struct LoginSlot<'a> {
    slots: &'a LoginSlots,
    network: IpAddr,
}

impl LoginSlots {
    /// Gives a login of this source a place; none where the source has too many. Does not wait.
    pub(super) fn take(&self, source: IpAddr) -> Option<LoginSlot<'_>> {
        let network = network(source);
        let mut waiting = self.waiting();
        let count = waiting.entry(network).or_default();
        if *count >= MOST_OF_ONE_SOURCE {
            return None;
        }
        *count += 1;
        Some(LoginSlot {
            slots: self,
            network,
        })
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LoginSlot<'_> {
    fn drop(&mut self) {
        let mut waiting = self.slots.waiting();
        if let Some(count) = waiting.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_source_has_two_places_and_gets_them_back() {
        let slots = LoginSlots::default();
        let first = slots.take(source("2001:db8::1"));
        let second = slots.take(source("2001:db8::2"));
        assert!(first.is_some() && second.is_some());
        assert!(slots.take(source("2001:db8::3")).is_none());
        let other = slots.take(source("2001:db8:0:1::1"));
        assert!(other.is_some(), "another network");
        assert!(slots.take(source("192.0.2.1")).is_some());
        drop(first);
        let third = slots.take(source("2001:db8::3"));
        assert!(third.is_some());
        assert!(slots.take(source("2001:db8::4")).is_none());
        drop((second, third, other));
        assert!(slots.waiting().is_empty(), "nothing is kept");
    }
}
