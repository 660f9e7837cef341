//! A caller that sends random requests.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{CLUSTERS, Gate, Journal, ReplicaClients, cluster};
use crate::client::{Client, role};
use crate::kill_points::PREPARED_ROLE;
use crate::random::Random;

/// The longest wait of a caller, because the replica may be paused.
const LONGEST_WAIT: Duration = Duration::from_secs(6);

pub(super) async fn send_until(
    until: Instant,
    mut random: Random,
    replica_clients: ReplicaClients,
    gate: Arc<Gate<()>>,
    journal: Journal,
) {
    while Instant::now() < until {
        // No request is sent while the clocks advance.
        let open = gate.read().await;
        let client = {
            let replica_clients = replica_clients
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            random.pick(&replica_clients).clone()
        };
        let client = match random.below(3) {
            0 => client.without_waiting(),
            1 => client.with("prefer", "wait=1"),
            _ => client.with("prefer", "wait=3"),
        };
        let cluster = cluster(random.below(CLUSTERS));
        send(&client, &cluster, &mut random, &journal).await;
        drop(open);
        // A pause leaves time for work other than requests.
        let pause = u64::try_from(random.below(200)).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

async fn send(client: &Client, cluster: &str, random: &mut Random, journal: &Journal) {
    let (kind, method, body) = random_request(random);
    let request = client.request(method, &role(cluster));
    let request = match &body {
        Some(body) => request.json(body),
        None => request,
    };
    let answer = tokio::time::timeout(LONGEST_WAIT, client.try_send(request)).await;
    let result = match answer {
        Err(_) => "gave up waiting".to_owned(),
        Ok(Err(_)) => "no answer".to_owned(),
        Ok(Ok(answer)) => match answer.code() {
            Some(code) => format!("{} {code}", answer.status),
            None => format!("{} {}", answer.status, answer.body["state"]),
        },
    };
    let body = body.unwrap_or_default();
    journal.note(kind, &format!("{cluster} {body} -> {result}"));
}

fn random_request(random: &mut Random) -> (&'static str, Method, Option<Value>) {
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
