//! Heartbeats: a replica that died or lost its database is replaced within seconds, and its calls
//! stop. Nothing else has this effect.
//!
//! Leases last an hour here, and the clock is not moved: what is taken over was taken over because
//! of the heartbeat.

use std::time::Duration;

use engine_roles_e2e::installation::{InstallationBuilder, fault};
use engine_roles_e2e::{Installation, eventually};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

/// The time after which the effects of a lost lease are repaired: longer than the time limit of a
/// call and the consistency window together.
const WINDOW: Duration = Duration::from_secs(71);
const LATE: Duration = Duration::from_secs(100);
const OUTAGE: Duration = Duration::from_secs(10);

fn with_long_leases() -> InstallationBuilder {
    Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_LEASE", "1h")
}

fn hang(action: &str, when: &str) -> Value {
    let milliseconds = u64::try_from(LATE.as_millis()).expect("a small number");
    fault(action, when, json!({"hang_ms": milliseconds}))[0].clone()
}

fn ids(installation: &Installation) -> Vec<uuid::Uuid> {
    let replicas = 0..installation.replicas.len();
    replicas
        .map(|replica| installation.replica_id(replica))
        .collect()
}

/// Asserts that these are all replicas, and that none of them was declared dead.
async fn assert_all_alive(installation: &Installation, mut expected: Vec<uuid::Uuid>) {
    expected.sort_unstable();
    let rows = installation.database.replicas().await;
    let found: Vec<_> = rows.iter().map(|row| row.id).collect();
    assert_eq!(found, expected, "no replica took a new id: {rows:?}");
    assert!(rows.iter().all(|row| row.dead_at.is_none()), "{rows:?}");
}

/// Waits until another replica than `lost` has the lease on a binding, or has finished the work.
async fn is_taken_over(installation: &Installation, cluster: &str, lost: uuid::Uuid) {
    eventually(&format!("{cluster} is taken over"), async || {
        let holder = installation.database.lease_replica(cluster).await;
        (holder != Some(lost)).then_some(())
    })
    .await;
}

/// Starts a teardown of the cluster `one` at this replica, and waits until this call of the teardown
/// is held.
async fn tear_down_until(installation: &Installation, replica: usize, held: &str) {
    let client = installation.client_of(replica);
    client.provision("one").await.expect(201);
    installation.becomes_idle().await;
    let since = installation.mark();
    installation.set_faults(json!([hang(held, "before")]));
    client.without_waiting().delete("one").await.expect(202);
    installation.reached(held, since).await;
}

async fn is_deleted_in_time(installation: &Installation, cluster: &str) {
    let what = format!("{cluster} is deleted");
    let is_deleted = async || {
        let binding = installation.database.binding(cluster).await?;
        (binding.state == "deleted").then_some(())
    };
    installation.in_time_until(&what, is_deleted).await;
}

async fn teardown_is_completed(installation: &Installation, what: &str) {
    is_deleted_in_time(installation, "one").await;
    installation.advance(LATE).await;
    installation.advance(WINDOW).await;
    installation.assert_sound_when_idle(what).await;
    assert!(installation.holds_nothing_of_ours(), "{what}");
}

#[tokio::test]
async fn while_postgres_is_away_for_ten_seconds_no_replica_is_declared_dead() {
    let mut installation = with_long_leases().own_postgres().replicas(3).start().await;
    let replicas = ids(&installation);
    let postgres = installation.postgres();
    postgres.stop_immediate().await.expect("Postgres stops");
    sleep(OUTAGE).await;
    postgres.start_again().await.expect("Postgres starts");
    installation.ready().await;
    installation.heartbeats_are_observed(&replicas).await;
    assert_all_alive(&installation, replicas).await;
    installation.client().provision("one").await.expect(201);
    installation
        .assert_sound_when_idle("after the outage")
        .await;
}

#[tokio::test]
async fn while_the_network_to_postgres_is_away_for_ten_seconds_no_replica_is_declared_dead() {
    let installation = with_long_leases().proxied().replicas(3).start().await;
    let replicas = ids(&installation);
    installation.proxy().freeze();
    sleep(OUTAGE).await;
    installation.proxy().thaw();
    installation.ready().await;
    installation.heartbeats_are_observed(&replicas).await;
    assert_all_alive(&installation, replicas).await;
    installation.client().provision("one").await.expect(201);
    installation
        .assert_sound_when_idle("after the outage")
        .await;
}

#[tokio::test]
async fn a_moved_clock_declares_no_replica_dead() {
    let installation = with_long_leases().replicas(3).start().await;
    let replicas = ids(&installation);
    for moved in [Duration::from_mins(1), Duration::from_hours(24 * 30)] {
        installation.advance(moved).await;
        installation.heartbeats_are_observed(&replicas).await;
        assert_all_alive(&installation, replicas.clone()).await;
    }
}

#[tokio::test]
async fn a_replica_that_is_killed_in_a_teardown_is_replaced_within_seconds() {
    let mut installation = with_long_leases().replicas(2).start().await;
    let killed = installation.replica_id(0);
    tear_down_until(&installation, 0, "DeleteRolePolicy").await;
    installation.replicas[0].kill().await;
    is_taken_over(&installation, "one", killed).await;
    let log = installation.replicas[1].log();
    let declared = log.logged("replica declared dead; its heartbeat has not changed");
    assert_eq!(declared.await["replica"], json!(killed));
    teardown_is_completed(&installation, "killed").await;
}

#[tokio::test]
async fn the_only_replica_that_is_killed_in_a_teardown_continues_within_seconds_of_its_restart() {
    let mut installation = with_long_leases().start().await;
    let killed = installation.replica_id(0);
    tear_down_until(&installation, 0, "DeleteRole").await;
    installation.replicas[0].kill().await;
    installation.restart(0).await;
    is_taken_over(&installation, "one", killed).await;
    teardown_is_completed(&installation, "killed").await;
}

#[tokio::test]
async fn a_replica_that_stops_in_the_middle_of_its_work_gives_the_work_to_the_others_at_once() {
    let mut installation = with_long_leases()
        .env("ENGINE_ROLES_SHUTDOWN_LIMIT", "500ms")
        .replicas(2)
        .start()
        .await;
    let stopped = installation.replica_id(0);
    tear_down_until(&installation, 0, "DeleteRolePolicy").await;
    assert_eq!(installation.replicas[0].stop().await.code(), Some(0));
    let rows = installation.database.replicas().await;
    let row = rows.iter().find(|row| row.id == stopped);
    assert!(row.is_some_and(|row| row.dead_at.is_some()), "{rows:?}");
    is_taken_over(&installation, "one", stopped).await;
    let log = installation.replicas[1].log().text();
    assert!(!log.contains("declared dead"), "nobody had to notice");
    teardown_is_completed(&installation, "stopped").await;
}

#[tokio::test]
async fn a_lease_of_no_known_replica_ends_by_time_alone() {
    let installation = with_long_leases().start().await;
    installation.client().provision("one").await.expect(201);
    installation.becomes_idle().await;
    for replica in ["NULL", "gen_random_uuid()"] {
        let lease = format!(
            "UPDATE work SET lease_token = gen_random_uuid(), lease_replica = {replica},
                 lease_until = service_now() + interval '10 minutes'"
        );
        installation.database.execute(&lease).await;
        installation.database.make_due("live").await;
        let until = installation.recorded("one").await.lease_until;
        installation
            .heartbeats_are_observed(&ids(&installation))
            .await;
        let held = installation.recorded("one").await.lease_until;
        assert_eq!(held, until, "the lease of {replica} is held");
        installation.advance(Duration::from_secs(601)).await;
        eventually("the lease has ended", async || {
            let binding = installation.recorded("one").await;
            binding.lease_until.is_none().then_some(())
        })
        .await;
    }
    installation
        .assert_sound_when_idle("leases ended by time")
        .await;
}

#[tokio::test]
async fn a_replica_that_lost_its_database_changes_no_role_until_it_is_connected_again() {
    let installation = with_long_leases().proxied().start().await;
    installation.set_faults(json!([hang("CreateRole", "after")]));
    let client = installation.client();
    client.without_waiting().provision("one").await.expect(202);
    installation.reached("CreateRole", 0).await;
    installation.proxy().freeze();
    // Longer than a heartbeat is fresh, and shorter than the time limit of a call.
    sleep(Duration::from_secs(4)).await;
    installation.sandbox.advance(LATE);
    let retried = "attempt to converge failed; it is retried";
    let reason = eventually("the worker stops", async || {
        let entry = installation.replicas[0].log().find(retried)?;
        entry["reason"].as_str().map(str::to_owned)
    })
    .await;
    assert!(reason.contains("heartbeat"), "{reason}");
    let sent = installation
        .mutations(0)
        .into_iter()
        .map(|call| call.action);
    let mut sent: Vec<_> = sent.collect();
    sent.sort_unstable();
    assert_eq!(sent, ["CreateInstanceProfile", "CreateRole"]);
    installation.proxy().thaw();
    installation.reaches_in_time("one", "active").await;
    installation.advance(WINDOW).await;
    installation.assert_sound_when_idle("connected again").await;
}

#[tokio::test]
async fn a_replica_that_was_declared_dead_drops_its_work_and_does_it_again_under_a_new_id() {
    let installation = with_long_leases().start().await;
    let old = installation.replica_id(0);
    installation.set_faults(json!([hang("CreateRole", "after")]));
    let client = installation.client();
    client.without_waiting().provision("one").await.expect(202);
    installation.reached("CreateRole", 0).await;
    let declare = "UPDATE replicas SET dead_at = service_now()";
    installation.database.execute(declare).await;
    eventually("the replica has a new id", async || {
        let is_new = installation.replica_id(0) != old;
        is_new.then_some(())
    })
    .await;
    is_taken_over(&installation, "one", old).await;
    installation.sandbox.advance(LATE);
    eventually("the first worker notices", async || {
        let log = installation.replicas[0].log().text();
        log.contains("the lease was lost").then_some(())
    })
    .await;
    installation.reaches_in_time("one", "active").await;
    installation.advance(WINDOW).await;
    installation.assert_sound_when_idle("a new id").await;
}

#[tokio::test]
async fn the_work_of_a_replica_that_is_paused_for_a_minute_is_taken_over_and_nothing_is_lost() {
    const PAUSE: Duration = Duration::from_mins(1);
    let installation = with_long_leases().replicas(2).start().await;
    let paused = installation.replica_id(0);
    let client = installation.client_of(0);
    let narrow = json!({"secrets": ["a"]});
    client.put("changed", narrow.clone()).await.expect(201);
    client.provision("removed").await.expect(201);
    installation.becomes_idle().await;
    let since = installation.mark();
    let held = ["CreateRole", "PutRolePolicy", "DeleteRolePolicy"];
    installation.set_faults(
        held.map(|action| hang(action, "before"))
            .into_iter()
            .collect(),
    );
    let client = client.without_waiting();
    client.provision("created").await.expect(202);
    client
        .put("changed", json!({"secrets": "all"}))
        .await
        .expect(202);
    client.delete("removed").await.expect(202);
    for action in held {
        installation.reached(action, since).await;
    }
    installation.replicas[0].pause();
    let resumed_at = Instant::now() + PAUSE;
    installation.set_faults(json!([]));
    for cluster in ["created", "changed", "removed"] {
        is_taken_over(&installation, cluster, paused).await;
    }
    let client = installation.client_of(1).waiting_longest();
    client.provision("created").await.expect(200);
    client.put("changed", narrow).await.expect(200);
    client.without_waiting().delete("created").await;
    // The held calls arrive now.
    installation.advance(LATE).await;
    sleep_until(resumed_at).await;
    installation.replicas[0].resume();
    eventually(
        "the replica notices that it was declared dead",
        async || {
            let log = installation.replicas[0].log();
            let noticed = "this replica was declared dead; it drops its work and takes a new id";
            log.find(noticed).map(drop)
        },
    )
    .await;
    installation.advance(WINDOW).await;
    for cluster in ["created", "removed"] {
        is_deleted_in_time(&installation, cluster).await;
    }
    installation.advance(WINDOW).await;
    installation
        .assert_sound_when_idle("a paused replica")
        .await;
}
