//! Postgres fails during a request.

use engine_roles_e2e::installation::PAST_A_LEASE;
use engine_roles_e2e::installation::fault;
use engine_roles_e2e::kill_points::{PREPARED_ROLE, Scenario};
use engine_roles_e2e::{Installation, eventually};
use serde_json::json;

#[tokio::test]
async fn after_postgres_stopped_during_a_request_a_repeated_request_succeeds() {
    let mut installation = Installation::build()
        .rarely_checked()
        .prepared(PREPARED_ROLE)
        .own_postgres()
        .start()
        .await;
    for (scenario, held) in [
        (Scenario::Create, "AddRoleToInstanceProfile"),
        (Scenario::TearDown, "DeleteRole"),
    ] {
        let what = format!("{scenario:?} at {held}");
        let cluster = format!("{scenario:?}-{held}");
        scenario.prepare(&installation.client(), &cluster).await;
        installation.becomes_idle().await;
        let since = installation.mark();
        installation.set_faults(fault(held, "after", json!({"hang_ms": 5_000})));
        // The request waits at most as long as the outage lasts.
        let client = installation.client().with("prefer", "wait=2");
        let asked = {
            let cluster = cluster.clone();
            tokio::spawn(async move { scenario.request(&client, &cluster).await })
        };
        installation.reached(held, since).await;
        installation
            .postgres()
            .stop_immediate()
            .await
            .expect("Postgres stops");
        installation
            .sandbox
            .advance(std::time::Duration::from_secs(5));
        let answer = asked.await.expect("the task does not panic");
        if answer.status != 202 {
            answer.expect_problem(503, "database_unavailable");
        }
        installation
            .postgres()
            .start_again()
            .await
            .expect("Postgres starts");
        let before = installation.database.binding(&cluster).await;
        let before = before.expect("the intent was committed");
        eventually(
            "the service is connected to its database again",
            async || {
                let client = installation.client().anonymous();
                let answer = client.fetch("/readyz").await;
                (answer.status == 200).then_some(())
            },
        )
        .await;
        let again = scenario
            .request(&installation.client().without_waiting(), &cluster)
            .await;
        assert!(again.status <= 202, "{what}: {}", again.text);
        assert_eq!(again.body["binding_id"], json!(before.id), "{what}");
        installation.advance(PAST_A_LEASE).await;
        installation.assert_sound_when_idle(&what).await;
        scenario.assert_done(&installation, &cluster, &what).await;
        let last = scenario.request(&installation.client(), &cluster).await;
        assert_eq!(last.expect(200)["binding_id"], json!(before.id), "{what}");
    }
}

#[tokio::test]
async fn with_all_database_connections_in_use_a_request_gets_503_with_retry_after() {
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_DATABASE_CONNECTIONS", "4")
        .start()
        .await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    installation.becomes_idle().await;
    // A table lock makes every connection wait that records an intent.
    let locked = tokio::spawn({
        let url = installation.database.url().to_owned();
        async move {
            let (locking, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
                .await
                .expect("Postgres accepts the connection");
            tokio::spawn(connection);
            let lock = "BEGIN; LOCK TABLE clusters IN EXCLUSIVE MODE";
            locking
                .batch_execute(lock)
                .await
                .expect("the table is locked");
            locking
        }
    });
    let locking = locked.await.expect("the task does not panic");
    let waiting = (0..8).map(|number| {
        let client = client.waiting_longest();
        tokio::spawn(async move { client.provision(&format!("c{number}")).await })
    });
    let waiting: Vec<_> = waiting.collect();
    let mut first = None;
    eventually("one request is answered", async || {
        first = waiting
            .iter()
            .position(tokio::task::JoinHandle::is_finished);
        first.map(|_| ())
    })
    .await;
    locking
        .batch_execute("ROLLBACK")
        .await
        .expect("the lock is released");
    for (number, reported) in waiting.into_iter().enumerate() {
        let answer = reported.await.expect("the task does not panic");
        if answer.status == 503 {
            answer.expect_problem(503, "database_unavailable");
            assert!(answer.header("retry-after").is_some());
        } else {
            answer.expect(201);
        }
        let again = client
            .waiting_longest()
            .provision(&format!("c{number}"))
            .await;
        assert!([200, 201].contains(&again.status), "{}", again.text);
    }
    assert!(first.is_some());
    installation
        .assert_sound_when_idle("all connections in use")
        .await;
}
