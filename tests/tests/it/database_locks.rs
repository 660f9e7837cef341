//! Locks that somebody else holds in the database.

use std::time::Duration;

use engine_roles_e2e::Installation;
use futures::future::join_all;
use serde_json::json;
use tokio_postgres::{Client, NoTls};

/// Takes locks in a transaction, which holds them until it is ended.
async fn hold(installation: &Installation, locks: &str) -> Client {
    let connected = tokio_postgres::connect(installation.database.url(), NoTls).await;
    let (client, connection) = connected.expect("connected");
    tokio::spawn(connection);
    let locked = client.batch_execute(&format!("BEGIN; {locks}")).await;
    locked.expect("locked");
    client
}

#[tokio::test]
async fn a_lock_that_somebody_holds_on_one_cluster_stops_that_cluster_alone() {
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_DATABASE_CONNECTIONS", "6")
        .start()
        .await;
    let client = installation.client();
    client.provision("locked").await.expect(201);
    installation.becomes_idle().await;
    let lock = "SELECT FROM clusters WHERE cluster = 'locked' FOR UPDATE;
                SELECT FROM bindings WHERE cluster = 'locked' FOR UPDATE";
    let locking = hold(&installation, lock).await;
    let waiting: Vec<_> = (0..64)
        .map(|number| {
            let client = client.waiting_longest();
            let change = json!({"tags": {"team": format!("t{number}")}});
            tokio::spawn(async move { client.put("locked", change).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    for number in 0..4 {
        let name = format!("c{number}");
        client.provision(&name).await.expect(201);
        client.get(&name).await.expect(200);
    }
    for answer in join_all(waiting).await {
        let answer = answer.expect("the task does not panic");
        answer.expect_problem(503, "database_unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    locking.batch_execute("ROLLBACK").await.expect("released");
    let change = json!({"tags": {"team": "last"}});
    client
        .waiting_longest()
        .put("locked", change)
        .await
        .expect(200);
}

#[tokio::test]
async fn while_the_table_of_bindings_is_locked_every_request_is_answered() {
    let installation = Installation::build().rarely_checked().start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    installation.becomes_idle().await;
    let lock = "LOCK TABLE bindings IN ACCESS EXCLUSIVE MODE";
    let locking = hold(&installation, lock).await;
    let waiting = client.with("prefer", "wait=5");
    let at_once = client.with("prefer", "respond-async");
    let (read, list, new, changed, torn_down) = tokio::join!(
        client.get("one"),
        client.fetch("/v1/clusters"),
        waiting.provision("two"),
        at_once.put("one", json!({"tags": {"team": "x"}})),
        waiting.delete("one"),
    );
    for answer in [read, list, new, changed, torn_down] {
        answer.expect_problem(503, "database_unavailable");
    }
    locking.batch_execute("ROLLBACK").await.expect("released");
    assert_eq!(client.get("one").await.expect(200)["state"], "active");
    assert_eq!(client.delete("one").await.expect(200)["state"], "deleted");
    installation.assert_sound_when_idle("after the lock").await;
}

#[tokio::test]
async fn while_somebody_holds_the_numbering_of_events_the_log_is_read_and_roles_are_provided() {
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_DATABASE_CONNECTIONS", "4")
        .start()
        .await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    installation.events_are_numbered().await;
    let lock = "SELECT FROM audit_heads FOR UPDATE";
    let locking = hold(&installation, lock).await;
    for number in 0..6 {
        let name = format!("c{number}");
        client.provision(&name).await.expect(201);
        let log = client.audit("cluster=one").await;
        let events = log.expect(200)["items"].as_array().map_or(0, Vec::len);
        assert!(events >= 2, "{}", log.text);
    }
    // The new events wait for their numbers.
    let log = client.audit("cluster=c5").await;
    assert_eq!(log.expect(200)["items"], json!([]));
    locking.batch_execute("ROLLBACK").await.expect("released");
    installation.events_are_numbered().await;
    installation.assert_sound().await;
}
