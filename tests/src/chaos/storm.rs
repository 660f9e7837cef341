//! All that goes wrong.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::hand::{Addition, interfere};
use super::{Diary, Doors, Gate, LATEST_EFFECT, time};
use crate::installation::Installation;
use crate::installation::PAST_A_LEASE;
use crate::random::Random;

/// How long callers and workers have to come to rest before time moves.
const A_MOMENT: Duration = Duration::from_millis(1_500);

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

/// What goes wrong, and to whom.
pub(super) struct Storm<'a> {
    pub(super) installation: &'a mut Installation,
    pub(super) random: &'a mut Random,
    pub(super) doors: &'a Doors,
    pub(super) gate: &'a Gate<()>,
    pub(super) diary: &'a Diary,
}

impl Storm<'_> {
    /// Does one thing after another; what others added, to be undone.
    pub(super) async fn rage_until(mut self, until: Instant) -> Vec<Addition> {
        let mut additions = Vec::new();
        while Instant::now() < until {
            additions.extend(self.strike().await);
            self.pause(300).await;
        }
        additions
    }

    async fn strike(&mut self) -> Option<Addition> {
        let replica = self.random.below(self.installation.replicas.len());
        match self.random.below(20) {
            0..=4 => {
                let faults = faults(self.random);
                self.diary.note("faults", &faults.to_string());
                self.installation.set_faults(faults);
            }
            5 | 6 => {
                self.diary.note("no faults", "");
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
                self.diary.note("SIGTERM", &format!("replica {replica}"));
                self.installation.replicas[replica].stop().await;
                self.start(replica).await;
            }
            11 | 12 => {
                self.diary.note("SIGSTOP", &format!("replica {replica}"));
                self.installation.replicas[replica].pause();
                self.pause(600).await;
                self.advance(PAST_A_LEASE, &[replica]).await;
                self.pause(600).await;
                self.diary.note("SIGCONT", &format!("replica {replica}"));
                self.installation.replicas[replica].resume();
            }
            13 => {
                self.diary.note("Postgres", "stopped at once");
                let postgres = self.installation.postgres();
                postgres.stop_immediate().await.expect("it stops");
                self.pause(500).await;
                let postgres = self.installation.postgres();
                postgres.start_again().await.expect("it starts");
                self.diary.note("Postgres", "started again");
            }
            14 => {
                let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                           WHERE application_name = 'engine-roles'";
                self.diary.note("connections cut", "");
                self.installation.database.execute(cut).await;
            }
            15 | 16 => {
                if let Some((done, addition)) = interfere(self.installation, self.random).await {
                    self.diary.note("by hand", &done);
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

    /// Moves time while nobody works but those who stand still: who can't come to rest in a
    /// moment is killed for it.
    async fn advance(&mut self, by: Duration, still: &[usize]) {
        let shut = tokio::time::timeout(A_MOMENT, self.gate.write()).await;
        let mut killed = Vec::new();
        if shut.is_err() || !time::comes_to_rest_within(self.installation, A_MOMENT).await {
            for replica in 0..self.installation.replicas.len() {
                if !still.contains(&replica) {
                    self.kill(replica).await;
                    killed.push(replica);
                }
            }
        }
        self.diary.note("time", &format!("{by:?} ahead"));
        time::advance(self.installation, by).await;
        drop(shut);
        for replica in killed {
            self.start(replica).await;
        }
    }

    async fn kill(&mut self, replica: usize) {
        self.diary.note("kill -9", &format!("replica {replica}"));
        self.installation.replicas[replica].kill().await;
    }

    async fn start(&mut self, replica: usize) {
        self.installation.restart_in_a_storm(replica).await;
        self.diary.note("started", &format!("replica {replica}"));
        let mut doors = self.doors.write().unwrap_or_else(PoisonError::into_inner);
        doors[replica] = self.installation.client_of(replica);
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
            // Late, but inside the window that the service allows for.
            1 => (
                when,
                json!({"hang_ms": 1_000 + random.below(LATEST_EFFECT - 1_000)}),
            ),
            _ => {
                let error = *random.pick(&ERRORS);
                // AWS may answer 5xx after the effect. A 4xx says that there was none.
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
