//! How the service stops.

use std::time::{Duration, Instant};

use engine_roles_e2e::installation::fault;
use engine_roles_e2e::{Installation, RawConnection, eventually};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

/// The service takes two signals within half a second as one, and keeps a connection without a request for half a
/// second after a signal. What is left of that time is for a slow machine.
const TOGETHER: Duration = Duration::from_millis(350);

#[tokio::test]
async fn during_the_drain_delay_the_service_is_unready_and_answers_everything_else() {
    let mut installation = Installation::build()
        .env("ENGINE_ROLES_DRAIN_DELAY", "10m")
        .start()
        .await;
    let mut is_in_time = false;
    for _ in 0..20 {
        let asked_at = Instant::now();
        installation.replicas[0].ask_to_stop();
        let anonymous = installation.client().anonymous();
        eventually("the service is unready", async || {
            let answer = anonymous.fetch("/readyz").await;
            (answer.status == 503 && answer.body["reconciler"] == "stopping").then_some(())
        })
        .await;
        is_in_time = asked_at.elapsed() < TOGETHER;
        if is_in_time {
            break;
        }
        // The machine was too slow for a second signal that comes together with the first one.
        installation.replicas[0].kill().await;
        installation.restart(0).await;
    }
    assert!(
        is_in_time,
        "the service was never unready within {TOGETHER:?}"
    );
    // A signal that comes together with the first one is the same wish.
    installation.replicas[0].ask_to_stop();
    let anonymous = installation.client().anonymous();
    // New connections and new work are still accepted.
    installation.client().provision("one").await.expect(201);
    anonymous.fetch("/livez").await.expect(200);
    // A second signal ends the service at once.
    tokio::time::sleep(Duration::from_secs(1)).await;
    installation.replicas[0].ask_to_stop();
    let status = installation.replicas[0].ended().await;
    assert_eq!(status.code(), Some(1));
}

#[tokio::test]
async fn a_stop_right_after_the_start_waits_for_no_check_of_the_account() {
    let mut installation = Installation::build()
        .faults(fault("*", "before", json!({"hang_ms": 1_000_000})))
        .env("ENGINE_ROLES_LEASE", "1h")
        .env("ENGINE_ROLES_CALL_TIMEOUT", "15m")
        .env("ENGINE_ROLES_SHUTDOWN_LIMIT", "10m")
        .not_yet_ready()
        .start()
        .await;
    eventually("a check has begun", async || {
        let calls = installation.sandbox.calls(0);
        calls
            .iter()
            .any(|call| call.ended_ms.is_none())
            .then_some(())
    })
    .await;
    let status = installation.replicas[0].stop().await;
    assert_eq!(status.code(), Some(0));
    // The call that the check had sent was not waited for.
    let calls = installation.sandbox.calls(0);
    let waited = calls
        .iter()
        .filter(|call| call.error.as_deref() == Some("unanswered"));
    assert_eq!(waited.count(), 0);
    let log = installation.replicas[0].log().text();
    assert!(!log.contains("shutdown limit reached"), "{log}");
}

#[tokio::test]
async fn an_answer_that_its_client_still_reads_is_complete_after_a_stop() {
    let mut installation = Installation::start().await;
    let anonymous = installation.client().anonymous();
    let length = anonymous.fetch("/openapi.json").await.text.len();
    for connection in ["close", "keep-alive"] {
        let socket = TcpSocket::new_v4().expect("a socket");
        // So that the operating system buffers only a part of the answer.
        socket.set_recv_buffer_size(4096).expect("a size");
        let stream = socket.connect(installation.replicas[0].address()).await;
        let mut stream = stream.expect("a connection");
        let request =
            format!("GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\r\n");
        let sent = stream.write_all(request.as_bytes()).await;
        sent.expect("the request is sent");
        stream.readable().await.expect("a part of the answer");
        let mut client = RawConnection::over(stream);
        installation.replicas[0].ask_to_stop();
        // Connections without an answer are closed after half a second.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!(answer.body.len(), length, "{connection}");
        let status = installation.replicas[0].ended().await;
        assert_eq!(status.code(), Some(0));
        installation.restart(0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_came_before_the_stop_is_answered_and_the_first_one_of_a_new_connection() {
    const REQUEST: &str = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut installation = Installation::start().await;
    let mut in_time = 0;
    for _ in 0..50 {
        if in_time == 5 {
            return;
        }
        let service = &mut installation.replicas[0];
        let (mut kept, mut new) = (Vec::new(), Vec::new());
        for _ in 0..15 {
            let mut connection = RawConnection::open(service.address()).await;
            assert_eq!(connection.exchange(REQUEST).await.status, 200);
            kept.push(connection);
            new.push(RawConnection::open(service.address()).await);
        }
        for connection in &mut kept {
            connection.send(REQUEST).await;
        }
        let asked_at = Instant::now();
        service.ask_to_stop();
        for connection in &mut new {
            connection.send(REQUEST).await;
        }
        let is_in_time = asked_at.elapsed() < TOGETHER;
        for connection in &mut kept {
            let answer = connection.answer().await.expect("an answer");
            assert_eq!(answer.status, 200);
        }
        // Where the machine was slow, the requests may have come too late.
        for connection in new.iter_mut().filter(|_| is_in_time) {
            let answer = connection.answer().await.expect("an answer");
            assert_eq!(answer.status, 200);
            connection.closed().await;
        }
        in_time += u32::from(is_in_time);
        assert_eq!(service.ended().await.code(), Some(0));
        installation.restart(0).await;
    }
    panic!("the machine was too slow in {} of 50 rounds", 50 - in_time);
}
