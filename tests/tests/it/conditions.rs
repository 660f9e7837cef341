//! Conditions of requests (RFC 9110), and requests that are sent again after their answer was lost.

use std::time::Duration;

use engine_roles_e2e::installation::fault;
use engine_roles_e2e::{Answer, Client, Installation};
use serde_json::{Value, json};

fn tags(team: &str) -> Value {
    json!({"tags": {"team": team}})
}

fn if_none_match(client: &Client, tag: &str) -> Client {
    client.with("if-none-match", tag)
}

fn etag(answer: &Answer) -> String {
    answer.header("etag").expect("an ETag").to_owned()
}

#[tokio::test]
async fn if_match_compares_the_generation_of_a_live_binding() {
    let installation = Installation::start().await;
    let client = installation.client();
    let answer = client.if_match("*").put("one", tags("x")).await;
    answer.expect_problem(412, "precondition_failed");
    assert!(installation.database.bindings().await.is_empty());
    client.put("one", tags("x")).await.expect(201);
    for tag in ["\"2-1\"", "\"0-1\"", "\"1\"", "W/\"1-1\"", "\"other\""] {
        let answer = client.if_match(tag).put("one", tags("y")).await;
        answer.expect_problem(412, "precondition_failed");
        let answer = client.if_match(tag).delete("one").await;
        answer.expect_problem(412, "precondition_failed");
    }
    // The revision has changed since, but nobody changed the intent.
    let list = "\"7-1\", \"1-1\"";
    let answer = client.if_match(list).put("one", tags("y")).await;
    assert_eq!(answer.expect(200)["generation"], 2);
    let answer = client.if_match("\"2-1\"").delete("one").await;
    let tombstone = etag(&answer);
    assert_eq!(answer.expect(200)["state"], "deleted");
    let answer = client.if_match("*").put("one", tags("z")).await;
    answer.expect_problem(412, "precondition_failed");
    // To provision again after a teardown, the tombstone's tag is sent.
    let answer = client.if_match(&tombstone).put("one", tags("z")).await;
    answer.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_first_put_that_is_replayed_after_a_teardown_creates_nothing() {
    let installation = Installation::start().await;
    let client = installation.client();
    let first = if_none_match(&client, "*");
    first.put("one", tags("x")).await.expect(201);
    client.delete("one").await.expect(200);
    let since = installation.mark();
    let answer = first.put("one", tags("x")).await;
    answer.expect_problem(412, "precondition_failed");
    assert_eq!(installation.mutations(since).len(), 0);
    assert!(installation.holds_nothing_of_ours());
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_conditional_request_that_is_sent_again_gets_the_answer_that_it_had() {
    let installation = Installation::start().await;
    let client = installation.client();
    let first = if_none_match(&client, "*");
    let created = first.put("one", tags("x")).await.expect(201).clone();
    let again = first.put("one", tags("x")).await;
    assert_eq!(again.expect(201)["binding_id"], created["binding_id"]);
    // Another body with the same condition loses.
    let answer = first.put("one", tags("other")).await;
    answer.expect_problem(412, "precondition_failed");
    let change = client.if_match("\"1-1\"");
    assert_eq!(
        change.put("one", tags("y")).await.expect(200)["generation"],
        2
    );
    assert_eq!(
        change.put("one", tags("y")).await.expect(200)["generation"],
        2
    );
    let answer = change.put("one", tags("z")).await;
    answer.expect_problem(412, "precondition_failed");
    // Once another request has replaced the intent, it is not recognised any more.
    client.put("one", tags("w")).await.expect(200);
    let answer = change.put("one", tags("y")).await;
    answer.expect_problem(412, "precondition_failed");
    let removal = client.if_match("\"3-1\"");
    let receipt = removal.delete("one").await.expect(200)["receipt"].clone();
    let again = removal.delete("one").await;
    assert_eq!(again.expect(200)["receipt"], receipt);
    let answer = client.if_match("\"2-1\"").delete("one").await;
    answer.expect_problem(412, "precondition_failed");
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_withdrawn_intent_does_not_recognise_its_request() {
    let installation = Installation::start().await;
    let client = installation.client();
    installation.deny(&["iam:CreateRole"]).await;
    let first = if_none_match(&client, "*");
    let answer = first.put("one", tags("x")).await;
    answer.expect_problem(424, "missing_permission");
    // GET answers 200 with the failed binding, so the condition does not hold.
    let answer = first.put("one", tags("x")).await;
    answer.expect_problem(412, "precondition_failed");
    installation.deny_nothing().await;
    client.put("one", tags("x")).await.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_read_with_the_current_etag_is_answered_304() {
    let installation = Installation::start().await;
    let client = installation.client();
    let created = client.provision("one").await;
    let tag = etag(&created);
    let weak = format!("W/{tag}");
    for tag in [tag.as_str(), weak.as_str(), "*"] {
        let answer = if_none_match(&client, tag).get("one").await;
        assert_eq!(answer.status, 304, "{tag}");
        assert_eq!(answer.text, "");
        assert_eq!(etag(&answer), etag(&created));
    }
    client.put("one", tags("x")).await.expect(200);
    let changed = if_none_match(&client, &tag).get("one").await;
    changed.expect(200);
    assert_ne!(etag(&changed), tag);
    assert_eq!(
        changed.header("cache-control"),
        Some("no-store, no-transform")
    );
}

#[tokio::test]
async fn the_etag_changes_with_the_representation() {
    let installation = Installation::start().await;
    let client = installation.client();
    let created = client.provision("one").await;
    installation.is_verified_in_time("one").await;
    let verified = client.get("one").await;
    assert_ne!(verified.expect(200), created.expect(201));
    assert_ne!(etag(&verified), etag(&created));
}

#[tokio::test]
async fn respond_async_with_a_wait_answers_202_after_the_wait() {
    let installation = Installation::start().await;
    let client = installation.client();
    installation.set_faults(fault("CreateRole", "before", json!({"hang_ms": 8_000})));
    let started = std::time::Instant::now();
    let answer = client
        .with("prefer", "respond-async, wait=1")
        .provision("one")
        .await;
    answer.expect(202);
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(
        answer.header("preference-applied"),
        Some("respond-async, wait=1")
    );
    let answer = client.without_waiting().provision("one").await;
    assert_eq!(answer.header("preference-applied"), Some("respond-async"));
    let pending = client.get("one").await;
    assert_eq!(pending.expect(200)["state"], "provisioning");
    assert_eq!(pending.header("retry-after"), Some("2"));
    installation.reaches("one", "active").await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_put_waits_for_the_teardown_in_progress_and_then_provisions() {
    let installation = Installation::build().latency(300).start().await;
    let client = installation.client();
    let first = client.provision("one").await.expect(201).clone();
    client.without_waiting().delete("one").await.expect(202);
    let second = client.waiting_longest().provision("one").await;
    let second = second.expect(201);
    assert_eq!(second["state"], "active");
    assert_ne!(second["binding_id"], first["binding_id"]);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_put_that_hangs_up_while_it_waits_for_a_teardown_records_nothing() {
    let installation = Installation::start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    installation.set_faults(fault("DeleteRole", "before", json!({"hang_ms": 8_000})));
    client.without_waiting().delete("one").await.expect(202);
    let waiting = client.waiting_longest();
    let put = tokio::time::timeout(Duration::from_millis(500), waiting.provision("one"));
    assert!(put.await.is_err(), "the request waits");
    installation.reaches("one", "deleted").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(installation.database.bindings().await.len(), 1);
    assert!(installation.holds_nothing_of_ours());
    installation.assert_sound().await;
}
