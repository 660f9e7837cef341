//! Stops and crashes in the middle.

use std::time::Duration;

use engine_roles_e2e::world::fault;
use engine_roles_e2e::{World, eventually};
use serde_json::json;

#[tokio::test]
async fn sigterm_lets_what_runs_come_to_its_end() {
    let mut world = World::start().await;
    world.set_faults(fault("PutRolePolicy", "before", json!({"hang_ms": 5_000})));
    let client = world.client().patient();
    let waiting = tokio::spawn(async move { client.provision("one").await });
    world.reached("PutRolePolicy", 0).await;
    world.replicas[0].ask_to_stop();
    eventually("it says that it stops", async || {
        world.replicas[0].log().find("SIGTERM: stopping")
    })
    .await;
    world.sandbox.advance(Duration::from_secs(5));
    let status = world.replicas[0].ended().await;
    assert_eq!(status.code(), Some(0));
    let answer = waiting.await.expect("it does not panic");
    assert!([201, 202].contains(&answer.status), "{}", answer.text);
    let binding = world.database.binding("one").await.expect("it is there");
    assert_eq!(binding.state, "active");
    assert_eq!(binding.lease_until, None);
    world.restart(0).await;
    world.reaches("one", "active").await;
    world.assert_sound().await;
}

#[tokio::test]
async fn sigterm_hands_on_what_cannot_be_done_and_the_next_start_does_it_at_once() {
    let mut world = World::start().await;
    world.set_faults(json!([{
        "action": "*", "when": "before", "do": {"error": "ServiceFailure"}, "times": 1_000_000,
    }]));
    world
        .client()
        .in_no_hurry()
        .provision("one")
        .await
        .expect(202);
    world.reached("CreateRole", 0).await;
    assert_eq!(world.replicas[0].stop().await.code(), Some(0));
    world.set_faults(json!([]));
    world.restart(0).await;
    world.reaches_in_time("one", "active").await;
    world.assert_sound().await;
}

#[tokio::test]
async fn sigterm_lets_work_end_that_nobody_waits_for() {
    // Not every order in which a service may notice the signal comes at the first try.
    for _ in 0..4 {
        let mut world = World::start().await;
        world.set_faults(fault("PutRolePolicy", "before", json!({"hang_ms": 5_000})));
        // This caller is gone with its connection.
        world
            .client()
            .in_no_hurry()
            .provision("one")
            .await
            .expect(202);
        world.reached("PutRolePolicy", 0).await;
        world.replicas[0].ask_to_stop();
        eventually("it says that it stops", async || {
            world.replicas[0].log().find("SIGTERM: stopping")
        })
        .await;
        assert!(world.replicas[0].runs(), "it waits for what runs");
        world.sandbox.advance(Duration::from_secs(5));
        assert_eq!(world.replicas[0].ended().await.code(), Some(0));
        assert!(world.replicas[0].log().find("stopped").is_some());
        let binding = world.database.binding("one").await.expect("it is there");
        assert_eq!(binding.state, "active");
        assert_eq!(binding.lease_until, None);
        world.assert_sound().await;
    }
}

#[tokio::test]
async fn an_idle_service_stops_at_once_and_says_so() {
    let mut world = World::start().await;
    world.client().provision("one").await.expect(201);
    assert_eq!(world.replicas[0].stop().await.code(), Some(0));
    assert!(world.replicas[0].log().find("stopped").is_some());
    world.restart(0).await;
    let answer = world.client().get("one").await;
    assert_eq!(answer.expect(200)["state"], "active");
    world.assert_sound().await;
}

#[tokio::test]
async fn a_service_that_stops_takes_no_further_request() {
    let mut world = World::start().await;
    world.set_faults(fault("CreateRole", "before", json!({"hang_ms": 5_000})));
    world
        .client()
        .in_no_hurry()
        .provision("one")
        .await
        .expect(202);
    world.reached("CreateRole", 0).await;
    world.replicas[0].ask_to_stop();
    let client = world.client();
    eventually("it does not listen any longer", async || {
        let request = client.request(reqwest::Method::GET, "/livez");
        client.try_send(request).await.is_err().then_some(())
    })
    .await;
    world.sandbox.advance(Duration::from_secs(5));
    assert_eq!(world.replicas[0].ended().await.code(), Some(0));
    world.restart(0).await;
    world.reaches_in_time("one", "active").await;
    world.assert_sound().await;
}

#[tokio::test]
async fn a_kill_between_the_stages_is_finished_after_the_lease() {
    let mut world = World::start().await;
    world.set_faults(fault(
        "PutRolePolicy",
        "before",
        json!({"hang_ms": 600_000}),
    ));
    world
        .client()
        .in_no_hurry()
        .provision("one")
        .await
        .expect(202);
    world.reached("PutRolePolicy", 0).await;
    world.replicas[0].kill().await;
    world.set_faults(json!([]));
    world.restart(0).await;
    let binding = world.client().get("one").await;
    assert_eq!(binding.expect(200)["state"], "provisioning");
    world.advance(Duration::from_secs(61)).await;
    world.reaches_in_time("one", "active").await;
    // The write that hung arrives late, and past its window what is there is as meant.
    world.sandbox.advance(Duration::from_mins(10));
    world.is_verified_in_time("one").await;
    assert_eq!(
        world.sandbox.state()["roles"].as_array().map(Vec::len),
        Some(1)
    );
    world.assert_sound().await;
}

#[tokio::test]
async fn a_kill_in_the_first_stage_leaves_one_role_and_no_orphan() {
    for held in ["CreateRole", "CreateInstanceProfile"] {
        for when in ["before", "after"] {
            let mut world = World::start().await;
            world.set_faults(fault(held, when, json!({"hang_ms": 30_000})));
            world
                .client()
                .in_no_hurry()
                .provision("one")
                .await
                .expect(202);
            world.reached(held, 0).await;
            world.replicas[0].kill().await;
            world.set_faults(json!([]));
            world.restart(0).await;
            // Past the lease, the call that was under way has arrived as well.
            world.advance(Duration::from_secs(61)).await;
            world.reaches_in_time("one", "active").await;
            let state = world.sandbox.state();
            assert_eq!(
                state["roles"].as_array().map(Vec::len),
                Some(1),
                "{held} {when}"
            );
            assert_eq!(
                state["instance_profiles"].as_array().map(Vec::len),
                Some(1),
                "{held} {when}"
            );
            world.assert_sound().await;
        }
    }
}

#[tokio::test]
async fn a_kill_in_a_teardown_is_finished_after_the_lease() {
    for held in ["GetRole", "DeleteRolePolicy", "DeleteRole"] {
        let mut world = World::start().await;
        world.client().provision("one").await.expect(201);
        let since = world.mark();
        world.set_faults(fault(held, "after", json!({"hang_ms": 30_000})));
        world.client().in_no_hurry().delete("one").await.expect(202);
        world.reached(held, since).await;
        world.replicas[0].kill().await;
        world.set_faults(json!([]));
        world.restart(0).await;
        world.advance(Duration::from_secs(61)).await;
        world.reaches_in_time("one", "deleted").await;
        assert!(world.holds_nothing_of_ours(), "{held}");
        world.assert_sound().await;
    }
}

#[tokio::test]
async fn another_replica_finishes_what_a_killed_one_left() {
    let mut world = World::build().replicas(2).start().await;
    world.set_faults(fault("PutRolePolicy", "before", json!({"hang_ms": 30_000})));
    world
        .client_of(0)
        .in_no_hurry()
        .provision("one")
        .await
        .expect(202);
    world.reached("PutRolePolicy", 0).await;
    world.replicas[0].kill().await;
    world.advance(Duration::from_secs(61)).await;
    let client = world.client_of(1);
    eventually("the other replica finishes it", async || {
        let binding = client.get("one").await.body;
        (binding["state"] == "active").then_some(())
    })
    .await;
    world.assert_sound().await;
}

#[tokio::test]
async fn a_killed_database_costs_a_caller_nothing_but_a_second_request() {
    let mut world = World::build().own_postgres().start().await;
    let client = world.client();
    client.provision("one").await.expect(201);
    world.postgres().stop_immediate().await.expect("it stops");
    let answer = client.provision("two").await;
    answer.expect_problem(503, "database_unavailable");
    assert!(answer.header("retry-after").is_some());
    world.postgres().start_again().await.expect("it starts");
    let answer = client.patient().provision("two").await;
    assert!([200, 201].contains(&answer.status), "{}", answer.text);
    client.provision("one").await.expect(200);
    world.assert_sound().await;
}
