//! Bytes that are not a request of HTTP/1.1.

use engine_roles_e2e::Installation;

use super::{LIVEZ, assert_served, connect};

#[tokio::test]
async fn malformed_heads_get_a_complete_problem_and_the_connection_ends() {
    let installation = Installation::start().await;
    let large = "a".repeat(70_000);
    let cases = [
        ("\u{1}\u{2}\u{3}\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("GET\r\n\r\n".to_owned(), 400, "invalid_request"),
        (
            "GET / HTTP/3.7\r\nHost: x\r\n\r\n".to_owned(),
            400,
            "invalid_request",
        ),
        (
            "GET / HTTP/1.1\r\nHost : x\r\n\r\n".to_owned(),
            400,
            "invalid_request",
        ),
        (
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n".to_owned(),
            400,
            "invalid_request",
        ),
        // HTTP/2 without TLS.
        (
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            400,
            "invalid_request",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: x\r\nA: {large}\r\n\r\n"),
            431,
            "header_too_large",
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
                "a: b\r\n".repeat(101)
            ),
            431,
            "header_too_large",
        ),
        (
            format!("GET /{large} HTTP/1.1\r\nHost: x\r\n\r\n"),
            414,
            "uri_too_long",
        ),
    ];
    for (request, status, code) in cases {
        let start = request.chars().take(60).collect::<String>();
        let mut connection = connect(&installation).await;
        let answer = connection.exchange(&request).await;
        assert_eq!(answer.status, status, "{start:?}: {answer:?}");
        answer.expect_problem(status, code);
        assert_eq!(connection.closed().await, 0, "{start:?}");
        // The same after a request that was answered.
        let mut connection = connect(&installation).await;
        connection.send(format!("{LIVEZ}{request}")).await;
        let first = connection.answer().await.expect("an answer");
        assert_eq!(first.status, 200);
        let second = connection.answer().await.expect("an answer");
        assert_eq!(second.status, status, "{start:?}: {second:?}");
        assert_eq!(connection.closed().await, 0, "{start:?}");
    }
    assert_served(&installation, "one").await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_request_needs_exactly_one_host_and_none_in_http_1_0() {
    let installation = Installation::start().await;
    let cases = [
        ("1.1", "Host: x\r\n", 200),
        ("1.1", "Host: 127.0.0.1:3283\r\n", 200),
        ("1.1", "Host: [::1]:3283\r\n", 200),
        ("1.1", "Host: engine_roles:3283\r\n", 200),
        ("1.1", "Host: \r\n", 200),
        ("1.1", "", 400),
        ("1.1", "Host: x\r\nHost: x\r\n", 400),
        ("1.1", "Host: x\r\nhost: y\r\n", 400),
        ("1.1", "Host: a b\r\n", 400),
        ("1.1", "Host: a@b\r\n", 400),
        ("1.1", "Host: a/b\r\n", 400),
        ("1.0", "", 200),
        ("1.0", "Host: x\r\n", 200),
        ("1.0", "Host: x\r\nHost: x\r\n", 400),
    ];
    for (version, hosts, status) in cases {
        let mut connection = connect(&installation).await;
        let request = format!("GET /healthcheck HTTP/{version}\r\n{hosts}\r\n");
        let answer = connection.exchange(request).await;
        assert_eq!(answer.status, status, "{version} {hosts:?}: {answer:?}");
        if status == 400 {
            let problem = answer.expect_problem(400, "invalid_request");
            assert_eq!(problem["errors"][0]["field"], "Host");
        }
    }
}
