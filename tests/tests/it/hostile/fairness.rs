//! Clients that keep the service waiting take no place that another client needs.

use engine_roles_e2e::slow_clients::SlowClient::{self, Body, Head, Idle, Reader};
use engine_roles_e2e::slow_clients::SlowClients;
use engine_roles_e2e::{Installation, eventually};

use super::assert_served;

const MOST: usize = 60;

/// The time limits of connections are so long that they make no room in this test.
async fn patient() -> Installation {
    Installation::build()
        .env("ENGINE_ROLES_MAX_CONNECTIONS", MOST.to_string())
        .env("ENGINE_ROLES_SLOW_CLIENT_LIMIT", "10m")
        .env("ENGINE_ROLES_IDLE_LIMIT", "10m")
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_answered_while_slow_clients_have_taken_all_connections() {
    let installation = patient().await;
    let attacks: [&[SlowClient]; 6] = [
        &[Head],
        &[Body],
        &[Reader],
        &[Idle],
        &[Idle, Idle, Head],
        &[Head, Body, Reader, Idle],
    ];
    for (attack, kinds) in attacks.into_iter().enumerate() {
        let clients = SlowClients::start(&installation, MOST + 30, kinds).await;
        eventually("clients that were closed have come again", async || {
            (clients.opened() > MOST + 60).then_some(())
        })
        .await;
        for number in 0..5 {
            assert_served(&installation, &format!("c{attack}-{number}")).await;
        }
    }
    let bindings = installation.database.bindings().await;
    assert!(bindings.iter().all(|binding| binding.cluster != "slow"));
    installation.assert_sound().await;
}
