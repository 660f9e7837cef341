//! The audit log.

use std::time::Duration;

use engine_roles_e2e::{Answer, Installation, eventually};
use serde_json::{Value, json};

/// Returns the events of a page, without those of the reads by these tests themselves.
fn items(answer: &Answer) -> Vec<Value> {
    let items = answer.expect(200)["items"].as_array();
    let items = items.cloned().unwrap_or_default().into_iter();
    items.filter(is_no_read).collect()
}

fn is_no_read(event: &Value) -> bool {
    event["action"] != "log_read"
}

fn actions(answer: &Answer) -> Vec<String> {
    let all = items(answer);
    let all = all
        .iter()
        .map(|event| event["action"].as_str().unwrap_or_default().to_owned());
    all.collect()
}

#[tokio::test]
async fn the_audit_log_has_the_events_of_an_incarnation_in_order() {
    let installation = Installation::start().await;
    installation.database.without_log_reads().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    client
        .put("one", json!({"tags": {"team": "x"}}))
        .await
        .expect(200);
    client.delete("one").await.expect(200);
    installation.events_are_numbered().await;
    let answer = client.audit("cluster=one").await;
    assert_eq!(
        actions(&answer),
        [
            "provision_requested",
            "provisioned",
            "update_requested",
            "updated",
            "teardown_requested",
            "torn_down",
        ]
    );
    assert_eq!(answer.body["next_after"], 6);
    for (event, seq) in items(&answer).iter().zip(1..) {
        assert_eq!(event["seq"], seq);
        assert_eq!(event["actor"], "init");
        assert_eq!(event["cluster"], "one");
        assert!(event["id"].is_string() && event["at"].is_string());
    }
    installation.assert_sound().await;
}

#[tokio::test]
async fn an_event_is_in_the_audit_log_soon_after_the_answer() {
    let installation = Installation::start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    eventually("the log has the events", async || {
        let answer = client.audit("cluster=one").await;
        let actions = actions(&answer);
        (actions == ["provision_requested", "provisioned"]).then_some(())
    })
    .await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_audit_log_is_read_in_pages_by_sequence_number() {
    let installation = Installation::start().await;
    let client = installation.client();
    for number in 0..5 {
        client.provision(&format!("c{number}")).await.expect(201);
    }
    installation.events_are_numbered().await;
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = client.audit(&format!("limit=3&after={after}")).await;
        seen.extend(
            items(&page)
                .iter()
                .filter_map(|event| event["seq"].as_i64()),
        );
        if page.body["items"] == Value::Array(Vec::new()) {
            // There is nothing more: the number that was examined last stays the same.
            assert_eq!(page.body["next_after"], after);
            break;
        }
        after = page.body["next_after"].as_i64().expect("a number");
    }
    assert_eq!(seen, (1..=10).collect::<Vec<i64>>());
    assert_eq!(items(&client.audit("after=10").await), [Value::Null; 0]);
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_audit_log_can_be_filtered_by_cluster_actor_action_and_time() {
    let installation = Installation::start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    client.provision("two").await.expect(201);
    client.delete("one").await.expect(200);
    installation.events_are_numbered().await;
    assert_eq!(items(&client.audit("cluster=two").await).len(), 2);
    assert_eq!(items(&client.audit("actor=init").await).len(), 6);
    assert_eq!(items(&client.audit("actor=nobody").await).len(), 0);
    let provisioned = client.audit("action=provisioned").await;
    assert_eq!(actions(&provisioned), ["provisioned", "provisioned"]);
    let second = items(&provisioned)[1]["at"].as_str().map(str::to_owned);
    let second = second.expect("the event has a time");
    let second = second.replace('+', "%2B");
    let since = items(&client.audit(&format!("since={second}")).await);
    let until = items(&client.audit(&format!("until={second}")).await);
    assert_eq!(since[0]["action"], "provisioned");
    assert_eq!(since.len() + until.len(), 6);
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "action=nonsense",
        "since=yesterday",
        "unknown=1",
    ] {
        let answer = client.audit(query).await;
        answer.expect_problem(400, "invalid_request");
    }
    client
        .audit("cluster=*")
        .await
        .expect_problem(422, "invalid_cluster_name");
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_audit_log_can_be_streamed_as_one_event_per_line() {
    let installation = Installation::start().await;
    let client = installation.client();
    for number in 0..4 {
        client.provision(&format!("c{number}")).await.expect(201);
    }
    installation.events_are_numbered().await;
    let lines = client.with("accept", "application/x-ndjson");
    for (query, count) in [("", 8), ("cluster=c2", 2), ("limit=3", 3), ("after=8", 0)] {
        let answer = lines.audit(query).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
        let events: Vec<Value> = answer
            .text
            .lines()
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .filter(is_no_read)
            .collect();
        assert_eq!(events.len(), count, "{query}");
    }
    let streamed = lines.audit("").await.text;
    let first: Value = serde_json::from_str(streamed.lines().next().unwrap_or_default())
        .expect("each line is JSON");
    assert_eq!(first, items(&client.audit("").await)[0]);
    installation.assert_sound().await;
}

#[tokio::test]
async fn audit_events_cannot_be_changed_or_deleted() {
    let installation = Installation::start().await;
    installation.client().provision("one").await.expect(201);
    installation.events_are_numbered().await;
    // Each block ignores the error that the trigger raises; the test reads the rows afterwards.
    for statement in [
        "UPDATE audit_events SET actor = 'somebody else'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
    ] {
        let block = format!(
            "DO $$ BEGIN {statement}; RAISE 'the statement succeeded';
             EXCEPTION WHEN raise_exception THEN
                 IF SQLERRM = 'the statement succeeded' THEN RAISE; END IF;
             END $$"
        );
        installation.database.execute(&block).await;
    }
    let events = installation.database.events().await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.actor == "init"));
    installation.assert_sound().await;
}

#[tokio::test]
async fn after_the_retention_events_and_records_of_finished_incarnations_are_deleted() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_AUDIT_RETENTION", "10d")
        .start()
        .await;
    let client = installation.client();
    client.provision("gone").await.expect(201);
    client.delete("gone").await.expect(200);
    client.provision("live").await.expect(201);
    installation.assert_sound().await;
    installation.events_are_numbered().await;
    // The partition is closed when its first event is older than an eighth of the retention.
    let day = Duration::from_hours(24);
    installation.advance(2 * day).await;
    eventually("the partition is closed", async || {
        let partitions: Vec<Value> = installation
            .database
            .rows("SELECT * FROM audit_partitions")
            .await;
        (partitions.len() == 2).then_some(())
    })
    .await;
    assert_eq!(items(&client.audit("cluster=gone").await).len(), 4);
    client.get("gone").await.expect(200);
    installation.advance(9 * day).await;
    eventually("the record is deleted", async || {
        (client.get("gone").await.status == 404).then_some(())
    })
    .await;
    assert_eq!(items(&client.audit("cluster=gone").await), [Value::Null; 0]);
    let live = client.get("live").await;
    assert_eq!(live.expect(200)["state"], "active");
    // The generations of the cluster continue.
    let again = client.provision("gone").await;
    assert_eq!(again.expect(201)["generation"], 3);
    installation.events_are_numbered().await;
    let events = items(&client.audit("cluster=gone").await);
    assert_eq!(events[0]["action"], "provision_requested");
    assert!(events[0]["seq"].as_i64() > Some(6), "{}", events[0]);
}
