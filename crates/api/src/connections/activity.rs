//! What a connection is doing, and since when.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::limits::ConnectionLimits;

/// How long a connection may be new, or idle, or its client may read nothing of an answer, before it is
/// closed rather than others.
pub(super) const UNTOUCHED: Duration = Duration::from_secs(1);

/// What the client and the service are doing on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The connection is new, and the client has sent nothing.
    New,
    /// The client has sent a part of a request's head.
    Head,
    /// The service waits for the rest of a request's body.
    Body,
    /// The service works on a request, or writes its answer.
    Answering,
    /// The last request was answered.
    Idle,
    /// The service has written its last answer, and waits for the client to close the connection.
    Closing,
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// A request's head took too long.
    SlowHead,
    /// The client read nothing of an answer for too long.
    StalledReader,
    /// No request came for too long.
    Idle,
    /// The number of connections reached its limit, and a new one came.
    Replaced,
    /// The service stops, and has no answer for the client.
    Stopping,
    /// The service has stopped.
    Aborted,
}

/// What one connection is doing. The connection's task writes it; the task that accepts connections
/// reads it and decides when to close the connection.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    is_cut: Notify,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) phase: Phase,
    /// When the phase began. The phases `New` and `Head` count as one.
    pub(super) since: Instant,
    /// Since when the client has read nothing of an answer, although there is more to read.
    pub(super) blocked_since: Option<Instant>,
    pub(super) cut: Option<Cut>,
}

impl State {
    fn new(now: Instant) -> Self {
        Self {
            phase: Phase::New,
            since: now,
            blocked_since: None,
            cut: None,
        }
    }

    /// Returns since when the service waits for the client: for the rest of a head or a body, or until
    /// the client reads.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        match self.phase {
            // The head that follows an answer does not count before the answer is read.
            Phase::New | Phase::Head | Phase::Body => self.blocked_since.or(Some(self.since)),
            Phase::Answering | Phase::Idle => self.blocked_since,
            Phase::Closing => None,
        }
    }

    /// Returns since when the connection is idle: since its client has read the last answer.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.phase == Phase::Idle && self.blocked_since.is_none();
        is_idle.then_some(self.since)
    }

    /// Returns since when nothing would be lost with the connection: the service works on no request, and
    /// has written its answers.
    pub(super) fn unanswering_since(&self) -> Option<Instant> {
        let is_unanswering = !matches!(self.phase, Phase::Answering | Phase::Closing)
            && self.blocked_since.is_none();
        is_unanswering.then_some(self.since)
    }

    /// Returns whether the service works on a request, or has an answer that its client may still read: the
    /// client has read nothing of it for less than [`UNTOUCHED`].
    fn is_answering(&self, now: Instant) -> bool {
        match (self.phase, self.blocked_since) {
            (Phase::Closing, _) => false,
            (_, Some(since)) => now.saturating_duration_since(since) < UNTOUCHED,
            (phase, None) => phase == Phase::Answering,
        }
    }

    /// Returns since when the connection is closing.
    pub(super) fn closes_since(&self) -> Option<Instant> {
        (self.phase == Phase::Closing).then_some(self.since)
    }

    /// Returns why the connection must be closed at this time.
    fn overdue(&self, now: Instant, limits: &ConnectionLimits) -> Option<Cut> {
        let lasts_longer = |since: Instant, limit| now.saturating_duration_since(since) > limit;
        if let Some(since) = self.blocked_since {
            return lasts_longer(since, limits.slow_client).then_some(Cut::StalledReader);
        }
        match self.phase {
            Phase::New | Phase::Head => {
                lasts_longer(self.since, limits.slow_client).then_some(Cut::SlowHead)
            }
            Phase::Idle => lasts_longer(self.since, limits.idle).then_some(Cut::Idle),
            // The reader of the body has the time limit, and answers when it is over.
            Phase::Body | Phase::Answering | Phase::Closing => None,
        }
    }
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State::new(Instant::now())),
            is_cut: Notify::new(),
        }
    }

    pub(super) fn state(&self) -> State {
        *self.lock()
    }

    /// Notes that the client has sent bytes.
    pub(super) fn received(&self) {
        let mut state = self.lock();
        match state.phase {
            Phase::New => state.phase = Phase::Head,
            Phase::Idle => {
                state.phase = Phase::Head;
                state.since = Instant::now();
            }
            Phase::Head | Phase::Body | Phase::Answering | Phase::Closing => {}
        }
    }

    /// Notes that a request's head is complete. A request is pipelined if the client had sent all of its head
    /// before the answer to the request before it; then returns `true`, and the service pauses before it
    /// [begins](Self::begin_answer).
    pub(super) fn begins_pipelined(&self) -> bool {
        let is_pipelined = self.lock().phase == Phase::Idle;
        if !is_pipelined {
            self.begin_answer();
        }
        is_pipelined
    }

    /// Notes that the service begins to work on a request.
    pub(super) fn begin_answer(&self) {
        self.enter(Phase::Answering);
    }

    /// Keeps a connection that was to be closed, if the service has an answer for its client by now: the
    /// answer would be lost. Returns whether it is kept.
    pub(super) fn keep(&self) -> bool {
        let mut state = self.lock();
        let is_final = matches!(state.cut, Some(Cut::StalledReader | Cut::Aborted));
        let is_kept = !is_final && state.is_answering(Instant::now());
        if is_kept {
            state.cut = None;
        }
        is_kept
    }

    /// Notes that the service waits for a part of the body.
    pub(super) fn waits_for_body(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Answering {
            // The body's time counts from the end of the head.
            state.phase = Phase::Body;
        }
    }

    /// Notes that the body has arrived, or that the service waits for it no longer.
    pub(super) fn body_ended(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Body {
            state.phase = Phase::Answering;
        }
    }

    /// Notes that the whole answer is written, or in the buffer to be written.
    pub(super) fn end_answer(&self) {
        self.enter(Phase::Idle);
    }

    /// Notes that the service closes the connection. From now on, the connection can be cut again.
    pub(super) fn begin_closing(&self) {
        let mut state = self.lock();
        state.phase = Phase::Closing;
        state.since = Instant::now();
        state.cut = None;
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.lock();
        state.phase = phase;
        state.since = Instant::now();
    }

    /// Notes that bytes of an answer were written, or that the client does not read them.
    pub(super) fn wrote(&self, is_blocked: bool) {
        let mut state = self.lock();
        if is_blocked {
            state.blocked_since.get_or_insert_with(Instant::now);
        } else if state.blocked_since.take().is_some()
            && matches!(state.phase, Phase::Head | Phase::Idle)
        {
            // The connection is idle, or the next head begins, when the client has read the answer.
            state.since = Instant::now();
        }
    }

    /// Makes the connection's task close the connection, also if the service works on a request.
    pub(super) fn abort(&self) {
        self.lock().cut = Some(Cut::Aborted);
        self.is_cut.notify_one();
    }

    /// Makes the connection's task close the connection, unless its phase is another one by now. Returns
    /// whether it does. Only the first reason counts.
    pub(super) fn cut_in(&self, phase: Phase, reason: Cut) -> bool {
        let mut state = self.lock();
        let is_cut = state.phase == phase;
        if is_cut {
            state.cut.get_or_insert(reason);
            self.is_cut.notify_one();
        }
        is_cut
    }

    /// Closes the connection if it has exceeded a limit.
    pub(super) fn cut_if_overdue(&self, now: Instant, limits: &ConnectionLimits) {
        let state = self.state();
        if let Some(reason) = state.overdue(now, limits) {
            self.cut_in(state.phase, reason);
        }
    }

    /// Waits until the connection must be closed.
    pub(super) async fn must_close(&self) -> Cut {
        loop {
            if let Some(reason) = self.state().cut {
                return reason;
            }
            self.is_cut.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        most: 1,
        slow_client: Duration::from_secs(20),
        idle: Duration::from_secs(75),
    };

    #[test]
    fn each_phase_has_its_time_limit() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        for (phase, last, cut) in [
            (Phase::New, 20, Some(Cut::SlowHead)),
            (Phase::Head, 20, Some(Cut::SlowHead)),
            (Phase::Idle, 75, Some(Cut::Idle)),
            (Phase::Body, 1_000, None),
            (Phase::Answering, 1_000, None),
            (Phase::Closing, 1_000, None),
        ] {
            let state = State {
                phase,
                ..State::new(start)
            };
            assert_eq!(state.overdue(after(last), &LIMITS), None, "{phase:?}");
            assert_eq!(state.overdue(after(last + 1), &LIMITS), cut, "{phase:?}");
        }
    }

    #[test]
    fn a_client_that_reads_nothing_is_cut_in_every_phase() {
        let start = Instant::now();
        for phase in [Phase::Answering, Phase::Idle] {
            let state = State {
                phase,
                blocked_since: Some(start),
                ..State::new(start)
            };
            let last = start + LIMITS.slow_client;
            assert_eq!(state.overdue(last, &LIMITS), None);
            let late = last + Duration::from_millis(1);
            assert_eq!(state.overdue(late, &LIMITS), Some(Cut::StalledReader));
        }
    }

    #[test]
    fn a_head_that_arrives_slowly_does_not_gain_time_with_each_byte() {
        let activity = Activity::new();
        let accepted = activity.state().since;
        activity.received();
        activity.received();
        assert_eq!(activity.state().phase, Phase::Head);
        assert_eq!(activity.state().since, accepted);
        assert!(!activity.begins_pipelined());
        activity.received();
        assert_eq!(activity.state().phase, Phase::Answering);
        activity.end_answer();
        assert_eq!(activity.state().phase, Phase::Idle);
        activity.received();
        let next = activity.state();
        assert_eq!(next.phase, Phase::Head);
        activity.received();
        assert_eq!(activity.state().since, next.since);
    }

    #[test]
    fn a_connection_with_an_answer_for_its_client_is_not_closed() {
        for reason in [Cut::SlowHead, Cut::Idle, Cut::Replaced, Cut::Stopping] {
            let activity = Activity::new();
            activity.received();
            assert!(activity.cut_in(Phase::Head, reason));
            assert!(!activity.keep());
            activity.begin_answer();
            activity.waits_for_body();
            assert!(!activity.keep());
            activity.body_ended();
            assert!(activity.keep());
            assert_eq!(activity.state().cut, None);
            assert!(!activity.cut_in(Phase::Head, reason));
            assert_eq!(activity.state().cut, None);
            // The answer is not written, and its client may read it.
            activity.end_answer();
            activity.wrote(true);
            assert!(activity.cut_in(Phase::Idle, reason));
            assert!(activity.keep());
            activity.wrote(false);
            assert!(activity.cut_in(Phase::Idle, reason));
            assert!(!activity.keep());
        }
        let activity = Activity::new();
        activity.begin_answer();
        assert!(activity.cut_in(Phase::Answering, Cut::StalledReader));
        assert!(!activity.keep());
        activity.abort();
        assert!(!activity.keep());
        assert_eq!(activity.state().cut, Some(Cut::Aborted));
    }

    #[test]
    fn a_client_that_reads_nothing_for_a_second_loses_its_answer() {
        let start = Instant::now();
        for phase in [Phase::Answering, Phase::Idle, Phase::Head] {
            let state = State {
                phase,
                blocked_since: Some(start),
                ..State::new(start)
            };
            assert!(state.is_answering(start), "{phase:?}");
            assert!(!state.is_answering(start + UNTOUCHED), "{phase:?}");
        }
    }

    #[test]
    fn the_time_of_the_next_head_begins_when_the_answer_before_it_is_read() {
        let activity = Activity::new();
        activity.received();
        activity.begin_answer();
        activity.end_answer();
        activity.wrote(true);
        activity.received();
        let unread = activity.state();
        assert_eq!(unread.phase, Phase::Head);
        assert_eq!(unread.waits_since(), unread.blocked_since);
        assert_eq!(unread.unanswering_since(), None);
        let late = unread.since + LIMITS.slow_client + Duration::from_millis(1);
        assert_eq!(unread.overdue(late, &LIMITS), Some(Cut::StalledReader));
        activity.wrote(false);
        let read = activity.state();
        assert!(read.since >= unread.since);
        assert_eq!(read.waits_since(), Some(read.since));
    }

    #[test]
    fn a_request_without_new_bytes_is_pipelined() {
        let activity = Activity::new();
        activity.received();
        assert!(!activity.begins_pipelined());
        activity.end_answer();
        assert!(activity.begins_pipelined());
    }
}
