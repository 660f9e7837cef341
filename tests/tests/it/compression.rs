//! Answers that are compressed, and those that are not.

use std::io::Read;

use engine_roles_e2e::{Client, Installation};
use flate2::read::GzDecoder;
use reqwest::Method;
use serde_json::Value;

/// An answer to a client that accepts gzip.
struct Received {
    encoding: Option<String>,
    vary: Option<String>,
    body: Vec<u8>,
}

async fn fetch(client: &Client, path: &str) -> Received {
    let request = client.request(Method::GET, path);
    let answer = request.header("accept-encoding", "gzip").send().await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), 200, "{path}");
    let header = |name| {
        let values = answer.headers().get_all(name).iter();
        let values: Vec<&str> = values.map(|value| value.to_str().expect("text")).collect();
        (!values.is_empty()).then(|| values.join(", "))
    };
    Received {
        encoding: header("content-encoding"),
        vary: header("vary"),
        body: answer.bytes().await.expect("a body").to_vec(),
    }
}

#[tokio::test]
async fn long_answers_are_compressed_where_the_client_accepts_it() {
    let installation = Installation::build().rarely_checked().start().await;
    installation.database.without_log_reads().await;
    let client = installation.client();
    for number in 0..10 {
        client.provision(&format!("c{number}")).await.expect(201);
    }
    installation.events_are_numbered().await;
    for path in ["/v1/clusters", "/v1/audit?limit=20", "/v1/capabilities"] {
        let plain = client.fetch(path).await;
        assert_eq!(plain.header("content-encoding"), None, "{path}");
        let received = fetch(&client, path).await;
        assert_eq!(received.encoding.as_deref(), Some("gzip"), "{path}");
        let vary = received.vary.unwrap_or_default().to_lowercase();
        assert!(vary.contains("accept-encoding"), "{path}: {vary}");
        assert!(received.body.len() * 2 < plain.text.len(), "{path}");
        let mut text = String::new();
        let mut unpacked = GzDecoder::new(received.body.as_slice());
        unpacked.read_to_string(&mut text).expect("gzip");
        let read: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read, plain.body, "{path}");
    }
    let stream = client.request(Method::GET, "/v1/audit");
    let stream = stream
        .header("accept-encoding", "gzip")
        .header("accept", "application/x-ndjson");
    let stream = stream.send().await.expect("an answer");
    assert_eq!(stream.headers()["content-encoding"], "gzip");
    let stream = stream.bytes().await.expect("a stream");
    let mut text = String::new();
    let mut unpacked = GzDecoder::new(&*stream);
    unpacked.read_to_string(&mut text).expect("gzip");
    assert_eq!(
        text.lines().count(),
        installation.database.events().await.len()
    );
}

#[tokio::test]
async fn an_answer_with_an_entity_tag_a_short_one_or_one_without_a_key_is_not_compressed() {
    let installation = Installation::build().rarely_checked().start().await;
    let client = installation.client();
    let put = client.provision("one").await;
    assert!(put.expect(201).to_string().len() > 1024);
    for path in ["/v1/clusters/one/role", "/livez", "/openapi.json"] {
        let received = fetch(&client, path).await;
        assert_eq!(received.encoding, None, "{path}");
    }
}

#[tokio::test]
async fn the_service_says_which_version_it_is() {
    let installation = Installation::start().await;
    let anonymous = installation.client().anonymous();
    let about = anonymous.fetch("/").await;
    let about = about.expect(200);
    let version = anonymous.fetch("/version").await;
    let version = version.expect(200);
    assert_eq!(about["name"], "engine-roles");
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["version"], about["version"]);
    assert_eq!(version["api"], "v1");
    for (name, path) in about["links"].as_object().expect("links") {
        let path = path.as_str().expect("a path");
        let answer = installation.client().fetch(path).await;
        // The console sends a reader without a session to its sign-in page.
        let expected = if path == "/console" { 303 } else { 200 };
        assert_eq!(answer.status, expected, "{name}");
    }
}

#[tokio::test]
async fn an_answer_is_sent_as_it_is_where_no_coding_is_acceptable() {
    let installation = Installation::build().rarely_checked().start().await;
    let client = installation.client();
    for (number, accepted) in ["identity;q=0", "*;q=0", "br, identity;q=0"]
        .iter()
        .enumerate()
    {
        let client = client.with("accept-encoding", accepted);
        let cluster = format!("c{number}");
        client.provision(&cluster).await.expect(201);
        assert_eq!(client.list("").await.status, 200, "{accepted}");
        client.delete(&cluster).await.expect(200);
    }
    let lines = client.with("accept", "APPLICATION/x-ndjson, application/json;q=0.5");
    let lines = lines.audit("").await;
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let page = client.with("accept", "application/x-ndjson;q=0");
    let page = page.audit("").await;
    assert_eq!(page.header("content-type"), Some("application/json"));
}
