//! A caller who asks for this and that.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{CLUSTERS, Diary, Doors, Gate, cluster};
use crate::client::{Client, role};
use crate::kill_points::PREPARED_ROLE;
use crate::random::Random;

/// The longest that a caller waits for a replica that may stand still.
const PATIENCE: Duration = Duration::from_secs(6);

pub(super) async fn ask_until(
    until: Instant,
    mut random: Random,
    doors: Doors,
    gate: Arc<Gate<()>>,
    diary: Diary,
) {
    while Instant::now() < until {
        // Nobody asks while time moves.
        let open = gate.read().await;
        let client = {
            let doors = doors.read().unwrap_or_else(PoisonError::into_inner);
            random.pick(&doors).clone()
        };
        let client = match random.below(3) {
            0 => client.in_no_hurry(),
            1 => client.with("prefer", "wait=1"),
            _ => client.with("prefer", "wait=3"),
        };
        let cluster = cluster(random.below(CLUSTERS));
        ask(&client, &cluster, &mut random, &diary).await;
        drop(open);
        // So that there is more to do than to ask.
        let pause = u64::try_from(random.below(200)).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

async fn ask(client: &Client, cluster: &str, random: &mut Random, diary: &Diary) {
    let (kind, method, body) = wish(random);
    let request = client.request(method, &role(cluster));
    let request = match &body {
        Some(body) => request.json(body),
        None => request,
    };
    let answer = tokio::time::timeout(PATIENCE, client.try_send(request)).await;
    let told = match answer {
        Err(_) => "gave up waiting".to_owned(),
        Ok(Err(_)) => "no answer".to_owned(),
        Ok(Ok(answer)) => match answer.code() {
            Some(code) => format!("{} {code}", answer.status),
            None => format!("{} {}", answer.status, answer.body["state"]),
        },
    };
    let body = body.unwrap_or_default();
    diary.note(kind, &format!("{cluster} {body} -> {told}"));
}

fn wish(random: &mut Random) -> (&'static str, Method, Option<Value>) {
    match random.below(10) {
        0..=2 => ("DELETE", Method::DELETE, None),
        3 => {
            let body = json!({"mode": "pass_through", "iam_role": PREPARED_ROLE});
            ("PUT pass_through", Method::PUT, Some(body))
        }
        4 | 5 => ("PUT", Method::PUT, Some(json!({}))),
        6 => ("GET", Method::GET, None),
        _ => {
            let all = ["a", "b", "c", "d"];
            let many = random.below(all.len() + 1);
            let secrets = match many {
                0 => json!("all"),
                _ => json!(all[..many]),
            };
            let body = json!({
                "secrets": secrets,
                "session_manager": random.percent(30),
                "tags": {"team": *random.pick(&["x", "y"])},
            });
            ("PUT", Method::PUT, Some(body))
        }
    }
}
