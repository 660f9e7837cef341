//! The tokens that this replica has taken for the callers of one queue.

use tokio::time::Instant;

/// Counts how often tokens were discarded because AWS had throttled a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Throttles(u64);

/// Tokens that were taken from the shared bucket and not used yet.
#[derive(Debug, Default)]
pub(super) struct Hand {
    /// From when on each token may be used. Ascending.
    due: Vec<Instant>,
    throttles: Throttles,
}

/// What a caller finds in the hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// The caller's tokens. They are no longer in the hand.
    Taken(Throttles),
    /// The hand has enough tokens, but they may be used only from then on.
    Due(Instant),
    /// This many tokens are missing.
    Missing(u32),
}

impl Hand {
    /// Takes the tokens for this many calls, if all of them may be used.
    pub(super) fn take(&mut self, calls: u8, now: Instant) -> Held {
        let calls = usize::from(calls);
        match calls.checked_sub(1).map(|last| self.due.get(last)) {
            Some(None) => Held::Missing(count(calls - self.due.len())),
            Some(Some(&due)) if due > now => Held::Due(due),
            None | Some(Some(_)) => {
                self.due.drain(..calls);
                Held::Taken(self.throttles)
            }
        }
    }

    pub(super) fn add(&mut self, due: impl IntoIterator<Item = Instant>) {
        self.due.extend(due);
        self.due.sort_unstable();
    }

    /// Adds unused tokens again, unless AWS has throttled such calls since they were taken.
    pub(super) fn give_back(&mut self, calls: u8, throttles: Throttles, now: Instant) {
        if throttles == self.throttles {
            self.add(std::iter::repeat_n(now, usize::from(calls)));
        }
    }

    /// Discards all tokens. Returns how many of them could not be used yet.
    pub(super) fn discard(&mut self, now: Instant) -> u32 {
        self.throttles.0 += 1;
        let discarded = std::mem::take(&mut self.due);
        count(discarded.iter().filter(|due| **due > now).count())
    }

    pub(super) fn tokens(&self) -> u32 {
        count(self.due.len())
    }
}

fn count(tokens: usize) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn hand(now: Instant, milliseconds: &[u64]) -> Hand {
        let mut hand = Hand::default();
        let due = milliseconds
            .iter()
            .map(|after| now + Duration::from_millis(*after));
        hand.add(due);
        hand
    }

    #[test]
    fn tokens_are_taken_together_and_not_before_the_last_of_them_may_be_used() {
        let now = Instant::now();
        let mut hand = hand(now, &[30, 10, 20]);
        let at = |after| now + Duration::from_millis(after);
        assert_eq!(hand.take(2, now), Held::Due(at(20)));
        assert_eq!(hand.take(2, at(19)), Held::Due(at(20)));
        assert_eq!(hand.take(5, at(30)), Held::Missing(2));
        assert_eq!(hand.take(2, at(20)), Held::Taken(Throttles(0)));
        assert_eq!(hand.take(1, at(29)), Held::Due(at(30)));
        assert_eq!(hand.take(1, at(30)), Held::Taken(Throttles(0)));
        assert_eq!(hand.take(1, at(30)), Held::Missing(1));
        assert_eq!(hand.take(0, at(30)), Held::Taken(Throttles(0)));
    }

    #[test]
    fn tokens_that_are_given_back_may_be_used_at_once() {
        let now = Instant::now();
        let mut hand = hand(now, &[0, 0, 50]);
        assert_eq!(hand.take(2, now), Held::Taken(Throttles(0)));
        hand.give_back(1, Throttles(0), now);
        assert_eq!(hand.take(1, now), Held::Taken(Throttles(0)));
        assert_eq!(hand.tokens(), 1);
    }

    #[test]
    fn discarding_counts_the_tokens_whose_time_has_not_come_and_makes_older_ones_void() {
        let now = Instant::now();
        let mut hand = hand(now, &[0, 0, 50, 60]);
        let taken = hand.take(1, now);
        assert_eq!(taken, Held::Taken(Throttles(0)));
        assert_eq!(hand.discard(now), 2);
        hand.give_back(1, Throttles(0), now);
        assert_eq!(hand.tokens(), 0);
    }
}
