//! Commands that wait for the outcome of a change.

use engine_roles_e2e::Installation;
use engine_roles_e2e::installation::fault;
use serde_json::json;

use super::program::{Ran, engine_roles, operate, run};

/// An installation in which a creation is in progress until the faults are cleared.
async fn held() -> Installation {
    let installation = Installation::start().await;
    throttle(&installation);
    installation
}

/// Keeps each creation in progress until the faults are cleared.
fn throttle(installation: &Installation) {
    let mut throttled = fault("PutRolePolicy", "before", json!({"error": "Throttling"}));
    throttled[0]["times"] = json!(1_000);
    installation.set_faults(throttled);
}

#[tokio::test]
async fn a_change_that_is_not_done_in_time_is_exit_code_4_and_goes_on() {
    let installation = held().await;
    let at_once = operate(&installation, &["role", "put", "one", "--no-wait"]).await;
    at_once.expect(4);
    assert_eq!(at_once.member("state"), "provisioning");
    assert!(
        at_once.member("role").starts_with("ai-unlimited-one-"),
        "{at_once:#?}"
    );
    let in_time = operate(&installation, &["role", "put", "one", "--wait=1s"]).await;
    in_time.expect(4);
    let read = operate(&installation, &["role", "get", "one", "--wait=1s"]).await;
    read.expect(4);
    operate(&installation, &["role", "get", "one"])
        .await
        .expect(0);

    installation.set_faults(json!([]));
    let settled = operate(&installation, &["role", "get", "one", "--wait=1m"]).await;
    settled.expect(0);
    assert_eq!(settled.member("state"), "active");
    let gone = operate(
        &installation,
        &["role", "delete", "one", "--no-wait", "--output=json"],
    )
    .await;
    assert_eq!(gone.expect_json(4)["state"], "deleting");
    operate(&installation, &["role", "delete", "one"])
        .await
        .expect(0);
    installation.assert_sound().await;
}

/// Starts `role put` in an installation whose faults keep the creation in progress, and restarts the
/// service at the same address without the faults, after a change of the test's.
async fn put_beyond_a_restart(change: impl AsyncFnOnce(&Installation)) -> (Installation, Ran) {
    let mut installation = held().await;
    let put = engine_roles(&installation, &["role", "put", "one", "--wait=2m"]);
    let address = installation.replicas[0].address().to_string();
    let put = tokio::spawn(run(put));
    installation.reaches("one", "provisioning").await;
    // The service answers a caller that waits with 202 when it stops.
    installation.replicas[0].stop().await;
    change(&installation).await;
    installation.set_faults(json!([]));
    installation.set_env("ENGINE_ROLES_LISTEN", &address);
    // What AWS denies may make the service `degraded` before it was seen to be ready.
    installation.restart_listening(0).await;
    let put = put.await.expect("the task does not panic");
    (installation, put)
}

#[tokio::test]
async fn a_change_is_followed_beyond_a_restart_of_the_service() {
    let (installation, put) = put_beyond_a_restart(async |_| {}).await;
    put.expect(0);
    assert_eq!(put.member("state"), "active");
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_change_that_is_rejected_after_the_service_accepted_it_is_exit_code_1_with_the_reason() {
    let deny = async |installation: &Installation| installation.deny(&["iam:PutRolePolicy"]).await;
    let (_installation, put) = put_beyond_a_restart(deny).await;
    put.expect(1);
    assert_eq!(put.member("state"), "failed");
    assert!(
        put.stderr.contains("is failed; missing_permission: "),
        "{put:#?}"
    );
}

#[tokio::test]
async fn an_outcome_other_than_the_requested_one_is_exit_code_1_with_the_reason() {
    let installation = Installation::build().rarely_checked().start().await;
    throttle(&installation);
    operate(&installation, &["role", "put", "one", "--no-wait"])
        .await
        .expect(4);
    let waiting = engine_roles(&installation, &["role", "get", "one", "--wait=2m"]);
    let waiting = tokio::spawn(run(waiting));
    installation.deny(&["iam:PutRolePolicy"]).await;
    installation.set_faults(json!([]));
    let failed = waiting.await.expect("the task does not panic");
    failed.expect(1);
    assert_eq!(failed.member("state"), "failed");
    let words = "engine-roles: the role of cluster one is failed; missing_permission: ";
    assert!(failed.stderr.starts_with(words), "{failed:#?}");
    assert!(
        failed
            .stderr
            .contains("missing permissions: iam:PutRolePolicy"),
        "{failed:#?}"
    );
}

#[tokio::test]
async fn a_change_that_another_request_replaces_while_it_waits_is_exit_code_1() {
    let installation = held().await;
    let put = engine_roles(&installation, &["role", "put", "one", "--wait=2m"]);
    let put = tokio::spawn(run(put));
    installation.reaches("one", "provisioning").await;
    operate(&installation, &["role", "delete", "one", "--no-wait"])
        .await
        .expect(4);
    installation.set_faults(json!([]));
    let replaced = put.await.expect("the task does not panic");
    replaced.expect(1);
    assert!(replaced.stderr.contains("another request"), "{replaced:#?}");
}

#[tokio::test]
async fn a_put_waits_for_a_teardown_in_progress_and_then_provisions() {
    let installation = Installation::start().await;
    operate(&installation, &["role", "put", "one"])
        .await
        .expect(0);
    let mut throttled = fault("DeleteRole", "before", json!({"error": "Throttling"}));
    throttled[0]["times"] = json!(1_000);
    installation.set_faults(throttled);
    let gone = operate(&installation, &["role", "delete", "one", "--no-wait"]).await;
    gone.expect(4);
    let at_once = operate(&installation, &["role", "put", "one", "--no-wait"]).await;
    at_once.expect(1);
    let code = "code: teardown_in_progress (HTTP 409)";
    assert!(at_once.stderr.contains(code), "{at_once:#?}");

    let put = engine_roles(&installation, &["role", "put", "one", "--wait=3m"]);
    let put = tokio::spawn(run(put));
    let attempts = installation.mark();
    installation.reached("DeleteRole", attempts).await;
    installation.set_faults(json!([]));
    let put = put.await.expect("the task does not panic");
    put.expect(0);
    assert_eq!(put.member("state"), "active");
    assert_ne!(put.member("binding id"), gone.member("binding id"));
    installation.assert_sound().await;
}
