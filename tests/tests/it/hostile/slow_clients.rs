//! Clients that send or read slowly, or not at all.

use std::time::Duration;

use engine_roles_e2e::{Installation, RawConnection, eventually};

use super::{HALF_A_HEAD, LIVEZ, assert_served, connect, put};

async fn impatient() -> Installation {
    Installation::build()
        .env("ENGINE_ROLES_SLOW_CLIENT_LIMIT", "1s")
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
    assert_served(&installation, "one").await;
    for mut connection in slow {
        let answer = connection.answer().await.expect("an answer");
        answer.expect_problem(408, "request_timeout");
        assert_eq!(connection.closed().await, 0);
    }
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_byte_at_a_time_does_not_extend_the_time_for_a_head() {
    let installation = impatient().await;
    let mut connection = connect(&installation).await;
    connection.send(HALF_A_HEAD).await;
    let mut bytes = 0;
    while connection.send("a").await {
        bytes += 1;
        assert!(bytes < 10_000, "the connection is still open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_sent_is_closed_without_an_answer() {
    let installation = impatient().await;
    let mut connection = connect(&installation).await;
    assert_eq!(connection.closed().await, 0);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_own_limit() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_IDLE_LIMIT", "1s")
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
async fn without_a_key_no_body_is_waited_for() {
    let installation = Installation::start().await;
    let head = put(&installation, "one").replace(installation.key(), &"z".repeat(64));
    let mut connection = connect(&installation).await;
    let answer = connection
        .exchange(format!("{head}Content-Length: 100\r\n\r\n{{"))
        .await;
    answer.expect_problem(401, "unauthenticated");
    assert_eq!(connection.closed().await, 0);
}

#[tokio::test]
async fn a_too_large_body_is_rejected_before_it_is_sent() {
    let installation = Installation::start().await;
    let mut connection = connect(&installation).await;
    let head = put(&installation, "one");
    let answer = connection
        .exchange(format!(
            "{head}Content-Length: 300000\r\nExpect: 100-continue\r\n\r\n"
        ))
        .await;
    answer.expect_problem(413, "body_too_large");
    assert_eq!(connection.closed().await, 0);
    // A body within the limit is asked for.
    let mut connection = connect(&installation).await;
    let head = format!("{head}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(connection.exchange(head).await.status, 100);
    assert_eq!(connection.exchange("{}").await.status, 201);
}

/// Opens connections that request far more than fits into the sockets' buffers and read nothing, and
/// checks that the service closes all of them.
async fn assert_cut(installation: &Installation, requests: &str) {
    let service = &installation.replicas[0];
    let before = service.open_files();
    let mut stalled: Vec<RawConnection> = Vec::new();
    for _ in 0..20 {
        let mut connection = connect(installation).await;
        connection.send(requests).await;
        stalled.push(connection);
    }
    assert_served(installation, "one").await;
    eventually("the stalled connections are closed", async || {
        // Other connections to the database and to AWS may have been opened meanwhile.
        (service.open_files() < before + stalled.len()).then_some(())
    })
    .await;
    for mut connection in stalled {
        connection.closed().await;
    }
}

#[tokio::test]
async fn a_client_that_reads_no_answers_is_cut() {
    let installation = impatient().await;
    let requests = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(400);
    assert_cut(&installation, &requests).await;
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
    let service = &installation.replicas[0];
    let before = service.open_files();
    let mut connection = connect(&installation).await;
    connection.send(request).await;
    eventually("the stream has begun", async || {
        (service.open_files() > before).then_some(())
    })
    .await;
    assert_served(&installation, "one").await;
    eventually("the stalled connection is closed", async || {
        let entries = service.log().entries().into_iter();
        let mut reasons = entries.filter_map(|entry| entry["reason"].as_str().map(str::to_owned));
        reasons.find(|reason| reason == "StalledReader")
    })
    .await;
    assert!(connection.closed().await < 30_000_000, "the stream ended");
}

#[tokio::test]
async fn an_unfinished_request_does_not_delay_the_shutdown() {
    let mut installation = Installation::build()
        .env("ENGINE_ROLES_SHUTDOWN_LIMIT", "1h")
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
