//! All that goes wrong.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::hand::{Addition, interfere};
use super::{Diary, Doors};
use crate::dice::Dice;
use crate::rest::PAST_A_LEASE;
use crate::world::World;

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

/// Does one thing after another; what others added, to be undone.
pub(super) async fn rage_until(
    until: Instant,
    world: &mut World,
    dice: &mut Dice,
    doors: &Doors,
    diary: &Diary,
) -> Vec<Addition> {
    let mut additions = Vec::new();
    while Instant::now() < until {
        let replica = dice.below(world.replicas.len());
        match dice.below(20) {
            0..=4 => {
                let faults = faults(dice);
                diary.note("faults", &faults.to_string());
                world.set_faults(faults);
            }
            5 | 6 => {
                diary.note("no faults", "");
                world.set_faults(json!([]));
            }
            7..=9 => {
                diary.note("kill -9", &format!("replica {replica}"));
                world.replicas[replica].kill().await;
                if dice.percent(50) {
                    advance(world, PAST_A_LEASE, diary).await;
                }
                start(world, replica, doors, diary).await;
            }
            10 => {
                diary.note("SIGTERM", &format!("replica {replica}"));
                world.replicas[replica].stop().await;
                start(world, replica, doors, diary).await;
            }
            11 | 12 => {
                diary.note("SIGSTOP", &format!("replica {replica}"));
                world.replicas[replica].pause();
                pause(dice, 600).await;
                advance(world, PAST_A_LEASE, diary).await;
                pause(dice, 600).await;
                diary.note("SIGCONT", &format!("replica {replica}"));
                world.replicas[replica].resume();
            }
            13 => {
                diary.note("Postgres", "stopped at once");
                world.postgres().stop_immediate().await.expect("it stops");
                pause(dice, 500).await;
                world.postgres().start_again().await.expect("it starts");
                diary.note("Postgres", "started again");
            }
            14 => {
                let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                           WHERE application_name = 'engine-roles'";
                diary.note("connections cut", "");
                world.database.execute(cut).await;
            }
            15 | 16 => {
                if let Some((done, addition)) = interfere(world, dice).await {
                    diary.note("by hand", &done);
                    additions.extend(addition);
                }
            }
            _ => {
                let seconds = [5, 20, 70, 400];
                advance(world, Duration::from_secs(*dice.pick(&seconds)), diary).await;
            }
        }
        pause(dice, 300).await;
    }
    additions
}

async fn advance(world: &World, by: Duration, diary: &Diary) {
    diary.note("time", &format!("{by:?} ahead"));
    world.advance(by).await;
}

async fn start(world: &mut World, replica: usize, doors: &Doors, diary: &Diary) {
    world.restart(replica).await;
    diary.note("started", &format!("replica {replica}"));
    let mut doors = doors.write().unwrap_or_else(PoisonError::into_inner);
    doors[replica] = world.client_of(replica);
}

async fn pause(dice: &mut Dice, most: usize) {
    let length = u64::try_from(dice.below(most)).unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(length)).await;
}

fn faults(dice: &mut Dice) -> Value {
    let faults = (0..=dice.below(3)).map(|_| {
        let when = *dice.pick(&["before", "after"]);
        let (when, effect) = match dice.below(4) {
            0 => (when, json!("reset")),
            // Late, but inside the window that the service allows for.
            1 => (when, json!({"hang_ms": 1_000 + dice.below(40_000)})),
            _ => {
                let error = *dice.pick(&ERRORS);
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
            "action": *dice.pick(&CALLS),
            "when": when,
            "do": effect,
            "times": 1 + dice.below(12),
            "chance": *dice.pick(&[0.1, 0.3, 1.0]),
        })
    });
    Value::Array(faults.collect())
}
