//! The calls to IAM of the last hour, minute by minute, as this replica made them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine_roles_iam::ErrorKind;

/// The number of minutes that are kept.
const MINUTES: usize = 60;
const MINUTE: Duration = Duration::from_mins(1);

/// The calls to IAM of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Calls that AWS answered, also with an error, but did not throttle or deny.
    pub answered: u32,
    /// Calls that AWS throttled.
    pub throttled: u32,
    /// Calls that AWS denied, or whose credentials it did not accept.
    pub denied: u32,
    /// Calls that got no answer, or one that shows a failure of AWS.
    pub failed: u32,
    /// How often work waited for the call budget.
    pub waits: u32,
    /// How often work was put off because the call budget had nothing left in time.
    pub put_off: u32,
}

impl CallCounts {
    /// Returns the number of calls that were sent.
    pub fn sent(&self) -> u32 {
        let counts = [self.answered, self.throttled, self.denied, self.failed];
        counts.into_iter().fold(0, u32::saturating_add)
    }

    /// Returns the counts of two times together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            answered: self.answered.saturating_add(other.answered),
            throttled: self.throttled.saturating_add(other.throttled),
            denied: self.denied.saturating_add(other.denied),
            failed: self.failed.saturating_add(other.failed),
            waits: self.waits.saturating_add(other.waits),
            put_off: self.put_off.saturating_add(other.put_off),
        }
    }
}

/// The calls to IAM of the last hour, as this replica made them since its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallHistory {
    /// When this replica started.
    pub since: SystemTime,
    /// The counts of each of the last sixty minutes, the present one last.
    pub minutes: Vec<CallCounts>,
}

impl CallHistory {
    /// Returns the counts of all minutes together.
    pub fn total(&self) -> CallCounts {
        let minutes = self.minutes.iter().copied();
        minutes.fold(CallCounts::default(), CallCounts::and)
    }
}

/// What happened to a call, or to work that wanted to make calls.
#[derive(Clone, Copy, Debug)]
enum Noted {
    Answered(Option<ErrorKind>),
    Waited,
    PutOff,
}

/// Counts the calls of each minute.
#[derive(Debug)]
pub(crate) struct RecentCalls {
    started: SystemTime,
    counted: Mutex<VecDeque<(u64, CallCounts)>>,
}

impl Default for RecentCalls {
    fn default() -> Self {
        Self {
            started: SystemTime::now(),
            counted: Mutex::default(),
        }
    }
}

impl RecentCalls {
    /// Counts a call that was sent. The error is none where AWS answered with success.
    pub(crate) fn note_answer(&self, error: Option<ErrorKind>) {
        self.note_at(Noted::Answered(error), SystemTime::now());
    }

    /// Counts work that had to wait for the call budget, or did not get any of it in time (none).
    pub(crate) fn note_budget(&self, has_waited: Option<bool>) {
        match has_waited {
            None => self.note_at(Noted::PutOff, SystemTime::now()),
            Some(true) => self.note_at(Noted::Waited, SystemTime::now()),
            Some(false) => {}
        }
    }

    pub(crate) fn history(&self) -> CallHistory {
        self.history_at(SystemTime::now())
    }

    fn note_at(&self, what: Noted, now: SystemTime) {
        let minute = minute_of(now);
        let mut counted = self.counted();
        // A clock that was set back must not make the list grow.
        if counted.back().is_none_or(|(last, _)| *last < minute) {
            counted.push_back((minute, CallCounts::default()));
            if counted.len() > MINUTES {
                counted.pop_front();
            }
        }
        if let Some((_, counts)) = counted.back_mut() {
            let count = counts.count_of(what);
            *count = count.saturating_add(1);
        }
    }

    fn history_at(&self, now: SystemTime) -> CallHistory {
        let now = minute_of(now);
        let counted = self.counted();
        let minutes = (0..MINUTES as u64).rev().map(|ago| {
            let minute = now.saturating_sub(ago);
            let found = counted.iter().find(|(at, _)| *at == minute);
            found.map_or_else(CallCounts::default, |(_, counts)| *counts)
        });
        CallHistory {
            since: self.started,
            minutes: minutes.collect(),
        }
    }

    fn counted(&self) -> MutexGuard<'_, VecDeque<(u64, CallCounts)>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallCounts {
    fn count_of(&mut self, what: Noted) -> &mut u32 {
        match what {
            Noted::Answered(Some(ErrorKind::Throttled)) => &mut self.throttled,
            Noted::Answered(Some(ErrorKind::Denied | ErrorKind::InvalidCredentials)) => {
                &mut self.denied
            }
            Noted::Answered(Some(ErrorKind::Transient | ErrorKind::Unanswered)) => &mut self.failed,
            Noted::Answered(_) => &mut self.answered,
            Noted::Waited => &mut self.waits,
            Noted::PutOff => &mut self.put_off,
        }
    }
}

fn minute_of(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() / MINUTE.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_minute_for_an_hour() {
        let recent = RecentCalls::default();
        let start = UNIX_EPOCH + MINUTE * 1_000;
        recent.note_at(Noted::Answered(None), start);
        recent.note_at(Noted::Answered(Some(ErrorKind::Throttled)), start + MINUTE);
        recent.note_at(Noted::Waited, start + MINUTE);
        recent.note_at(Noted::Answered(Some(ErrorKind::Absent)), start + MINUTE * 3);
        let history = recent.history_at(start + MINUTE * 3);
        assert_eq!(history.minutes.len(), MINUTES);
        let sent: Vec<u32> = history.minutes.iter().map(CallCounts::sent).collect();
        assert_eq!(sent[MINUTES - 5..], [0, 1, 1, 0, 1]);
        let total = history.total();
        assert_eq!((total.answered, total.throttled, total.waits), (2, 1, 1));
        let later = recent.history_at(start + MINUTE * 60);
        assert_eq!(later.total().sent(), 2);
        assert_eq!(recent.history_at(start + MINUTE * 200).total().sent(), 0);
    }

    #[test]
    fn the_list_of_minutes_stays_short() {
        let recent = RecentCalls::default();
        let start = UNIX_EPOCH + MINUTE * 1_000;
        for minute in 0..500 {
            recent.note_at(Noted::PutOff, start + MINUTE * minute);
            recent.note_at(Noted::PutOff, start);
        }
        assert_eq!(recent.counted().len(), MINUTES);
    }
}
