//! The lines of the log say which request and which cluster they belong to.

use engine_roles_e2e::{Installation, eventually};
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Returns the span with this name in which a line was written.
fn span(entry: &Value, name: &str) -> Value {
    let spans = entry["spans"].as_array().into_iter().flatten();
    let mut spans = spans.filter(|span| span["name"] == name);
    spans.next().cloned().unwrap_or_default()
}

/// Waits for a line with this message whose span has this value. Returns the span.
async fn line(installation: &Installation, message: &str, of: &str, value: (&str, &str)) -> Value {
    eventually(&format!("{message} with {value:?}"), async || {
        let entries = installation.replicas[0].log().entries();
        let lines = entries.iter().filter(|entry| entry["message"] == message);
        let mut spans = lines.map(|entry| span(entry, of));
        spans.find(|span| span[value.0] == value.1)
    })
    .await
}

#[tokio::test]
async fn the_lines_of_a_request_and_of_its_work_name_request_cluster_actor_and_address() {
    let installation = Installation::start().await;
    let client = installation
        .client()
        .with("x-request-id", "first")
        .with("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01"));
    client.provision("one").await.expect(201);
    let request = line(
        &installation,
        "request answered",
        "request",
        ("id", "first"),
    )
    .await;
    assert_eq!(request["method"], "PUT");
    assert_eq!(request["route"], "/v1/clusters/{cluster}/role");
    assert_eq!(request["cluster"], "one");
    assert_eq!(request["actor"], "init");
    let peer = request["peer"].as_str().unwrap_or_default();
    assert!(peer.starts_with("127.0.0.1:"), "{request}");
    for message in ["intent recorded", "AWS call finished", "outcome recorded"] {
        let work = line(&installation, message, "work", ("request_id", "first")).await;
        assert_eq!(
            (&work["cluster"], &work["actor"]),
            (&json!("one"), &json!("init"))
        );
    }
    let client = installation.client().with("x-request-id", "second");
    client.put("one", json!({"region": 1})).await.expect(400);
    let refused = line(
        &installation,
        "request answered",
        "request",
        ("id", "second"),
    )
    .await;
    assert_eq!(refused["code"], "invalid_request");
    // A query finds the lines of a request by members of the line itself.
    let entries = installation.replicas[0].log().entries();
    for message in [
        "intent recorded",
        "AWS call finished",
        "outcome recorded",
        "request answered",
    ] {
        let line = entries
            .iter()
            .find(|entry| entry["message"] == message && entry["request_id"] == "first");
        let line = line.unwrap_or_else(|| panic!("{message} of the request"));
        assert_eq!(line["cluster"], "one", "{line}");
        assert_eq!(line["trace_id"], TRACE, "{line}");
    }
    // Work that no request has caused.
    installation.database.make_due("live").await;
    let check = line(
        &installation,
        "outcome recorded",
        "work",
        ("actor", "reconciler"),
    )
    .await;
    assert_eq!(check["cluster"], "one");
}

#[tokio::test]
async fn a_request_without_a_valid_key_has_no_actor() {
    let installation = Installation::start().await;
    let stranger = installation
        .client()
        .anonymous()
        .with("x-request-id", "third");
    stranger.get("one").await.expect(401);
    let request = line(
        &installation,
        "request answered",
        "request",
        ("id", "third"),
    )
    .await;
    assert_eq!(request["actor"], Value::Null);
    assert_eq!(request["code"], "unauthenticated");
}

#[tokio::test]
async fn only_variables_that_no_setting_has_are_called_unknown() {
    let mut installation = Installation::start().await;
    for name in ["AUDIT_ORIGIN", "KEY_RATE", "TLS_CERT", "KEY_RAT"] {
        installation.set_env(&format!("ENGINE_ROLES_{name}"), "");
    }
    installation.restart(0).await;
    let entries = installation.replicas[0].log().entries().into_iter();
    let unknown =
        entries.filter(|entry| entry["message"] == "no setting has this variable; it is ignored");
    let unknown: Vec<Value> = unknown.map(|entry| entry["variable"].clone()).collect();
    assert_eq!(unknown, ["ENGINE_ROLES_KEY_RAT"]);
}
