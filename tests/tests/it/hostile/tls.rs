//! Slow clients and many connections where the service speaks TLS.

use std::collections::VecDeque;
use std::time::Duration;

use engine_roles_e2e::slow_clients::raise_file_limit;
use engine_roles_e2e::tls::{client_hello, connect as tls_connect, long_hello};
use engine_roles_e2e::{Installation, InstallationBuilder, RawConnection, TlsFiles, eventually};
use tokio_rustls::rustls::ALL_VERSIONS;

use super::{HALF_A_HEAD, LIVEZ, assert_served, connect};

fn impatient(files: &TlsFiles) -> InstallationBuilder {
    Installation::build()
        .tls(files)
        .env("ENGINE_ROLES_SLOW_CLIENT_LIMIT", "3s")
        .env("ENGINE_ROLES_LOG", "info,engine_roles_api=debug")
}

/// Opens a connection and finishes the handshake.
async fn shake_hands(installation: &Installation, files: &TlsFiles) -> RawConnection {
    let config = files.authority.client_config(ALL_VERSIONS, None);
    let stream = tls_connect(installation.replicas[0].address(), config).await;
    RawConnection::over(stream.expect("a handshake"))
}

/// Returns the first message of a handshake.
fn hello(files: &TlsFiles) -> Vec<u8> {
    client_hello(files.authority.client_config(ALL_VERSIONS, None))
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_closed_and_others_notice_nothing() {
    let files = TlsFiles::new();
    let installation = impatient(&files).start().await;
    let hello = hello(&files);
    let mut slow = Vec::new();
    for number in 0..100 {
        let mut connection = connect(&installation).await;
        // Nothing, one byte, a half of the first message, or all of it and then nothing.
        let sent = [0, 1, hello.len() / 2, hello.len()][number % 4];
        connection.send(&hello[..sent]).await;
        slow.push((sent, connection));
    }
    assert_served(&installation, "one").await;
    for (sent, mut connection) in slow {
        let answered = connection.closed().await;
        assert!(sent == hello.len() || answered == 0, "{sent}: {answered}");
    }
    // A handshake that is too long is closed earlier.
    let mut connection = connect(&installation).await;
    connection.send(long_hello(60_000)).await;
    assert!(connection.closed().await <= 7);
    // A byte at a time does not extend the time for a handshake.
    let mut connection = connect(&installation).await;
    let started = std::time::Instant::now();
    let mut bytes = hello.iter().cycle();
    while connection.send([*bytes.next().expect("a cycle")]).await {
        assert!(started.elapsed() < Duration::from_secs(10), "still open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    installation.assert_sound().await;
}

#[tokio::test]
async fn heads_bodies_and_readers_that_are_slow_have_the_same_limits_as_without_tls() {
    let files = TlsFiles::new();
    let installation = impatient(&files)
        .env("ENGINE_ROLES_IDLE_LIMIT", "9s")
        .start()
        .await;
    let mut silent = shake_hands(&installation, &files).await;
    let mut head = shake_hands(&installation, &files).await;
    head.send(HALF_A_HEAD).await;
    let mut body = shake_hands(&installation, &files).await;
    let put = super::put(&installation, "slow");
    body.send(format!("{put}Content-Length: 100\r\n\r\n{{"))
        .await;
    let mut idle = shake_hands(&installation, &files).await;
    assert_eq!(idle.exchange(LIVEZ).await.status, 200);
    // Far more than fits into the buffers of the sockets.
    let mut reader = shake_hands(&installation, &files).await;
    let requests = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(400);
    reader.send(&requests).await;
    assert_served(&installation, "one").await;
    for mut connection in [head, body] {
        let answer = connection.answer().await.expect("an answer");
        answer.expect_problem(408, "request_timeout");
        assert_eq!(connection.closed().await, 0);
    }
    assert_eq!(silent.closed().await, 0);
    eventually("the stalled connection is cut", async || {
        let entries = installation.replicas[0].log().entries();
        let mut cuts = entries
            .iter()
            .filter(|entry| entry["reason"] == "StalledReader");
        cuts.next().map(|_| ())
    })
    .await;
    assert_eq!(idle.closed().await, 0);
}

#[tokio::test]
async fn at_the_limit_a_new_connection_replaces_the_one_with_the_oldest_unfinished_handshake() {
    let files = TlsFiles::new();
    let installation = Installation::build()
        .tls(&files)
        .env("ENGINE_ROLES_MAX_CONNECTIONS", "20")
        .start()
        .await;
    let mut idle = shake_hands(&installation, &files).await;
    assert_eq!(idle.exchange(LIVEZ).await.status, 200);
    let hello = hello(&files);
    let mut unfinished = VecDeque::new();
    for number in 0..100 {
        let mut connection = connect(&installation).await;
        connection
            .send(&hello[..hello.len() / (1 + number % 3)])
            .await;
        unfinished.push_back(connection);
        if unfinished.len() == 20 {
            unfinished.pop_front().expect("a connection").closed().await;
        }
        // The connection that was inactive the longest would make room, too.
        assert_eq!(idle.exchange(LIVEZ).await.status, 200);
    }
    assert_served(&installation, "one").await;
    assert_eq!(idle.exchange(LIVEZ).await.status, 200);
    installation.assert_sound().await;
}

#[tokio::test]
async fn an_idle_tls_connection_takes_at_most_40_kilobytes() {
    raise_file_limit();
    let files = TlsFiles::new();
    let installation = Installation::build().tls(&files).start().await;
    let service = &installation.replicas[0];
    for _ in 0..20 {
        let mut connection = shake_hands(&installation, &files).await;
        assert_eq!(connection.exchange(LIVEZ).await.status, 200);
    }
    let before = service.resident_kilobytes();
    let mut idle = Vec::new();
    for _ in 0..300 {
        let mut connection = shake_hands(&installation, &files).await;
        let request = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(connection.exchange(request).await.status, 200);
        idle.push(connection);
    }
    let grown = service.resident_kilobytes().saturating_sub(before);
    println!("{grown} kB for 300 idle connections");
    assert!(grown <= 300 * 40, "{grown} kB for 300 idle connections");
}

#[tokio::test]
async fn with_2000_hostile_tls_connections_memory_is_bounded_and_others_are_served() {
    raise_file_limit();
    let files = TlsFiles::new();
    let installation = Installation::build().tls(&files).start().await;
    let hello = hello(&files);
    // The longest first message that a client may begin to send.
    let long = long_hello(48_000);
    let mut connections: Vec<RawConnection> = Vec::new();
    for number in 0..2_000 {
        let mut connection = connect(&installation).await;
        match number % 4 {
            0 => connection.send(&hello).await,
            1 => connection.send(&long).await,
            2 => connection.send(&hello[..1]).await,
            _ => true,
        };
        connections.push(connection);
    }
    let service = &installation.replicas[0];
    eventually("the service has accepted all connections", async || {
        (service.open_files() > 2_000).then_some(())
    })
    .await;
    assert_served(&installation, "one").await;
    let memory = service.resident_kilobytes();
    println!("{memory} kB with 2,000 connections");
    assert!(memory < 140_000, "{memory} kB with 2,000 connections");
    drop(connections);
    installation.assert_sound().await;
}
