//! Every call to IAM fails in every way in which calls can fail.

use std::time::Duration;

use engine_roles_e2e::installation::PAST_A_LEASE;
use engine_roles_e2e::installation::fault;
use engine_roles_e2e::kill_points::{PREPARED_ROLE, Scenario, all_or_sample};
use engine_roles_e2e::random::Random;
use engine_roles_e2e::{Installation, eventually};
use serde_json::{Value, json};

/// Starts a service whose calls to AWS may take this long.
async fn installation(call_timeout: &str) -> Installation {
    Installation::build()
        .rarely_checked()
        .prepared(PREPARED_ROLE)
        .env("ENGINE_ROLES_CALL_TIMEOUT", call_timeout)
        .start()
        .await
}

/// Returns the calls of a scenario without faults.
async fn calls_of(installation: &Installation, scenario: Scenario) -> Vec<String> {
    let cluster = format!("rehearsal-{scenario:?}");
    scenario.prepare(&installation.client(), &cluster).await;
    installation.becomes_idle().await;
    let since = installation.mark();
    let answer = scenario
        .request(&installation.client().waiting_longest(), &cluster)
        .await;
    assert!(answer.status < 202, "{}", answer.text);
    let calls = installation.iam_calls(since);
    installation.becomes_idle().await;
    calls.into_iter().map(|call| call.action).collect()
}

/// Fails each call of each scenario once, and checks that the requested state is reached with few
/// calls. Without `ENGINE_ROLES_ALL_KILL_POINTS=1` only a sample of the calls fails.
async fn each_call_fails_once(seed: u64, when: &str, effect: Value) {
    let is_timeout = effect["hang_ms"].is_number();
    let installation = installation(if is_timeout { "500ms" } else { "5s" }).await;
    let mut random = Random::new(seed);
    for scenario in Scenario::ALL {
        let calls = calls_of(&installation, scenario).await;
        let numbered = calls.iter().enumerate().collect();
        for (number, action) in all_or_sample(numbered, &mut random, 1) {
            let what = format!("{scenario:?}: {action} {when} {effect}");
            let cluster = format!("{scenario:?}-{number}");
            scenario.prepare(&installation.client(), &cluster).await;
            installation.becomes_idle().await;
            let since = installation.mark();
            installation.set_faults(fault(action, when, effect.clone()));
            let answer = scenario
                .request(&installation.client().without_waiting(), &cluster)
                .await;
            assert!(answer.status <= 202, "{what}: {}", answer.text);
            installation.assert_sound_when_idle(&what).await;
            scenario.assert_done(&installation, &cluster, &what).await;
            // At worst everything is done twice, with one observation between and one at the end.
            let created = installation.mutations(since).len();
            assert!(created <= 2 * calls.len(), "{what}: {created} calls");
            let again = scenario
                .request(&installation.client().waiting_longest(), &cluster)
                .await;
            assert_eq!(again.status, 200, "{what}: {}", again.text);
        }
    }
}

#[tokio::test]
async fn a_500_without_effect_at_any_call_does_not_prevent_the_requested_state() {
    each_call_fails_once(1, "before", json!({"error": "ServiceFailure"})).await;
}

#[tokio::test]
async fn a_503_after_the_effect_of_any_call_does_not_prevent_the_requested_state() {
    each_call_fails_once(2, "after", json!({"error": "ServiceUnavailable"})).await;
}

#[tokio::test]
async fn throttling_of_any_call_does_not_prevent_the_requested_state() {
    each_call_fails_once(3, "before", json!({"error": "Throttling"})).await;
}

#[tokio::test]
async fn a_concurrent_modification_at_any_call_does_not_prevent_the_requested_state() {
    each_call_fails_once(4, "before", json!({"error": "ConcurrentModification"})).await;
}

#[tokio::test]
async fn a_reset_before_the_effect_of_any_call_does_not_prevent_the_requested_state() {
    each_call_fails_once(5, "before", json!("reset")).await;
}

#[tokio::test]
async fn a_reset_after_the_effect_of_any_call_does_not_prevent_the_requested_state() {
    each_call_fails_once(6, "after", json!("reset")).await;
}

#[tokio::test]
async fn a_timeout_after_the_effect_of_any_call_does_not_prevent_the_requested_state() {
    each_call_fails_once(7, "after", json!({"hang_ms": 100_000})).await;
}

#[tokio::test]
async fn a_denied_write_is_answered_424_and_earlier_writes_are_undone() {
    let installation = installation("5s").await;
    let mut random = Random::new(8);
    for scenario in Scenario::ALL {
        let calls = calls_of(&installation, scenario).await;
        let writes = calls.iter().filter(|action| !action.starts_with("Get"));
        let numbered = writes.enumerate().collect();
        for (number, action) in all_or_sample(numbered, &mut random, 2) {
            let what = format!("{scenario:?}: {action} denied");
            let cluster = format!("{scenario:?}-{number}");
            scenario.prepare(&installation.client(), &cluster).await;
            installation.becomes_idle().await;
            let before = installation.database.binding(&cluster).await;
            installation.set_faults(fault(action, "before", json!({"error": "AccessDenied"})));
            let answer = scenario
                .request(&installation.client().waiting_longest(), &cluster)
                .await;
            let problem = answer.expect_problem(424, "missing_permission");
            let missing = problem["missing_permissions"].to_string();
            assert!(missing.contains(action), "{what}: {missing}");
            installation.assert_sound_when_idle(&what).await;
            let after = installation.database.binding(&cluster).await;
            let after = after.expect("the intent was recorded");
            match scenario {
                Scenario::Create | Scenario::PassThrough => {
                    assert_eq!(
                        (after.state.as_str(), after.live),
                        ("failed", false),
                        "{what}"
                    );
                }
                Scenario::Update => {
                    let before = before.expect("the binding existed");
                    assert_eq!(after.spec, before.spec, "{what}");
                }
                // The slow retry succeeded, because only one call was denied.
                Scenario::TearDown | Scenario::TearDownPassThrough => {
                    assert_eq!(after.state, "deleted", "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_call_that_keeps_failing_is_retried_ever_less_often_and_reported_as_in_progress() {
    // A call is sent at most five times within one attempt, and the pauses between attempts grow.
    const A_TRY: usize = 5;
    let installation = installation("5s").await;
    let client = installation.client();
    for (number, error) in ["Throttling", "ServiceFailure", "ServiceUnavailable"]
        .into_iter()
        .enumerate()
    {
        let cluster = format!("c{number}");
        installation.set_faults(json!([{
            "action": "PutRolePolicy", "when": "before", "do": {"error": error}, "times": 1_000_000,
        }]));
        let since = installation.mark();
        client
            .without_waiting()
            .provision(&cluster)
            .await
            .expect(202);
        for attempts in 1..=3 {
            eventually("an attempt is over", async || {
                let binding = installation.database.binding(&cluster).await?;
                let over = binding.attempts >= attempts && binding.lease_until.is_none();
                over.then_some(())
            })
            .await;
            let answer = client.without_waiting().provision(&cluster).await;
            let reported = answer.expect(202);
            assert_eq!(reported["state"], "provisioning");
            assert_eq!(reported["last_error"]["code"], "iam_unavailable", "{error}");
            // A repeated request starts an attempt too.
            eventually("that attempt is over", async || {
                let binding = installation.database.binding(&cluster).await?;
                binding.lease_until.is_none().then_some(())
            })
            .await;
            installation.advance(Duration::from_mins(2)).await;
        }
        let calls = installation.iam_calls(since);
        let binding = installation.recorded(&cluster).await;
        let tries = usize::try_from(binding.attempts).expect("attempts are not negative") + 1;
        for action in ["CreateRole", "CreateInstanceProfile", "PutRolePolicy"] {
            let sent = calls.iter().filter(|call| call.action == action).count();
            let most = if action == "PutRolePolicy" {
                tries * A_TRY
            } else {
                1
            };
            assert!(
                sent <= most,
                "{error}: {action} was sent {sent} times in {tries} attempts"
            );
        }
        installation.set_faults(json!([]));
        installation.advance(PAST_A_LEASE).await;
        installation.assert_sound_when_idle(error).await;
        client.provision(&cluster).await.expect(200);
    }
}
