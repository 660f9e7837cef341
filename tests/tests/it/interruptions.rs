//! Stops and crashes in the middle.

use std::time::Duration;

use engine_roles_e2e::installation::fault;
use engine_roles_e2e::{Installation, eventually};
use serde_json::json;

#[tokio::test]
async fn sigterm_lets_what_runs_come_to_its_end() {
    let mut installation = Installation::start().await;
    installation.set_faults(fault("PutRolePolicy", "before", json!({"hang_ms": 5_000})));
    let client = installation.client().patient();
    let waiting = tokio::spawn(async move { client.provision("one").await });
    installation.reached("PutRolePolicy", 0).await;
    installation.replicas[0].ask_to_stop();
    eventually("it says that it stops", async || {
        installation.replicas[0].log().find("stopping on SIGTERM")
    })
    .await;
    installation.sandbox.advance(Duration::from_secs(5));
    let status = installation.replicas[0].ended().await;
    assert_eq!(status.code(), Some(0));
    let answer = waiting.await.expect("it does not panic");
    assert!([201, 202].contains(&answer.status), "{}", answer.text);
    let binding = installation.recorded("one").await;
    assert_eq!(binding.state, "active");
    assert_eq!(binding.lease_until, None);
    installation.restart(0).await;
    installation.reaches("one", "active").await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn sigterm_hands_on_what_cannot_be_done_and_the_next_start_does_it_at_once() {
    let mut installation = Installation::start().await;
    installation.set_faults(json!([{
        "action": "*", "when": "before", "do": {"error": "ServiceFailure"}, "times": 1_000_000,
    }]));
    installation
        .client()
        .in_no_hurry()
        .provision("one")
        .await
        .expect(202);
    installation.reached("CreateRole", 0).await;
    assert_eq!(installation.replicas[0].stop().await.code(), Some(0));
    installation.set_faults(json!([]));
    installation.restart(0).await;
    installation.reaches_in_time("one", "active").await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn sigterm_lets_work_end_that_nobody_waits_for() {
    // Not every order in which a service may notice the signal comes at the first try.
    for _ in 0..4 {
        let mut installation = Installation::start().await;
        installation.set_faults(fault("PutRolePolicy", "before", json!({"hang_ms": 5_000})));
        // This caller is gone with its connection.
        installation
            .client()
            .in_no_hurry()
            .provision("one")
            .await
            .expect(202);
        installation.reached("PutRolePolicy", 0).await;
        installation.replicas[0].ask_to_stop();
        eventually("it says that it stops", async || {
            installation.replicas[0].log().find("stopping on SIGTERM")
        })
        .await;
        assert!(installation.replicas[0].runs(), "it waits for what runs");
        installation.sandbox.advance(Duration::from_secs(5));
        assert_eq!(installation.replicas[0].ended().await.code(), Some(0));
        assert!(
            installation.replicas[0]
                .log()
                .find("service stopped")
                .is_some()
        );
        let binding = installation.recorded("one").await;
        assert_eq!(binding.state, "active");
        assert_eq!(binding.lease_until, None);
        installation.assert_sound().await;
    }
}

#[tokio::test]
async fn an_idle_service_stops_at_once_and_says_so() {
    let mut installation = Installation::start().await;
    installation.client().provision("one").await.expect(201);
    assert_eq!(installation.replicas[0].stop().await.code(), Some(0));
    assert!(
        installation.replicas[0]
            .log()
            .find("service stopped")
            .is_some()
    );
    installation.restart(0).await;
    let answer = installation.client().get("one").await;
    assert_eq!(answer.expect(200)["state"], "active");
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_service_that_stops_takes_no_further_request() {
    let mut installation = Installation::start().await;
    installation.set_faults(fault("CreateRole", "before", json!({"hang_ms": 5_000})));
    installation
        .client()
        .in_no_hurry()
        .provision("one")
        .await
        .expect(202);
    installation.reached("CreateRole", 0).await;
    installation.replicas[0].ask_to_stop();
    let client = installation.client();
    eventually("it does not listen any longer", async || {
        let request = client.request(reqwest::Method::GET, "/livez");
        client.try_send(request).await.is_err().then_some(())
    })
    .await;
    installation.sandbox.advance(Duration::from_secs(5));
    assert_eq!(installation.replicas[0].ended().await.code(), Some(0));
    installation.restart(0).await;
    installation.reaches_in_time("one", "active").await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_kill_between_the_stages_is_finished_after_the_lease() {
    let mut installation = Installation::start().await;
    installation.set_faults(fault(
        "PutRolePolicy",
        "before",
        json!({"hang_ms": 600_000}),
    ));
    installation
        .client()
        .in_no_hurry()
        .provision("one")
        .await
        .expect(202);
    installation.reached("PutRolePolicy", 0).await;
    installation.replicas[0].kill().await;
    installation.set_faults(json!([]));
    installation.restart(0).await;
    let binding = installation.client().get("one").await;
    assert_eq!(binding.expect(200)["state"], "provisioning");
    installation.advance(Duration::from_secs(61)).await;
    installation.reaches_in_time("one", "active").await;
    // The write that hung arrives late, and past its window what is there is as meant.
    installation.sandbox.advance(Duration::from_mins(10));
    installation.is_verified_in_time("one").await;
    assert_eq!(
        installation.sandbox.state()["roles"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_kill_in_the_first_stage_leaves_one_role_and_no_orphan() {
    for held in ["CreateRole", "CreateInstanceProfile"] {
        for when in ["before", "after"] {
            let mut installation = Installation::start().await;
            installation.set_faults(fault(held, when, json!({"hang_ms": 30_000})));
            installation
                .client()
                .in_no_hurry()
                .provision("one")
                .await
                .expect(202);
            installation.reached(held, 0).await;
            installation.replicas[0].kill().await;
            installation.set_faults(json!([]));
            installation.restart(0).await;
            // Past the lease, the call that was under way has arrived as well.
            installation.advance(Duration::from_secs(61)).await;
            installation.reaches_in_time("one", "active").await;
            let state = installation.sandbox.state();
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
            installation.assert_sound().await;
        }
    }
}

#[tokio::test]
async fn a_kill_in_a_teardown_is_finished_after_the_lease() {
    for held in ["GetRole", "DeleteRolePolicy", "DeleteRole"] {
        let mut installation = Installation::start().await;
        installation.client().provision("one").await.expect(201);
        let since = installation.mark();
        installation.set_faults(fault(held, "after", json!({"hang_ms": 30_000})));
        installation
            .client()
            .in_no_hurry()
            .delete("one")
            .await
            .expect(202);
        installation.reached(held, since).await;
        installation.replicas[0].kill().await;
        installation.set_faults(json!([]));
        installation.restart(0).await;
        installation.advance(Duration::from_secs(61)).await;
        installation.reaches_in_time("one", "deleted").await;
        assert!(installation.holds_nothing_of_ours(), "{held}");
        installation.assert_sound().await;
    }
}

#[tokio::test]
async fn another_replica_finishes_what_a_killed_one_left() {
    let mut installation = Installation::build().replicas(2).start().await;
    installation.set_faults(fault("PutRolePolicy", "before", json!({"hang_ms": 30_000})));
    installation
        .client_of(0)
        .in_no_hurry()
        .provision("one")
        .await
        .expect(202);
    installation.reached("PutRolePolicy", 0).await;
    installation.replicas[0].kill().await;
    installation.advance(Duration::from_secs(61)).await;
    let client = installation.client_of(1);
    eventually("the other replica finishes it", async || {
        let binding = client.get("one").await.body;
        (binding["state"] == "active").then_some(())
    })
    .await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_killed_database_costs_a_caller_nothing_but_a_second_request() {
    let mut installation = Installation::build().own_postgres().start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    installation
        .postgres()
        .stop_immediate()
        .await
        .expect("it stops");
    let answer = client.provision("two").await;
    answer.expect_problem(503, "database_unavailable");
    assert!(answer.header("retry-after").is_some());
    installation
        .postgres()
        .start_again()
        .await
        .expect("it starts");
    let answer = client.patient().provision("two").await;
    assert!([200, 201].contains(&answer.status), "{}", answer.text);
    client.provision("one").await.expect(200);
    installation.assert_sound().await;
}
