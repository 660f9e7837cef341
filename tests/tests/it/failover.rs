//! A failover to a real standby, which accepts no writes until it is promoted.

use engine_roles_e2e::{Database, Installation, Service, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_replicas_wait_for_the_standby_to_be_promoted_and_lose_nothing() {
    let mut installation = Installation::build()
        .own_postgres()
        .proxied()
        .rarely_checked()
        .start()
        .await;
    installation.client().provision("one").await.expect(201);
    let standby = installation.postgres().start_standby().await;
    let standby = standby.expect("a standby starts");
    let url = standby.url_of("engine_roles").expect("a name");
    let copy = Database::new(&url);
    installation.client().provision("two").await.expect(201);
    eventually("the standby has followed", async || {
        let binding = copy.binding("two").await?;
        (binding.state == "active").then_some(())
    })
    .await;
    // The name of the database leads to the standby before the standby is promoted.
    installation.proxy().lead_to(&url);
    let killed = installation.postgres().kill().await;
    killed.expect("the primary is killed");
    installation.database = copy;
    installation.database_is(0, "read_only").await;
    let refused = installation.client().provision("three").await;
    refused.expect_problem(503, "database_unavailable");
    // A replica that starts meanwhile waits too.
    installation.add_replica().await;
    installation.database_is(1, "read_only").await;
    assert!(installation.replicas.iter_mut().all(Service::runs));
    standby.promote().await.expect("the standby is promoted");
    installation.ready().await;
    for (replica, cluster) in [(0, "three"), (1, "four")] {
        eventually("a role is provided", async || {
            let answer = installation.client_of(replica).provision(cluster).await;
            (answer.status < 202).then_some(())
        })
        .await;
    }
    let torn_down = installation.client_of(1).delete("two").await;
    assert_eq!(torn_down.expect(200)["state"], "deleted");
    assert!(installation.replicas.iter_mut().all(Service::runs));
    installation
        .assert_sound_when_idle("after a failover")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_starts_on_a_standby_of_an_empty_database_migrates_once_it_is_promoted() {
    let mut installation = Installation::build()
        .own_postgres()
        .rarely_checked()
        .env("ENGINE_ROLES_MIGRATE", "never")
        .not_yet_ready()
        .start()
        .await;
    let standby = installation.postgres().start_standby().await;
    let standby = standby.expect("a standby starts");
    let url = standby.url_of("engine_roles").expect("a name");
    installation.set_env("DATABASE_URL", &url);
    installation.set_env("ENGINE_ROLES_MIGRATE", "auto");
    installation.restart_listening(0).await;
    installation.database_is(0, "read_only").await;
    eventually("the log says why the service waits", async || {
        let entry = installation.replicas[0]
            .log()
            .find("database can't be used; waiting for it")?;
        entry["error"]
            .as_str()?
            .contains("read-only transaction")
            .then_some(())
    })
    .await;
    assert!(installation.replicas[0].runs());
    standby.promote().await.expect("the standby is promoted");
    installation.database = Database::new(url);
    installation.ready().await;
    installation.client().provision("one").await.expect(201);
    installation
        .assert_sound_when_idle("after the promotion")
        .await;
}
