//! Stops and crashes while work is in progress.

use std::time::Duration;

use engine_roles_e2e::installation::fault;
use engine_roles_e2e::{Installation, eventually};
use serde_json::json;

#[tokio::test]
async fn work_in_progress_finishes_after_sigterm() {
    let mut installation = Installation::start().await;
    installation.set_faults(fault("PutRolePolicy", "before", json!({"hang_ms": 5_000})));
    let client = installation.client().waiting_longest();
    let waiting = tokio::spawn(async move { client.provision("one").await });
    installation.reached("PutRolePolicy", 0).await;
    installation.replicas[0].ask_to_stop();
    eventually("the service logs that it stops", async || {
        installation.replicas[0].log().find("stopping on SIGTERM")
    })
    .await;
    installation.sandbox.advance(Duration::from_secs(5));
    let status = installation.replicas[0].ended().await;
    assert_eq!(status.code(), Some(0));
    let answer = waiting.await.expect("the task does not panic");
    assert!([201, 202].contains(&answer.status), "{}", answer.text);
    let binding = installation.recorded("one").await;
    assert_eq!(binding.state, "active");
    assert_eq!(binding.lease_until, None);
    installation.restart(0).await;
    installation.reaches("one", "active").await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn work_that_cannot_finish_after_sigterm_is_done_at_the_next_start() {
    let mut installation = Installation::start().await;
    installation.set_faults(json!([{
        "action": "*", "when": "before", "do": {"error": "ServiceFailure"}, "times": 1_000_000,
    }]));
    installation
        .client()
        .without_waiting()
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
async fn work_without_a_waiting_caller_finishes_after_sigterm() {
    // Repeated, because the service can notice the signal at different points.
    for _ in 0..4 {
        let mut installation = Installation::start().await;
        installation.set_faults(fault("PutRolePolicy", "before", json!({"hang_ms": 5_000})));
        // The caller has disconnected.
        installation
            .client()
            .without_waiting()
            .provision("one")
            .await
            .expect(202);
        installation.reached("PutRolePolicy", 0).await;
        installation.replicas[0].ask_to_stop();
        eventually("the service logs that it stops", async || {
            installation.replicas[0].log().find("stopping on SIGTERM")
        })
        .await;
        assert!(
            installation.replicas[0].runs(),
            "the service waits for work in progress"
        );
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
async fn an_idle_service_stops_at_once_after_sigterm() {
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
async fn a_service_that_is_stopping_accepts_no_request() {
    let mut installation = Installation::start().await;
    installation.set_faults(fault("CreateRole", "before", json!({"hang_ms": 5_000})));
    installation
        .client()
        .without_waiting()
        .provision("one")
        .await
        .expect(202);
    installation.reached("CreateRole", 0).await;
    installation.replicas[0].ask_to_stop();
    let client = installation.client();
    eventually("the service no longer listens", async || {
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
async fn a_creation_killed_between_the_stages_is_completed_after_the_lease() {
    let mut installation = Installation::start().await;
    installation.set_faults(fault(
        "PutRolePolicy",
        "before",
        json!({"hang_ms": 600_000}),
    ));
    installation
        .client()
        .without_waiting()
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
    // The write that hung arrives late. After the consistency window the role is as requested.
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
async fn a_creation_killed_in_the_first_stage_ends_with_one_role_and_no_orphan() {
    for held in ["CreateRole", "CreateInstanceProfile"] {
        for when in ["before", "after"] {
            let mut installation = Installation::start().await;
            installation.set_faults(fault(held, when, json!({"hang_ms": 30_000})));
            installation
                .client()
                .without_waiting()
                .provision("one")
                .await
                .expect(202);
            installation.reached(held, 0).await;
            installation.replicas[0].kill().await;
            installation.set_faults(json!([]));
            installation.restart(0).await;
            // The call that was in progress arrives while the clocks advance past the lease.
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
async fn a_killed_teardown_is_completed_after_the_lease() {
    for held in ["GetRole", "DeleteRolePolicy", "DeleteRole"] {
        let mut installation = Installation::start().await;
        installation.client().provision("one").await.expect(201);
        let since = installation.mark();
        installation.set_faults(fault(held, "after", json!({"hang_ms": 30_000})));
        installation
            .client()
            .without_waiting()
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
async fn another_replica_completes_the_work_of_a_killed_replica() {
    let mut installation = Installation::build().replicas(2).start().await;
    installation.set_faults(fault("PutRolePolicy", "before", json!({"hang_ms": 30_000})));
    installation
        .client_of(0)
        .without_waiting()
        .provision("one")
        .await
        .expect(202);
    installation.reached("PutRolePolicy", 0).await;
    installation.replicas[0].kill().await;
    installation.advance(Duration::from_secs(61)).await;
    let client = installation.client_of(1);
    eventually("the other replica completes the role", async || {
        let binding = client.get("one").await.body;
        (binding["state"] == "active").then_some(())
    })
    .await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn after_the_database_was_killed_a_repeated_request_succeeds() {
    let mut installation = Installation::build()
        .own_postgres()
        .unpooled()
        .start()
        .await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    installation
        .postgres()
        .stop_immediate()
        .await
        .expect("Postgres stops");
    let answer = client.provision("two").await;
    answer.expect_problem(503, "database_unavailable");
    assert!(answer.header("retry-after").is_some());
    installation
        .postgres()
        .start_again()
        .await
        .expect("Postgres starts");
    let answer = client.waiting_longest().provision("two").await;
    assert!([200, 201].contains(&answer.status), "{}", answer.text);
    client.provision("one").await.expect(200);
    installation.assert_sound().await;
}
