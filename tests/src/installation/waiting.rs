//! Waiting until an installation is in a state, and advancing its clocks meanwhile.

use std::time::Duration;

use serde_json::Value;

use super::Installation;
use crate::client::{Answer, Client};
use crate::database::BindingRow;
use crate::polling::eventually;

/// Work that is due later than this is only a routine check.
const FAR: Duration = Duration::from_hours(1);
/// Longer than a lease, so that every lease has expired.
pub const PAST_A_LEASE: Duration = Duration::from_secs(61);

impl Installation {
    /// Advances the database's clock and the sandbox's clock.
    pub async fn advance(&self, by: Duration) {
        self.sandbox.advance(by);
        self.database.advance(by).await;
    }

    /// Waits until `/readyz` of a replica shows this status of the database.
    pub async fn database_is(&self, replica: usize, status: &str) {
        let client = self.client_of(replica).anonymous();
        eventually(&format!("the database is {status}"), async || {
            let answer = client.fetch("/readyz").await;
            (answer.body["database"] == status).then_some(())
        })
        .await;
    }

    /// Returns what a caller gets from `/readyz`, once the last heartbeat is not late: a late one makes a service
    /// unready for a moment.
    pub async fn readiness_for(&self, caller: &Client) -> Answer {
        eventually("the heartbeat is in time", async || {
            let answer = caller.fetch("/readyz").await;
            (answer.body["database"] == "ok").then_some(answer)
        })
        .await
    }

    /// Waits until every audit event has its number, so that a read of the audit log returns it.
    pub async fn events_are_numbered(&self) {
        eventually("all events are numbered", async || {
            let events = self.database.events().await;
            events.iter().all(|event| event.seq.is_some()).then_some(())
        })
        .await;
    }

    /// Reads the log once, and waits until the log has the event of this read. Further reads with the same
    /// key at the same replica add no event in this hour.
    pub async fn log_was_read(&self) {
        self.client().audit("limit=1").await.expect(200);
        eventually("the read is in the log", async || {
            let events = self.database.events().await;
            let mut events = events.iter();
            let is_read = events.any(|event| event.action == "log_read" && event.seq.is_some());
            is_read.then_some(())
        })
        .await;
        self.events_are_numbered().await;
    }

    /// Waits until the newest binding of a cluster is in this state. Returns the answer to a GET.
    pub async fn reaches(&self, cluster: &str, state: &str) -> Value {
        eventually(&format!("{cluster} is {state}"), async || {
            let binding = self.database.binding(cluster).await?;
            (binding.state == state).then_some(())
        })
        .await;
        self.client().get(cluster).await.body
    }

    /// As [`Installation::reaches`], and advances the clocks to the time at which the binding is
    /// due. The clocks stand still while a replica holds the lease, which would expire otherwise.
    pub async fn reaches_in_time(&self, cluster: &str, state: &str) -> Value {
        let what = format!("{cluster} is {state}");
        self.in_time(&what, cluster, |binding| binding.state == state)
            .await
    }

    /// Advances the clocks as [`Installation::reaches_in_time`] does until a read of IAM has
    /// confirmed the binding. Returns the answer to a GET.
    pub async fn is_verified_in_time(&self, cluster: &str) -> Value {
        let what = format!("{cluster} is verified");
        self.in_time(&what, cluster, |binding| binding.verified_at.is_some())
            .await
    }

    async fn in_time(
        &self,
        what: &str,
        cluster: &str,
        condition: impl Fn(&BindingRow) -> bool,
    ) -> Value {
        eventually(what, async || {
            let binding = self.database.binding(cluster).await?;
            if condition(&binding) {
                return Some(());
            }
            let now = self.database.now().await;
            let due_at = binding.due_at.filter(|_| binding.lease_until.is_none());
            if let Some(wait) = due_at.and_then(|due_at| (due_at - now).to_std().ok()) {
                self.advance(wait + Duration::from_secs(1)).await;
            }
            None
        })
        .await;
        self.client().get(cluster).await.body
    }

    /// Waits until no replica holds a lease and nothing is due within an hour, and advances the
    /// clocks to due work. The interval of checks must be longer than an hour, see
    /// [`crate::InstallationBuilder::rarely_checked`].
    pub async fn becomes_idle(&self) {
        eventually("the service is idle", async || {
            let bindings = self.database.bindings().await;
            if bindings.iter().any(|binding| binding.lease_until.is_some()) {
                return None;
            }
            let now = self.database.now().await;
            let next = bindings.iter().filter_map(|binding| binding.due_at).min();
            let wait = next.map(|next| (next - now).to_std().unwrap_or_default());
            match wait {
                Some(wait) if wait < FAR => {
                    if !wait.is_zero() {
                        self.advance(wait + Duration::from_millis(100)).await;
                    }
                    None
                }
                _ => Some(()),
            }
        })
        .await;
    }

    /// Waits until `poll` returns a value. Advances the clocks to the next due work whenever no replica
    /// holds a lease.
    ///
    /// # Panics
    /// When `poll` returns no value within two minutes.
    pub async fn in_time_until<T>(
        &self,
        what: &str,
        mut poll: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        eventually(what, async || {
            if let Some(found) = poll().await {
                return Some(found);
            }
            let bindings = self.database.bindings().await;
            let works = bindings.iter().any(|binding| binding.lease_until.is_some());
            let next = bindings.iter().filter_map(|binding| binding.due_at).min();
            if let Some(next) = next.filter(|_| !works) {
                let wait = (next - self.database.now().await).to_std();
                if let Ok(wait) = wait {
                    self.advance(wait + Duration::from_millis(100)).await;
                }
            }
            None
        })
        .await
    }
}

/// A replica that dies is declared dead after four heartbeats of another, one per second. In these
/// tests a heartbeat is raised every 50 ms, so within this many heartbeats more than four seconds
/// have passed.
const ENOUGH_HEARTBEATS: i64 = 120;

impl Installation {
    /// Returns the id under which a replica last registered.
    ///
    /// # Panics
    /// When the replica has not registered yet.
    pub fn replica_id(&self, replica: usize) -> uuid::Uuid {
        let entry = self.replicas[replica].log().find_last("replica registered");
        let entry = entry.expect("the replica has registered");
        let id = entry["replica"].as_str().expect("the line has an id");
        id.parse().expect("the field is an id")
    }

    /// Waits until each of these replicas has raised its heartbeat so often that another replica
    /// would have been declared dead.
    ///
    /// # Panics
    /// When one of them does not raise its heartbeat within two minutes.
    pub async fn heartbeats_are_observed(&self, replicas: &[uuid::Uuid]) {
        let counted = async || {
            let rows = self.database.replicas().await.into_iter();
            let rows = rows.filter(|row| replicas.contains(&row.id));
            rows.map(|row| (row.id, row.heartbeat)).collect::<Vec<_>>()
        };
        let before = counted().await;
        assert_eq!(before.len(), replicas.len(), "each replica has a row");
        eventually("the heartbeats rise", async || {
            let now = counted().await;
            let mut pairs = before.iter().zip(&now);
            let all = pairs.all(|(before, now)| now.1 >= before.1 + ENOUGH_HEARTBEATS);
            (all && now.len() == before.len()).then_some(())
        })
        .await;
    }
}
