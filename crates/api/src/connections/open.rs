//! The open connections, and which of them are closed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::activity::{Activity, Cut, Phase, State, UNTOUCHED};
use super::limits::ConnectionLimits;

/// How often connections are compared with their time limits.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);

/// How long a client that has just connected, or begun to send, keeps its connection. Its request may be on its
/// way. This is also how long a new connection waits at most before the others are looked at again.
const GRACE: Duration = Duration::from_millis(100);

/// How often at most a connection is chosen that makes room. If the phase of each one changes before it is cut,
/// the next look chooses again.
const CHOICES: usize = 3;

/// The connections that are open.
#[derive(Debug)]
pub(super) struct OpenConnections {
    limits: ConnectionLimits,
    connections: Mutex<Connections>,
    /// Notified when a connection closes or becomes idle, which makes room for a new one.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Connections {
    last_id: u64,
    by_id: HashMap<u64, Arc<Activity>>,
}

/// A connection's place among the open connections. Dropping this value gives the place away.
#[derive(Debug)]
pub(super) struct Place {
    open: Arc<OpenConnections>,
    id: u64,
    pub(super) activity: Arc<Activity>,
}

impl OpenConnections {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self {
            limits,
            connections: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(super) fn limits(&self) -> &ConnectionLimits {
        &self.limits
    }

    /// Returns a place for a new connection. At the limit, closes another connection. Where the service
    /// works for all of them, waits until one closes or becomes idle, or its client does nothing.
    pub(super) async fn place(self: &Arc<Self>) -> Place {
        let asked_at = Instant::now();
        loop {
            {
                let mut connections = self.lock();
                if connections.by_id.len() < self.limits.most {
                    connections.last_id += 1;
                    let id = connections.last_id;
                    let activity = Arc::new(Activity::new());
                    connections.by_id.insert(id, Arc::clone(&activity));
                    let open = Arc::clone(self);
                    return Place { open, id, activity };
                }
                // Clients that begin to send again and again can't keep a new one out.
                let grace = GRACE.saturating_sub(asked_at.elapsed());
                connections.make_room(Instant::now(), grace);
            }
            // A connection that may not give way yet may do so soon, without a notice.
            let _ = timeout(GRACE, self.changed.notified()).await;
        }
    }

    /// Closes a connection that does not answer a request, if there is one.
    pub(super) fn close_one(&self) {
        self.lock().make_room(Instant::now(), Duration::ZERO);
    }

    /// Notes that a connection may make room: it has become idle, or is closing.
    pub(super) fn can_make_room(&self) {
        self.changed.notify_one();
    }

    /// Closes the connections that have exceeded a time limit, again and again.
    pub(super) async fn sweep(&self) {
        let mut turns = interval(SWEEP_INTERVAL);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            let now = Instant::now();
            for activity in self.lock().by_id.values() {
                activity.cut_if_overdue(now, &self.limits);
            }
        }
    }

    /// Closes the connections on which no answer is made or written. A body that is unfinished gets an
    /// answer, too.
    pub(super) fn close_unanswering(&self) {
        for activity in self.lock().by_id.values() {
            let state = activity.state();
            let is_unanswering = state.unanswering_since().or(state.closes_since()).is_some();
            if is_unanswering && state.phase != Phase::Body {
                activity.cut_in(state.phase, Cut::Stopping);
            }
        }
    }

    /// Closes all connections.
    pub(super) fn close_all(&self) {
        for activity in self.lock().by_id.values() {
            activity.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// Closes one connection, unless one is being cut already, or the service works for all of them.
    fn make_room(&mut self, now: Instant, grace: Duration) {
        for _ in 0..CHOICES {
            let states = self.by_id.values().map(|open| (open, open.state()));
            let states: Vec<_> = states.collect();
            if states.iter().any(|(_, state)| state.cut.is_some()) {
                return;
            }
            let Some((open, state)) = gives_way(&states, now, grace) else {
                return;
            };
            if open.cut_in(state.phase, Cut::Replaced) {
                return;
            }
        }
    }
}

/// Returns the connection that gives way to a new one: one that is closing anyway, else the one whose
/// client has kept the service waiting the longest, else the one that has been idle the longest.
///
/// A connection that began to wait within the last second comes after those that have been idle for
/// longer. Otherwise a client with many idle connections, which opens one after another, would let no
/// head of another client arrive. Where all have waited or been idle for less than a second, the one gives
/// way for which that is the longest, unless its request may still be on its way: it has waited for less than
/// `grace`. A client that has read nothing of its answer for less than a second keeps its connection.
fn gives_way<T>(states: &[(T, State)], now: Instant, grace: Duration) -> Option<&(T, State)> {
    let longest = |since: fn(&State) -> Option<Instant>, at_least: Duration| {
        let found = states
            .iter()
            .filter_map(|open| Some((open, since(&open.1)?)));
        let found = found.filter(|(_, since)| now.saturating_duration_since(*since) >= at_least);
        found.min_by_key(|(_, since)| *since).map(|(open, _)| open)
    };
    let is_grace_over = |state: &State| {
        state.phase == Phase::Idle || now.saturating_duration_since(state.since) >= grace
    };
    longest(State::closes_since, Duration::ZERO)
        .or_else(|| longest(State::waits_since, UNTOUCHED))
        .or_else(|| longest(State::idle_since, UNTOUCHED))
        .or_else(|| {
            longest(State::unanswering_since, Duration::ZERO).filter(|open| is_grace_over(&open.1))
        })
}

impl Place {
    pub(super) fn open(&self) -> &OpenConnections {
        &self.open
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.lock().by_id.remove(&self.id);
        self.open.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn open(most: usize) -> Arc<OpenConnections> {
        Arc::new(OpenConnections::new(ConnectionLimits {
            most,
            slow_client: Duration::from_secs(20),
            idle: Duration::from_secs(75),
        }))
    }

    #[tokio::test]
    async fn at_the_limit_the_oldest_unfinished_head_makes_room() {
        let open = open(4);
        let mut places = Vec::new();
        for _ in 0..4 {
            places.push(open.place().await);
        }
        for place in &places {
            place.activity.received();
        }
        places[0].activity.begin_answer();
        places[0].activity.end_answer();
        places[1].activity.begin_answer();
        tokio::time::sleep(GRACE).await;
        let waits = open.place();
        tokio::pin!(waits);
        assert!(waits.as_mut().now_or_never().is_none());
        let cuts = places.iter().map(|place| place.activity.state().cut);
        let cuts: Vec<_> = cuts.collect();
        assert_eq!(cuts, [None, None, Some(Cut::Replaced), None]);
        // One connection makes room for one.
        open.close_one();
        assert_eq!(places[3].activity.state().cut, None);
        places.remove(2);
        waits.await;
    }

    #[tokio::test]
    async fn without_an_unfinished_head_the_longest_idle_connection_makes_room() {
        let open = open(3);
        let mut places = Vec::new();
        for _ in 0..3 {
            places.push(open.place().await);
        }
        for number in [1, 2, 0] {
            places[number].activity.begin_answer();
        }
        for number in [2, 1] {
            places[number].activity.end_answer();
        }
        open.close_one();
        let cuts = places.iter().map(|place| place.activity.state().cut);
        let cuts: Vec<_> = cuts.collect();
        assert_eq!(cuts, [None, None, Some(Cut::Replaced)]);
    }

    /// Returns the order in which connections give way. Each is a name, a phase, since how many
    /// milliseconds, and since how many milliseconds the client has read nothing.
    fn order(connections: &[(&'static str, Phase, u64, Option<u64>)]) -> Vec<&'static str> {
        let now = Instant::now() + Duration::from_hours(1);
        let ago = |milliseconds| now.checked_sub(Duration::from_millis(milliseconds));
        let states = connections.iter().map(|(name, phase, since, blocked)| {
            let state = State {
                phase: *phase,
                since: ago(*since).expect("a time"),
                blocked_since: blocked.and_then(ago),
                cut: None,
            };
            (*name, state)
        });
        let mut states: Vec<_> = states.collect();
        let mut order = Vec::new();
        while let Some((name, _)) = gives_way(&states, now, GRACE).copied() {
            order.push(name);
            states.retain(|(other, _)| *other != name);
        }
        order
    }

    #[test]
    fn the_client_that_keeps_the_service_waiting_the_longest_gives_way_and_one_at_work_never() {
        let order = order(&[
            ("idle for long", Phase::Idle, 60_000, None),
            ("works", Phase::Answering, 90_000, None),
            ("half a head", Phase::Head, 5_000, None),
            ("nothing", Phase::New, 4_000, None),
            ("half a body", Phase::Body, 6_000, None),
            ("reads no stream", Phase::Answering, 90_000, Some(7_000)),
            ("reads no answer", Phase::Idle, 90_000, Some(3_000)),
            ("may read the stream", Phase::Answering, 90_000, Some(999)),
            ("may read the answer", Phase::Idle, 90_000, Some(999)),
            ("closes", Phase::Closing, 10, None),
        ]);
        let expected = [
            "closes",
            "reads no stream",
            "half a body",
            "half a head",
            "nothing",
            "reads no answer",
            "idle for long",
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn a_connection_that_has_just_begun_to_wait_outlives_those_that_are_idle_for_longer() {
        let order = order(&[
            ("idle now", Phase::Idle, 900, None),
            ("new", Phase::New, 800, None),
            ("head", Phase::Head, 850, None),
            ("idle for long", Phase::Idle, 2_000, None),
            ("idle", Phase::Idle, 1_000, None),
            ("half a head", Phase::Head, 1_000, None),
        ]);
        let expected = [
            "half a head",
            "idle for long",
            "idle",
            "idle now",
            "head",
            "new",
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn a_request_that_may_be_on_its_way_has_a_moment_to_arrive() {
        let gives_way = |connections: &[_]| order(connections).first().copied();
        for phase in [Phase::New, Phase::Head, Phase::Body] {
            assert_eq!(gives_way(&[("waits", phase, 99, None)]), None);
            assert_eq!(gives_way(&[("waits", phase, 100, None)]), Some("waits"));
            let idle = ("idle", Phase::Idle, 98, None);
            assert_eq!(gives_way(&[("waits", phase, 99, None), idle]), None);
            assert_eq!(gives_way(&[("waits", phase, 97, None), idle]), Some("idle"));
        }
    }

    #[tokio::test]
    async fn clients_that_begin_to_send_again_and_again_do_not_keep_a_new_one_out() {
        let open = open(1);
        let busy = open.place().await;
        let waits = open.place();
        tokio::pin!(waits);
        for _ in 0..30 {
            busy.activity.begin_answer();
            busy.activity.end_answer();
            busy.activity.received();
            let _ = timeout(GRACE / 10, waits.as_mut()).await;
            if busy.activity.state().cut.is_some() {
                break;
            }
        }
        assert_eq!(busy.activity.state().cut, Some(Cut::Replaced));
        drop(busy);
        waits.await;
    }

    #[tokio::test]
    async fn where_all_connections_answer_a_new_one_waits_for_the_first_that_becomes_idle() {
        let open = open(1);
        let answering = open.place().await;
        answering.activity.begin_answer();
        let waits = open.place();
        tokio::pin!(waits);
        assert!(waits.as_mut().now_or_never().is_none());
        assert_eq!(answering.activity.state().cut, None);
        answering.activity.end_answer();
        open.can_make_room();
        assert!(waits.as_mut().now_or_never().is_none());
        assert_eq!(answering.activity.state().cut, Some(Cut::Replaced));
        drop(answering);
        waits.await;
    }
}
