//! More connections than the service accepts, or than fit into its memory.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use engine_roles_e2e::installation::fault;
use engine_roles_e2e::slow_clients::raise_file_limit;
use engine_roles_e2e::{Installation, RawConnection, eventually};
use serde_json::json;
use tokio::task::JoinSet;

use super::{HALF_A_HEAD, LIVEZ, assert_served, connect, put};

async fn with_most_connections(most: usize) -> Installation {
    Installation::build()
        .env("ENGINE_ROLES_MAX_CONNECTIONS", most.to_string())
        .start()
        .await
}

#[tokio::test]
async fn at_the_limit_a_new_connection_replaces_the_one_with_the_oldest_unfinished_head() {
    let installation = with_most_connections(20).await;
    let mut idle = connect(&installation).await;
    assert_eq!(idle.exchange(LIVEZ).await.status, 200);
    let mut unfinished = VecDeque::new();
    for _ in 0..100 {
        let mut connection = connect(&installation).await;
        connection.send(HALF_A_HEAD).await;
        unfinished.push_back(connection);
        if unfinished.len() == 20 {
            // It is closed with an answer if the service has read a part of its head.
            let mut oldest = unfinished.pop_front().expect("a connection");
            if let Some(answer) = oldest.answer().await {
                answer.expect_problem(408, "request_timeout");
                assert_eq!(oldest.closed().await, 0);
            }
        }
        // The connection that was inactive the longest would make room, too.
        assert_eq!(idle.exchange(LIVEZ).await.status, 200);
    }
    assert_served(&installation, "one").await;
    let last = unfinished.back_mut().expect("a connection");
    let answer = last.exchange("a\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    assert_eq!(idle.exchange(LIVEZ).await.status, 200);
    installation.assert_sound().await;
}

#[tokio::test]
async fn at_the_limit_without_unfinished_heads_the_longest_idle_connection_is_replaced() {
    let installation = with_most_connections(10).await;
    let mut idle = Vec::new();
    for _ in 0..10 {
        let mut connection = connect(&installation).await;
        assert_eq!(connection.exchange(LIVEZ).await.status, 200);
        idle.push(connection);
    }
    // The first one is idle for a shorter time than the second.
    assert_eq!(idle[0].exchange(LIVEZ).await.status, 200);
    let mut new = connect(&installation).await;
    assert_eq!(new.exchange(LIVEZ).await.status, 200);
    assert_eq!(idle[1].closed().await, 0);
    for number in [0, 2, 9] {
        assert_eq!(idle[number].exchange(LIVEZ).await.status, 200);
    }
    assert_eq!(new.exchange(LIVEZ).await.status, 200);
}

#[tokio::test]
async fn where_all_connections_are_answering_a_new_one_waits() {
    let installation = with_most_connections(2).await;
    installation.set_faults(fault("CreateRole", "before", json!({"hang_ms": 5_000})));
    let mut working = Vec::new();
    for cluster in ["one", "two"] {
        let mut connection = connect(&installation).await;
        let start = put(&installation, cluster);
        let rest = "Prefer: wait=60\r\nContent-Length: 2\r\n\r\n{}";
        connection.send(format!("{start}{rest}")).await;
        working.push(connection);
    }
    // Until then, a connection is one with an unfinished head, which a new one replaces.
    eventually("both requests wait for IAM", async || {
        let calls = installation.calls(0);
        let calls = calls.iter().filter(|call| call.action == "CreateRole");
        let roles: BTreeSet<_> = calls
            .filter_map(|call| call.params.get("RoleName"))
            .collect();
        (roles.len() == 2).then_some(())
    })
    .await;
    let mut waits = connect(&installation).await;
    waits.send(LIVEZ).await;
    installation
        .sandbox
        .advance(std::time::Duration::from_secs(5));
    let answer = waits.answer().await.expect("an answer");
    assert_eq!(answer.status, 200);
    let mut statuses = Vec::new();
    for mut connection in working {
        statuses.extend(connection.answer().await.map(|answer| answer.status));
    }
    assert_eq!(statuses, [201, 201]);
    installation.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_limit_clients_that_send_at_once_get_their_answers() {
    let installation = Arc::new(with_most_connections(6).await);
    // On a machine that is busy with other things, a request may come too late.
    let mut fewest = usize::MAX;
    for _ in 0..3 {
        fewest = fewest.min(unanswered(&installation).await);
        if fewest < 24 * 40 / 20 {
            break;
        }
    }
    assert!(fewest < 24 * 40 / 20, "{fewest}");
    installation.assert_sound().await;
}

/// Returns how many of 960 requests of 24 clients, each on a connection of its own, get no answer.
async fn unanswered(installation: &Arc<Installation>) -> usize {
    let clients = (0..24).map(|_| {
        let installation = Arc::clone(installation);
        tokio::spawn(async move {
            let mut unanswered = 0;
            for _ in 0..40 {
                // Nothing slows the service down, so that a place is free again at once.
                let mut connection = connect(&installation).await;
                connection.send(LIVEZ).await;
                match connection.answer().await {
                    Some(answer) if answer.status == 200 => {}
                    // A part of the head had arrived.
                    Some(answer) => {
                        answer.expect_problem(408, "request_timeout");
                    }
                    None => unanswered += 1,
                }
            }
            unanswered
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut unanswered = 0;
    for client in clients {
        unanswered += client.await.expect("the client ends");
    }
    unanswered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_limit_a_client_that_always_has_another_request_gives_way() {
    let installation = with_most_connections(3).await;
    let address = installation.replicas[0].address();
    let mut busy = JoinSet::new();
    for _ in 0..3 {
        busy.spawn(async move {
            loop {
                let mut connection = RawConnection::open(address).await;
                // Until the connection is closed, at least one request is on its way.
                connection.send(LIVEZ.repeat(50)).await;
                while connection.answer().await.is_some() {
                    connection.send(LIVEZ).await;
                }
            }
        });
    }
    // On a machine that is busy with other things, a request may come too late.
    let mut most = 0;
    for _ in 0..3 {
        let mut answered = 0;
        for _ in 0..100 {
            let mut connection = connect(&installation).await;
            connection.send(LIVEZ).await;
            answered += u32::from(connection.answer().await.is_some());
        }
        most = most.max(answered);
        if most >= 95 {
            return;
        }
    }
    panic!("{most} of 100 requests were answered");
}

#[tokio::test]
async fn an_idle_connection_takes_at_most_20_kilobytes() {
    raise_file_limit();
    let installation = Installation::start().await;
    let service = &installation.replicas[0];
    for _ in 0..20 {
        let mut connection = connect(&installation).await;
        assert_eq!(connection.exchange(LIVEZ).await.status, 200);
    }
    let before = service.resident_kilobytes();
    let mut idle = Vec::new();
    for _ in 0..300 {
        let mut connection = connect(&installation).await;
        let request = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(connection.exchange(request).await.status, 200);
        idle.push(connection);
    }
    let grown = service.resident_kilobytes().saturating_sub(before);
    assert!(grown <= 300 * 20, "{grown} kB for 300 idle connections");
}

#[tokio::test]
async fn with_2000_hostile_connections_memory_is_bounded_and_others_are_served() {
    raise_file_limit();
    let installation = Installation::start().await;
    let mut connections: Vec<RawConnection> = Vec::new();
    let long_head = format!("{HALF_A_HEAD}{}", "a".repeat(15_000));
    for number in 0..2_000 {
        let mut connection = connect(&installation).await;
        match number % 4 {
            0 => connection.send(HALF_A_HEAD).await,
            1 => connection.send(&long_head).await,
            2 => connection.send(LIVEZ).await,
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
    assert!(memory < 100_000, "{memory} kB with 2,000 connections");
    drop(connections);
    installation.assert_sound().await;
}

#[tokio::test]
async fn invented_methods_and_paths_make_no_new_series_of_metrics() {
    let installation = Installation::start().await;
    let mut connection = connect(&installation).await;
    for number in 0..1_000 {
        let request = format!("M{number} /p{number} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(2);
        assert_eq!(connection.exchange(request).await.status, 404);
        assert_eq!(connection.exchange("").await.status, 404);
    }
    connection
        .send("M /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    assert_eq!(connection.exchange("").await.status, 405);
    let metrics = installation.client().anonymous().fetch("/metrics").await;
    let counted = |line: &&str| line.starts_with("engine_roles_http_requests_total{");
    let series: Vec<&str> = metrics.text.lines().filter(counted).collect();
    let others = series.iter().filter(|line| line.contains("\"other\""));
    let others: Vec<_> = others.collect();
    assert_eq!(others.len(), 2, "{series:#?}");
    let total = r#"{method="other",route="unmatched",status="404"} 2000"#;
    assert!(
        others.iter().any(|line| line.ends_with(total)),
        "{series:#?}"
    );
    assert!(series.len() < 20, "{series:#?}");
}
