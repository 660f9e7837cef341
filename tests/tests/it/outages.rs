//! Postgres goes in the middle of a request.

use engine_roles_e2e::installation::PAST_A_LEASE;
use engine_roles_e2e::installation::fault;
use engine_roles_e2e::kill_points::{PREPARED_ROLE, Story};
use engine_roles_e2e::{Installation, eventually};
use serde_json::json;

#[tokio::test]
async fn postgres_stopped_in_mid_request_costs_a_second_request_and_no_more() {
    let mut installation = Installation::build()
        .rarely_checked()
        .prepared(PREPARED_ROLE)
        .own_postgres()
        .start()
        .await;
    for (story, held) in [
        (Story::Create, "AddRoleToInstanceProfile"),
        (Story::TearDown, "DeleteRole"),
    ] {
        let what = format!("{story:?} at {held}");
        let cluster = format!("{story:?}-{held}");
        story.prepare(&installation.client(), &cluster).await;
        installation.comes_to_rest().await;
        let since = installation.mark();
        installation.set_faults(fault(held, "after", json!({"hang_ms": 5_000})));
        // As long as the outage lasts, at most.
        let client = installation.client().with("prefer", "wait=2");
        let asked = {
            let cluster = cluster.clone();
            tokio::spawn(async move { story.ask(&client, &cluster).await })
        };
        installation.reached(held, since).await;
        installation
            .postgres()
            .stop_immediate()
            .await
            .expect("it stops");
        installation
            .sandbox
            .advance(std::time::Duration::from_secs(5));
        let told = asked.await.expect("it does not panic");
        if told.status != 202 {
            told.expect_problem(503, "database_unavailable");
        }
        installation
            .postgres()
            .start_again()
            .await
            .expect("it starts");
        let before = installation.database.binding(&cluster).await;
        let before = before.expect("the intent was committed");
        eventually("the service has found its database again", async || {
            let client = installation.client().anonymous();
            let answer = client.fetch("/readyz").await;
            (answer.status == 200).then_some(())
        })
        .await;
        let again = story
            .ask(&installation.client().in_no_hurry(), &cluster)
            .await;
        assert!(again.status <= 202, "{what}: {}", again.text);
        assert_eq!(again.body["binding_id"], json!(before.id), "{what}");
        installation.advance(PAST_A_LEASE).await;
        installation.assert_sound_at_rest(&what).await;
        story.assert_done(&installation, &cluster, &what).await;
        let last = story.ask(&installation.client(), &cluster).await;
        assert_eq!(last.expect(200)["binding_id"], json!(before.id), "{what}");
    }
}

#[tokio::test]
async fn with_all_connections_in_use_a_request_is_told_to_come_again() {
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_DATABASE_CONNECTIONS", "4")
        .start()
        .await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    installation.comes_to_rest().await;
    // Somebody's lock keeps every connection waiting that wants to write an intent down.
    let locked = tokio::spawn({
        let url = installation.database.url().to_owned();
        async move {
            let (locking, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
                .await
                .expect("it connects");
            tokio::spawn(connection);
            let lock = "BEGIN; LOCK TABLE clusters IN EXCLUSIVE MODE";
            locking.batch_execute(lock).await.expect("it locks");
            locking
        }
    });
    let locking = locked.await.expect("it does not panic");
    let waiting = (0..8).map(|number| {
        let client = client.patient();
        tokio::spawn(async move { client.provision(&format!("c{number}")).await })
    });
    let waiting: Vec<_> = waiting.collect();
    let mut first = None;
    eventually("one of them is told", async || {
        first = waiting
            .iter()
            .position(tokio::task::JoinHandle::is_finished);
        first.map(|_| ())
    })
    .await;
    locking.batch_execute("ROLLBACK").await.expect("it unlocks");
    for (number, told) in waiting.into_iter().enumerate() {
        let answer = told.await.expect("it does not panic");
        if answer.status == 503 {
            answer.expect_problem(503, "database_unavailable");
            assert!(answer.header("retry-after").is_some());
        } else {
            answer.expect(201);
        }
        let again = client.patient().provision(&format!("c{number}")).await;
        assert!([200, 201].contains(&again.status), "{}", again.text);
    }
    assert!(first.is_some());
    installation
        .assert_sound_at_rest("all connections in use")
        .await;
}
