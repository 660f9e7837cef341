//! Many clusters concurrently.

use engine_roles_e2e::{Answer, Installation};
use futures::StreamExt;
use futures::stream;
use serde_json::json;

const CLUSTERS: usize = 200;

#[tokio::test]
async fn two_hundred_clusters_are_provisioned_and_torn_down_concurrently() {
    // A large call budget, because waiting for it would take most of the time of this test.
    let installation = Installation::build()
        .env("ENGINE_ROLES_CALL_RATE", "10000")
        .env("ENGINE_ROLES_CALL_BURST", "10000")
        .start()
        .await;
    let client = installation.client().waiting_longest();
    let names: Vec<String> = (0..CLUSTERS)
        .map(|number| format!("cluster-{number}"))
        .collect();

    let created: Vec<Answer> = stream::iter(&names)
        .map(|name| client.provision(name))
        .buffer_unordered(CLUSTERS)
        .collect()
        .await;
    for answer in &created {
        answer.expect(201);
    }
    assert_eq!(
        installation.sandbox.state()["roles"]
            .as_array()
            .map(Vec::len),
        Some(CLUSTERS)
    );
    assert_eq!(installation.mutations(0).len(), CLUSTERS * 4);
    installation.assert_sound().await;

    let gone: Vec<Answer> = stream::iter(&names)
        .map(|name| client.delete(name))
        .buffer_unordered(CLUSTERS)
        .collect()
        .await;
    for answer in &gone {
        assert_eq!(answer.expect(200)["state"], "deleted");
    }
    let state = installation.sandbox.state();
    assert_eq!(state["roles"], json!([]));
    assert_eq!(state["instance_profiles"], json!([]));
    let bindings = installation.database.bindings().await;
    assert_eq!(bindings.len(), CLUSTERS);
    assert!(
        bindings
            .iter()
            .all(|binding| binding.state == "deleted" && !binding.live)
    );

    installation.events_are_numbered().await;
    let log = client
        .with("accept", "application/x-ndjson")
        .audit("")
        .await;
    let numbers: Vec<i64> = log
        .text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON"))
        // A slow read finds its own event.
        .filter(|event| event["action"] != "log_read")
        .filter_map(|event| event["seq"].as_i64())
        .collect();
    let all = i64::try_from(CLUSTERS * 4).expect("the number is small");
    assert_eq!(numbers, (1..=all).collect::<Vec<i64>>());
    installation.assert_sound().await;
}
