//! Faults, kills, stops, manual changes and jumps of the clocks, chosen at random.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::manual_changes::{Addition, change_by_hand};
use super::{Gate, Journal, LATEST_EFFECT, ReplicaClients, time};
use crate::installation::Installation;
use crate::installation::PAST_A_LEASE;
use crate::random::Random;

/// How long the service may take to become idle before the clocks advance.
const IDLE_WAIT: Duration = Duration::from_millis(1_500);

/// How long a paused replica stays paused so that the others declare it dead: four heartbeats, one
/// per second, and one that is in progress.
const UNTIL_DECLARED_DEAD: Duration = Duration::from_millis(5_500);

const CALLS: [&str; 10] = [
    "*",
    "CreateRole",
    "CreateInstanceProfile",
    "PutRolePolicy",
    "AddRoleToInstanceProfile",
    "DeleteRolePolicy",
    "RemoveRoleFromInstanceProfile",
    "DeleteRole",
    "DeleteInstanceProfile",
    "GetRole",
];
const ERRORS: [&str; 5] = [
    "ServiceFailure",
    "ServiceUnavailable",
    "Throttling",
    "ConcurrentModification",
    "AccessDenied",
];

/// Disturbs one installation.
pub(super) struct Disturbances<'a> {
    pub(super) installation: &'a mut Installation,
    pub(super) random: &'a mut Random,
    pub(super) replica_clients: &'a ReplicaClients,
    pub(super) gate: &'a Gate<()>,
    pub(super) journal: &'a Journal,
    /// Replicas that were paused while the clocks advanced. Their own clocks did not advance, so they
    /// may work under leases that have ended for everybody else.
    pub(super) behind: BTreeSet<usize>,
}

impl Disturbances<'_> {
    /// Makes one disturbance after another. Returns the manual additions to undo.
    pub(super) async fn run_until(mut self, until: Instant) -> Vec<Addition> {
        let mut additions = Vec::new();
        while Instant::now() < until {
            additions.extend(self.disturb_once().await);
            self.pause(300).await;
        }
        additions
    }

    async fn disturb_once(&mut self) -> Option<Addition> {
        let replica = self.random.below(self.installation.replicas.len());
        match self.random.below(20) {
            0..=4 => {
                let faults = faults(self.random);
                self.journal.note("faults", &faults.to_string());
                self.installation.set_faults(faults);
            }
            5 | 6 => {
                self.journal.note("no faults", "");
                self.installation.set_faults(json!([]));
            }
            7..=9 => {
                self.kill(replica).await;
                if self.random.percent(50) {
                    self.advance(PAST_A_LEASE, &[replica]).await;
                }
                self.start(replica).await;
            }
            10 => {
                self.journal.note("SIGTERM", &format!("replica {replica}"));
                self.installation.replicas[replica].stop().await;
                self.start(replica).await;
            }
            11 | 12 => {
                self.journal.note("SIGSTOP", &format!("replica {replica}"));
                self.installation.replicas[replica].pause();
                if self.random.percent(30) {
                    tokio::time::sleep(UNTIL_DECLARED_DEAD).await;
                } else {
                    self.pause(600).await;
                    self.advance(PAST_A_LEASE, &[replica]).await;
                    self.behind.insert(replica);
                    self.pause(600).await;
                }
                self.journal.note("SIGCONT", &format!("replica {replica}"));
                self.installation.replicas[replica].resume();
            }
            13 => {
                self.journal.note("Postgres", "stopped without shutdown");
                let postgres = self.installation.postgres();
                postgres.stop_immediate().await.expect("Postgres stops");
                self.pause(500).await;
                let postgres = self.installation.postgres();
                postgres.start_again().await.expect("Postgres starts");
                self.journal.note("Postgres", "started again");
            }
            14 => {
                let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                           WHERE application_name = 'engine-roles'";
                self.journal.note("connections cut", "");
                self.installation.database.execute(cut).await;
            }
            15 | 16 => {
                if let Some((done, addition)) = change_by_hand(self.installation, self.random).await
                {
                    self.journal.note("by hand", &done);
                    return addition;
                }
            }
            _ => {
                let seconds = *self.random.pick(&[5, 20, 70, 400]);
                self.advance(Duration::from_secs(seconds), &[]).await;
            }
        }
        None
    }

    /// Advances the clocks while no replica works, except for the paused ones. If the service does
    /// not become idle in time, the replicas that are not paused are killed first. A replica whose own
    /// clock is behind is killed too: it would send calls later than its lease allows, by the whole
    /// advance, which can't happen in production.
    async fn advance(&mut self, by: Duration, paused: &[usize]) {
        let mut killed = Vec::new();
        for replica in std::mem::take(&mut self.behind) {
            if !paused.contains(&replica) {
                self.kill(replica).await;
                killed.push(replica);
            }
        }
        let shut = tokio::time::timeout(IDLE_WAIT, self.gate.write()).await;
        if shut.is_err() || !time::becomes_idle_within(self.installation, IDLE_WAIT).await {
            for replica in 0..self.installation.replicas.len() {
                if !paused.contains(&replica) && !killed.contains(&replica) {
                    self.kill(replica).await;
                    killed.push(replica);
                }
            }
        }
        self.journal.note("clocks", &format!("advanced by {by:?}"));
        time::advance(self.installation, by).await;
        drop(shut);
        for replica in killed {
            self.start(replica).await;
        }
    }

    async fn kill(&mut self, replica: usize) {
        self.journal.note("kill -9", &format!("replica {replica}"));
        self.installation.replicas[replica].kill().await;
    }

    async fn start(&mut self, replica: usize) {
        self.behind.remove(&replica);
        self.installation.restart_during_faults(replica).await;
        self.journal.note("started", &format!("replica {replica}"));
        let mut replica_clients = self
            .replica_clients
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        replica_clients[replica] = self.installation.client_of(replica);
    }

    async fn pause(&mut self, most: usize) {
        let length = u64::try_from(self.random.below(most)).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(length)).await;
    }
}

fn faults(random: &mut Random) -> Value {
    let faults = (0..=random.below(3)).map(|_| {
        let when = *random.pick(&["before", "after"]);
        let (when, effect) = match random.below(4) {
            0 => (when, json!("reset")),
            // Late, but inside the consistency window.
            1 => (
                when,
                json!({"hang_ms": 1_000 + random.below(LATEST_EFFECT - 1_000)}),
            ),
            _ => {
                let error = *random.pick(&ERRORS);
                // AWS may answer 5xx after the effect. A 4xx means that the call had no effect.
                let when = if error.starts_with("Service") {
                    when
                } else {
                    "before"
                };
                (when, json!({"error": error}))
            }
        };
        json!({
            "action": *random.pick(&CALLS),
            "when": when,
            "do": effect,
            "times": 1 + random.below(12),
            "chance": *random.pick(&[0.1, 0.3, 1.0]),
        })
    });
    Value::Array(faults.collect())
}
