//! Tests of the client against a server that gives one answer, chosen by the test.

use std::time::Duration;

use engine_roles_contract::{
    AuditQuery, BindingQuery, Code, Open, ReadinessStatus, RoleRequest, State,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::{ApiKey, Client, Error};

const KEY: &str = "kkkkkkkkkkkkkkkk";

/// Starts a server that reads one request and sends this answer. Returns a client of the server,
/// and the task that yields the request.
async fn service(answer: String) -> (Client, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = Vec::new();
        while !is_whole(&request) {
            let read = stream.read_buf(&mut request).await.expect("a request");
            assert!(read > 0, "the request ended early");
        }
        stream
            .write_all(answer.as_bytes())
            .await
            .expect("an answer");
        String::from_utf8(request).expect("text")
    });
    let key = ApiKey::new(KEY).expect("a key");
    let client = Client::builder(format!("http://{address}/below/"))
        .api_key(key)
        .timeout(Duration::from_secs(20))
        .no_proxy()
        .build();
    (client.expect("a client"), served)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().expect("a length"))
    });
    body.len() >= length.unwrap_or(0)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn problem(status: u16, code: &str) -> String {
    let body = json!({
        "type": "about:blank", "title": "No", "status": status, "detail": "not now",
        "code": code, "request_id": "r1", "retry_after": 5, "a_later_member": [1],
    });
    let headers = "content-type: application/problem+json\r\n";
    answer(&format!("{status} No"), headers, &body.to_string())
}

fn binding() -> Value {
    json!({
        "cluster": "one", "binding_id": "01890000-0000-7000-8000-000000000000",
        "state": "active", "mode": "a_later_mode", "generation": 3, "applied_generation": 3,
        "account_id": "123456789012", "partition": "aws", "role": null,
        "instance_profile": null, "policy": null,
        "spec": {
            "mode": "create", "secrets": "all", "session_manager": false, "region": "us-west-2",
            "role_prefix": "td-", "tags": {}, "a_later_member": 1,
        },
        "effective": {
            "mode": "create", "iam_role": null, "instance_profile": null, "secrets": "all",
            "kms_key": null, "session_manager": false, "region": "us-west-2",
            "role_prefix": "td-", "permissions_boundary": null, "tags": {},
        },
        "usable_after": null, "verified_at": null, "drift": [], "last_error": null,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        "receipt": null, "a_later_member": {"x": 1},
    })
}

#[tokio::test]
async fn put_sends_its_conditions_and_parses_the_binding_of_a_newer_service() {
    let headers = "etag: \"3\"\r\nretry-after: 2\r\nx-request-id: r1\r\n";
    let body = binding().to_string();
    let (client, served) = service(answer("202 Accepted", headers, &body)).await;
    let role = client.role("one").wait(Duration::from_secs(7));
    let role = role.if_match("\"2\"".parse().expect("a tag"));
    let request = RoleRequest {
        region: Some("us-west-2".to_owned()),
        ..RoleRequest::default()
    };
    let answered = role.put(&request).await.expect("an answer");
    assert!(answered.is_pending());
    assert_eq!(answered.etag.expect("a tag").as_str(), "\"3\"");
    assert_eq!(answered.retry_after, Some(Duration::from_secs(2)));
    assert_eq!(answered.request_id.as_deref(), Some("r1"));
    assert_eq!(answered.body.state, Open::Known(State::Active));
    assert_eq!(answered.body.mode, Open::Unknown("a_later_mode".to_owned()));
    let sent = served.await.expect("a request");
    assert!(
        sent.starts_with("PUT /below/v1/clusters/one/role HTTP/1.1\r\n"),
        "{sent}"
    );
    assert!(
        sent.ends_with("\r\n\r\n{\"region\":\"us-west-2\"}"),
        "{sent}"
    );
    for header in [
        "prefer: wait=7",
        "if-match: \"2\"",
        "content-type: application/json",
        "authorization: Bearer kkkkkkkkkkkkkkkk",
    ] {
        assert!(
            sent.contains(&format!("{header}\r\n")),
            "{header} is not in {sent}"
        );
    }
}

#[tokio::test]
async fn a_problem_with_an_unknown_code_is_parsed() {
    for (code, expected) in [
        ("iam_unavailable", Open::Known(Code::IamUnavailable)),
        ("too_early", Open::Unknown("too_early".to_owned())),
    ] {
        let (client, _served) = service(problem(503, code)).await;
        let error = client.role("one").delete().await.expect_err("a problem");
        assert_eq!(error.code(), Some(&expected));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
        assert_eq!(error.to_string(), "No: not now");
        assert!(matches!(error, Error::Problem { status, .. } if status == 503));
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_from_the_service_is_not_taken_for_a_problem() {
    let html = answer(
        "502 Bad Gateway",
        "content-type: text/html\r\n",
        "<p>sorry</p>",
    );
    let (client, _served) = service(html).await;
    let error = client
        .capabilities()
        .await
        .expect_err("no answer of the service");
    assert!(
        matches!(&error, Error::Unexpected { status, body } if *status == 502 && body == "<p>sorry</p>"),
        "{error:?}"
    );
    let (client, _served) = service(answer("200 OK", "", "{\"items\": 1}")).await;
    let error = client.policies().await.expect_err("no list");
    assert!(matches!(error, Error::Undecodable { .. }), "{error:?}");
    let (client, _served) = service(answer("302 Found", "location: /\r\n", "")).await;
    let error = client.policies().await.expect_err("no list");
    assert!(matches!(error, Error::Unexpected { .. }), "{error:?}");
}

#[tokio::test]
async fn a_service_that_does_not_exist_or_does_not_answer_is_a_transport_error() {
    let client = Client::builder("http://127.0.0.1:1").no_proxy().build();
    let client = client.expect("a client");
    let error = client.role("one").get().await.expect_err("nobody listens");
    assert!(matches!(error, Error::Transport { .. }) && !error.is_timeout());
    assert_eq!(
        error.to_string(),
        "no answer to GET http://127.0.0.1:1/v1/clusters/one/role"
    );

    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address");
    let client = Client::builder(format!("http://{address}"))
        .timeout(Duration::from_millis(50))
        .no_proxy()
        .build();
    let client = client.expect("a client");
    let error = client.readiness().await.expect_err("nobody answers");
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn the_readiness_of_a_service_that_is_not_ready_is_returned() {
    let body = json!({
        "status": "unready", "database": "unreachable", "reconciler": "ok", "aws": "ok",
        "aws_last_success": null, "other_account_bindings": null, "missing": null,
        "audit": "unknown", "audit_reason": null,
    });
    let unready = answer("503 Service Unavailable", "", &body.to_string());
    let (client, _served) = service(unready).await;
    let answered = client.readiness().await.expect("an answer");
    assert_eq!(answered.status, 503);
    assert!(answered.body.status.is(&ReadinessStatus::Unready));
    let (client, _served) = service(problem(503, "internal")).await;
    let error = client.readiness().await.expect_err("a problem");
    assert_eq!(error.code(), Some(&Open::Known(Code::Internal)));
    let (client, _served) = service(answer("503 Service Unavailable", "", "overloaded")).await;
    let error = client
        .readiness()
        .await
        .expect_err("no answer of the service");
    assert!(matches!(error, Error::Unexpected { .. }), "{error:?}");
}

#[tokio::test]
async fn names_and_queries_are_escaped_in_the_url() {
    let list = json!({"items": [], "next_cursor": null}).to_string();
    let (client, served) = service(answer("200 OK", "", &list)).await;
    let query = BindingQuery {
        state: Some("a&b".to_owned()),
        limit: Some(3),
        ..BindingQuery::default()
    };
    client.bindings(&query).await.expect("a list");
    let sent = served.await.expect("a request");
    let line = "GET /below/v1/clusters?state=a%26b&limit=3 HTTP/1.1\r\n";
    assert!(sent.starts_with(line), "{sent}");

    let (client, served) = service(problem(422, "invalid_cluster_name")).await;
    client.role("a/b?c%").access().await.expect_err("a problem");
    let sent = served.await.expect("a request");
    let line = "GET /below/v1/clusters/a%2Fb%3Fc%25/role/access HTTP/1.1\r\n";
    assert!(sent.starts_with(line), "{sent}");

    for name in ["", ".", ".."] {
        let error = client
            .role(name)
            .get()
            .await
            .expect_err("the name is rejected");
        assert!(matches!(error, Error::Name { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn debug_output_never_contains_the_key_and_without_key_sends_none() {
    let page = json!({"items": [], "next_after": 7}).to_string();
    let (client, served) = service(answer("200 OK", "", &page)).await;
    assert!(!format!("{client:?} {:?}", client.role("one")).contains(KEY));
    let request = client.request(reqwest::Method::GET, "/v1/audit");
    assert!(!format!("{request:?}").contains(KEY));
    let anonymous = client.without_key();
    anonymous
        .audit(&AuditQuery::default())
        .await
        .expect("a page");
    let sent = served.await.expect("a request");
    assert!(!sent.contains("authorization"), "{sent}");
    assert!(ApiKey::new("a\nb").is_err());
}

#[test]
fn only_a_plain_http_url_is_accepted_as_an_address() {
    for address in [
        "https://roles.example.com",
        "http://[::1]:3283/",
        "http://h/a/b",
    ] {
        assert!(Client::builder(address).build().is_ok(), "{address}");
    }
    for address in [
        "",
        "roles.example.com",
        "localhost:3283",
        "ftp://h",
        "http://user:password@h",
        "http://h/?x=1",
        "http://h/#x",
    ] {
        assert!(Client::builder(address).build().is_err(), "{address}");
    }
}
