//! The open connections, and which of them are closed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use super::activity::{Activity, Cut, Phase};
use super::limits::ConnectionLimits;

/// How often connections are compared with their time limits.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);

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

    /// Returns a place for a new connection. At the limit, closes another connection. Where all are
    /// answering, waits until one closes or becomes idle.
    pub(super) async fn place(self: &Arc<Self>) -> Place {
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
                connections.make_room();
            }
            self.changed.notified().await;
        }
    }

    /// Closes a connection that does not answer a request, if there is one.
    pub(super) fn close_one(&self) {
        self.lock().make_room();
    }

    /// Notes that a connection has become idle, or is closing.
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

    /// Closes the connections that do not answer a request.
    pub(super) fn close_unanswering(&self) {
        for activity in self.lock().by_id.values() {
            if activity.state().phase != Phase::Answering {
                activity.cut(Cut::Stopping);
            }
        }
    }

    /// Closes all connections.
    pub(super) fn close_all(&self) {
        for activity in self.lock().by_id.values() {
            activity.cut(Cut::Stopping);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// Closes one connection, unless one is being cut already: one that is closing anyway, else the one
    /// with the oldest unfinished head, else the one that has been idle the longest.
    fn make_room(&mut self) {
        let connections = || self.by_id.values().map(|open| (open, open.state()));
        if connections().any(|(_, state)| state.cut.is_some()) {
            return;
        }
        let oldest = |of: &dyn Fn(Phase) -> bool| {
            connections()
                .filter(|(_, state)| of(state.phase))
                .min_by_key(|(_, state)| state.since)
                .map(|(open, _)| open)
        };
        let found = oldest(&|phase| phase == Phase::Closing)
            .or_else(|| oldest(&|phase| matches!(phase, Phase::New | Phase::Head)))
            .or_else(|| oldest(&|phase| phase == Phase::Idle));
        if let Some(open) = found {
            open.cut(Cut::Replaced);
        }
    }
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
