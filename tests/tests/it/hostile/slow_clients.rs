//! Clients that send or read slowly, or not at all.

use std::time::Duration;

use engine_roles_e2e::{Installation, eventually};

use super::{HALF_A_HEAD, LIVEZ, assert_served, connect, put};

async fn impatient() -> Installation {
    Installation::build()
        .env("ENGINE_ROLES_SLOW_CLIENT_LIMIT", "3s")
        .env("ENGINE_ROLES_LOG", "info,engine_roles_api=debug")
        .start()
        .await
}

#[tokio::test]
async fn a_head_that_never_ends_is_answered_with_408_and_others_notice_nothing() {
    let installation = impatient().await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut connection = connect(&installation).await;
        connection.send(HALF_A_HEAD).await;
        slow.push(connection);
    }
    // A second head on the same connection has its own time.
    let mut second = connect(&installation).await;
    assert_eq!(second.exchange(LIVEZ).await.status, 200);
    second.send(HALF_A_HEAD).await;
    slow.push(second);
    let mut silent = connect(&installation).await;
    assert_served(&installation, "one").await;
    for mut connection in slow {
        let answer = connection.answer().await.expect("an answer");
        answer.expect_problem(408, "request_timeout");
        assert_eq!(connection.closed().await, 0);
    }
    // Without a byte of a head there is nothing to answer.
    assert_eq!(silent.closed().await, 0);
    // A byte at a time does not extend the time for a head.
    let mut connection = connect(&installation).await;
    connection.send(HALF_A_HEAD).await;
    let mut bytes = 0;
    while connection.send("a").await {
        bytes += 1;
        assert!(bytes < 10_000, "the connection is still open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    installation.assert_sound().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_own_limit() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_IDLE_LIMIT", "3s")
        .start()
        .await;
    let mut connection = connect(&installation).await;
    assert_eq!(connection.exchange(LIVEZ).await.status, 200);
    assert_eq!(connection.exchange(LIVEZ).await.status, 200);
    assert_eq!(connection.closed().await, 0);
}

#[tokio::test]
async fn a_body_that_never_ends_is_answered_with_408() {
    let installation = impatient().await;
    let head = put(&installation, "slow");
    for unfinished in [
        format!("{head}Content-Length: 100\r\n\r\n{{"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\n{{    \r\n"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n"),
    ] {
        let mut connection = connect(&installation).await;
        let answer = connection.exchange(unfinished).await;
        answer.expect_problem(408, "request_timeout");
        assert_eq!(connection.closed().await, 0);
    }
    assert!(installation.database.bindings().await.is_empty());
}

#[tokio::test]
async fn endless_chunks_are_answered_with_413_and_end_with_the_connection() {
    let installation = Installation::start().await;
    let mut connection = connect(&installation).await;
    let head = put(&installation, "endless");
    connection
        .send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"))
        .await;
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let mut chunks = 0;
    while connection.send(&chunk).await && chunks < 1_000_000 {
        chunks += 1;
    }
    assert!(chunks < 1_000_000, "the service still reads");
    // Chunks in an answer's place are not read, either.
    let mut connection = connect(&installation).await;
    let livez = LIVEZ.replace("GET", "POST");
    let livez = livez.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(connection.exchange(&livez).await.status, 405);
    assert_eq!(connection.closed().await, 0);
    assert_served(&installation, "one").await;
}

#[tokio::test]
async fn a_body_without_a_key_or_of_a_too_large_size_is_not_waited_for() {
    let installation = Installation::start().await;
    let head = put(&installation, "one");
    let without_key = head.replace(installation.key(), &"z".repeat(64));
    let unfinished = "Content-Length: 100\r\n\r\n{";
    let too_large = "Content-Length: 300000\r\nExpect: 100-continue\r\n\r\n";
    for (request, status, code) in [
        (format!("{without_key}{unfinished}"), 401, "unauthenticated"),
        (format!("{head}{too_large}"), 413, "body_too_large"),
    ] {
        let mut connection = connect(&installation).await;
        let answer = connection.exchange(request).await;
        answer.expect_problem(status, code);
        // A client with a pool of connections must not use this one again.
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(connection.closed().await, 0);
    }
    // A body within the limit is asked for.
    let mut connection = connect(&installation).await;
    let asks = format!("{head}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(connection.exchange(asks).await.status, 100);
    assert_eq!(connection.exchange("{}").await.status, 201);
}

/// Waits until the service has cut so many connections because their clients read nothing.
async fn stalled_readers_are_cut(installation: &Installation, count: usize) {
    eventually("the stalled connections are cut", async || {
        let entries = installation.replicas[0].log().entries();
        let cut = entries
            .iter()
            .filter(|entry| entry["reason"] == "StalledReader");
        (cut.count() == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_that_reads_no_answers_is_cut() {
    let installation = impatient().await;
    // Far more than fits into the buffers of the sockets.
    let requests = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(400);
    let mut stalled = Vec::new();
    for _ in 0..10 {
        let mut connection = connect(&installation).await;
        connection.send(&requests).await;
        stalled.push(connection);
    }
    assert_served(&installation, "one").await;
    stalled_readers_are_cut(&installation, 10).await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_client_that_reads_no_events_of_a_stream_is_cut() {
    let installation = impatient().await;
    installation.client().provision("events").await.expect(201);
    // 30 MB of events.
    let copies = "INSERT INTO audit_pending
            (id, at, namespace, cluster, binding_id, generation, action, actor, to_state, detail)
        SELECT gen_random_uuid(), service_now(), b.namespace, b.cluster, b.id, 1, 'updated', 'test',
               'active', jsonb_build_object('text', repeat('x', 100000))
        FROM bindings b, generate_series(1, 300)";
    installation.database.execute(copies).await;
    eventually("the events are numbered", async || {
        let page = installation.client().audit("actor=test&after=290").await;
        let items = page.expect(200)["items"].as_array().map_or(0, Vec::len);
        (items > 5).then_some(())
    })
    .await;
    let request = format!(
        "GET /v1/audit HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Accept: application/x-ndjson\r\n\r\n",
        installation.key()
    );
    let mut connection = connect(&installation).await;
    connection.send(request).await;
    assert_served(&installation, "one").await;
    stalled_readers_are_cut(&installation, 1).await;
    assert!(connection.closed().await < 30_000_000, "the stream ended");
}

#[tokio::test]
async fn an_unfinished_request_does_not_delay_the_shutdown() {
    let mut installation = Installation::build()
        .env("ENGINE_ROLES_SHUTDOWN_LIMIT", "10m")
        .start()
        .await;
    let mut idle = connect(&installation).await;
    assert_eq!(idle.exchange(LIVEZ).await.status, 200);
    let silent = connect(&installation).await;
    let mut half_a_head = connect(&installation).await;
    half_a_head.send(HALF_A_HEAD).await;
    let mut half_a_body = connect(&installation).await;
    let head = put(&installation, "one");
    half_a_body
        .send(format!("{head}Content-Length: 100\r\n\r\n{{"))
        .await;
    let mut half_a_second_head = connect(&installation).await;
    assert_eq!(half_a_second_head.exchange(LIVEZ).await.status, 200);
    half_a_second_head.send(HALF_A_HEAD).await;
    // Each request is accepted in order, so that the service has read all of the above.
    assert_served(&installation, "two").await;
    assert!(installation.replicas[0].stop().await.success());
    let answer = half_a_body.answer().await.expect("an answer");
    answer.expect_problem(408, "request_timeout");
    drop(silent);
}
