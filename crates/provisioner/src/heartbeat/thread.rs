//! The thread that raises the heartbeat, and its start and end.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use engine_roles_store::{Seen, Store, StoreError, Tick, Ticker};
use metrics::{counter, gauge};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::heartbeat::observations::Observations;

/// The other replicas are observed at most this often, however often the heartbeat is raised. Between
/// the first and the last of the observations by which another replica is declared dead lie at least
/// three seconds, after which that replica starts no call.
const OBSERVED_EVERY: Duration = Duration::from_secs(1);
/// How long the end of the service waits until this replica has given up its id.
const GIVE_UP_LIMIT: Duration = Duration::from_secs(3);

/// The heartbeat of this replica.
pub(crate) struct Heartbeat {
    pub(crate) store: Store,
    /// The longest time that one call to AWS may take.
    pub(crate) call_timeout: Duration,
    /// How often the heartbeat is raised: at least once per second, so that it stays fresh.
    pub(crate) interval: Duration,
    /// Notified when a binding is due.
    pub(crate) work_due: Arc<Notify>,
    /// Notified when audit events wait for their number.
    pub(crate) events_pending: Arc<Notify>,
    /// Notified when the audit log has grown.
    pub(crate) tree_due: Arc<Notify>,
    /// Gets the greatest number of the audit log.
    pub(crate) audit_head: Arc<watch::Sender<i64>>,
    /// Gets the number of the last change of the API keys, with each heartbeat.
    pub(crate) keys_seen: Arc<watch::Sender<Option<KeysSeen>>>,
    pub(crate) running: OnceLock<Running>,
}

/// The number of the last change of the API keys, as a heartbeat read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysSeen {
    /// The number of the change; 0 where there was none.
    pub version: i64,
    /// When the heartbeat was sent: no earlier change has a greater number.
    pub sent_at: Instant,
}

/// A heartbeat that was started.
pub(crate) struct Running {
    stop: CancellationToken,
    is_acknowledged: watch::Receiver<bool>,
    /// Cancelled when the thread has ended.
    ended: CancellationToken,
}

impl Heartbeat {
    /// Starts the thread. A second call has no effect.
    ///
    /// # Errors
    /// When the operating system does not start the thread.
    pub(crate) fn start(&self) -> std::io::Result<()> {
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let (acknowledged, is_acknowledged) = watch::channel(false);
        let running = Running {
            stop: stop.clone(),
            is_acknowledged,
            ended: ended.clone(),
        };
        if self.running.set(running).is_err() {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut pulse = Pulse {
            ticker: self.store.ticker(self.call_timeout),
            observations: Observations::default(),
            observed_at: None,
            failures: 0,
            work_due: Arc::clone(&self.work_due),
            events_pending: Arc::clone(&self.events_pending),
            tree_due: Arc::clone(&self.tree_due),
            audit_head: Arc::clone(&self.audit_head),
            keys_seen: Arc::clone(&self.keys_seen),
            acknowledged,
        };
        let every = self.interval;
        let name = "heartbeat".to_owned();
        std::thread::Builder::new().name(name).spawn(move || {
            let _ended = ended.drop_guard();
            runtime.block_on(pulse.run(every, stop));
        })?;
        Ok(())
    }

    /// Waits at most this long until the database has acknowledged a heartbeat. Returns whether it
    /// has.
    pub(crate) async fn is_acknowledged_within(&self, limit: Duration) -> bool {
        let Some(running) = self.running.get() else {
            return false;
        };
        let mut is_acknowledged = running.is_acknowledged.clone();
        let acknowledged = is_acknowledged.wait_for(|is_acknowledged| *is_acknowledged);
        timeout(limit, acknowledged)
            .await
            .is_ok_and(|end| end.is_ok())
    }

    /// Gives up the id of this replica and ends the thread. The other replicas then take over at once
    /// what is left under its leases.
    pub(crate) async fn end(&self) {
        if let Some(running) = self.running.get() {
            running.stop.cancel();
            if timeout(GIVE_UP_LIMIT, running.ended.cancelled())
                .await
                .is_err()
            {
                warn!("heartbeat could not be ended; other replicas will declare this one dead");
            }
        }
    }
}

/// What the thread works with.
struct Pulse {
    ticker: Ticker,
    observations: Observations,
    observed_at: Option<Instant>,
    /// How many heartbeats in a row were not acknowledged.
    failures: u32,
    work_due: Arc<Notify>,
    events_pending: Arc<Notify>,
    tree_due: Arc<Notify>,
    audit_head: Arc<watch::Sender<i64>>,
    keys_seen: Arc<watch::Sender<Option<KeysSeen>>>,
    acknowledged: watch::Sender<bool>,
}

impl Pulse {
    async fn run(&mut self, every: Duration, stop: CancellationToken) {
        let mut interval = interval(every);
        // Two heartbeats are never closer together than the interval, also after a slow one.
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ticking = async {
            loop {
                interval.tick().await;
                Box::pin(self.tick()).await;
            }
        };
        let _: Option<std::convert::Infallible> = stop.run_until_cancelled(ticking).await;
        if let Err(error) = self.ticker.give_up().await {
            warn!(
                error = &error as &dyn std::error::Error,
                "id of this replica could not be given up; other replicas will declare it dead"
            );
        }
    }

    async fn tick(&mut self) {
        let (sent_at, replica) = (Instant::now(), self.ticker.replica());
        match self.ticker.tick().await {
            Ok(Tick::Acknowledged(seen)) => {
                if !self.acknowledged.send_replace(true) {
                    info!(%replica, "replica registered");
                }
                if std::mem::take(&mut self.failures) > 0 {
                    info!(%replica, "heartbeat acknowledged again");
                }
                self.wake_tasks(&seen);
                self.keys_seen.send_replace(Some(KeysSeen {
                    version: seen.keys_version,
                    sent_at,
                }));
                self.observe(sent_at, &seen).await;
            }
            Ok(Tick::DeclaredDead) => {
                warn!(
                    %replica,
                    "this replica was declared dead; it drops its work and takes a new id"
                );
                self.acknowledged.send_replace(false);
                self.observations.forget();
            }
            Err(error) => self.failed(&error),
        }
    }

    fn wake_tasks(&self, seen: &Seen) {
        if seen.work_due_for.is_some() {
            self.work_due.notify_one();
        }
        if seen.events_pending_for.is_some() {
            self.events_pending.notify_one();
        }
        let age = |of: Option<Duration>| of.unwrap_or_default().as_secs_f64();
        gauge!("engine_roles_oldest_due_work_seconds").set(age(seen.work_due_for));
        gauge!("engine_roles_audit_oldest_pending_seconds").set(age(seen.events_pending_for));
        #[allow(clippy::cast_precision_loss, reason = "a metric is a float")]
        gauge!("engine_roles_audit_head").set(seen.audit_head as f64);
        let has_grown = self.audit_head.send_if_modified(|head| {
            let has_grown = seen.audit_head > *head;
            *head = seen.audit_head.max(*head);
            has_grown
        });
        if has_grown {
            self.tree_due.notify_one();
        }
    }

    /// Observes the other replicas, and declares those dead whose heartbeat has not changed.
    async fn observe(&mut self, sent_at: Instant, seen: &Seen) {
        let last = self.observed_at;
        if last.is_some_and(|last| sent_at.duration_since(last) < OBSERVED_EVERY) {
            return;
        }
        self.observed_at = Some(sent_at);
        let replicas = u32::try_from(seen.others.len() + 1).unwrap_or(u32::MAX);
        gauge!("engine_roles_replicas").set(replicas);
        for (replica, heartbeat) in self.observations.after_heartbeat(&seen.others) {
            match self.ticker.declare_dead(replica, heartbeat).await {
                Ok(true) => {
                    counter!("engine_roles_replicas_declared_dead_total").increment(1);
                    // Its bindings are due now; the next tick would find them a second later.
                    self.work_due.notify_one();
                    warn!(
                        %replica,
                        heartbeat,
                        "replica declared dead; its heartbeat has not changed"
                    );
                }
                // The heartbeat has changed, or another replica was faster.
                Ok(false) => {}
                Err(error) => warn!(
                    %replica,
                    error = &error as &dyn std::error::Error,
                    "replica could not be declared dead; this is tried again"
                ),
            }
        }
    }

    /// Logs the first failure in a row: while the database is away, every heartbeat fails.
    fn failed(&mut self, error: &StoreError) {
        self.observations.forget();
        counter!("engine_roles_heartbeat_failures_total").increment(1);
        self.failures += 1;
        if self.failures == 1 {
            warn!(
                error = error as &dyn std::error::Error,
                "heartbeat failed; no role is changed until one is acknowledged again"
            );
        }
    }
}
