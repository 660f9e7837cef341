//! Every call to IAM fails in every way that calls fail.

use std::time::Duration;

use engine_roles_e2e::installation::PAST_A_LEASE;
use engine_roles_e2e::installation::fault;
use engine_roles_e2e::kill_points::{PREPARED_ROLE, Story, all_or_some};
use engine_roles_e2e::random::Random;
use engine_roles_e2e::{Installation, eventually};
use serde_json::{Value, json};

async fn installation() -> Installation {
    Installation::build()
        .rarely_checked()
        .prepared(PREPARED_ROLE)
        .env("ENGINE_ROLES_CALL_TIMEOUT", "500ms")
        .start()
        .await
}

/// The calls of a story that goes well.
async fn calls_of(installation: &Installation, story: Story) -> Vec<String> {
    let cluster = format!("rehearsal-{story:?}");
    story.prepare(&installation.client(), &cluster).await;
    installation.comes_to_rest().await;
    let since = installation.mark();
    let answer = story.ask(&installation.client().patient(), &cluster).await;
    assert!(answer.status < 202, "{}", answer.text);
    let calls = installation.iam_calls(since);
    installation.comes_to_rest().await;
    calls.into_iter().map(|call| call.action).collect()
}

/// Fails each call of each story once (the test command: some of them), and sees that all comes
/// to what was asked with few calls.
async fn each_call_fails_once(seed: u64, when: &str, effect: Value) {
    let installation = installation().await;
    let mut random = Random::new(seed);
    for story in Story::ALL {
        let calls = calls_of(&installation, story).await;
        let numbered = calls.iter().enumerate().collect();
        for (number, action) in all_or_some(numbered, &mut random, 1) {
            let what = format!("{story:?}: {action} {when} {effect}");
            let cluster = format!("{story:?}-{number}");
            story.prepare(&installation.client(), &cluster).await;
            installation.comes_to_rest().await;
            let since = installation.mark();
            installation.set_faults(fault(action, when, effect.clone()));
            let answer = story
                .ask(&installation.client().in_no_hurry(), &cluster)
                .await;
            assert!(answer.status <= 202, "{what}: {}", answer.text);
            installation.assert_sound_at_rest(&what).await;
            story.assert_done(&installation, &cluster, &what).await;
            // At worst all is done twice, with a look between and one at the end.
            let made = installation.mutations(since).len();
            assert!(made <= 2 * calls.len(), "{what}: {made} calls");
            let again = story.ask(&installation.client().patient(), &cluster).await;
            assert_eq!(again.status, 200, "{what}: {}", again.text);
        }
    }
}

#[tokio::test]
async fn each_call_answered_500_without_effect() {
    each_call_fails_once(1, "before", json!({"error": "ServiceFailure"})).await;
}

#[tokio::test]
async fn each_call_answered_503_after_its_effect() {
    each_call_fails_once(2, "after", json!({"error": "ServiceUnavailable"})).await;
}

#[tokio::test]
async fn each_call_throttled() {
    each_call_fails_once(3, "before", json!({"error": "Throttling"})).await;
}

#[tokio::test]
async fn each_call_met_by_a_concurrent_modification() {
    each_call_fails_once(4, "before", json!({"error": "ConcurrentModification"})).await;
}

#[tokio::test]
async fn each_connection_reset_before_the_effect() {
    each_call_fails_once(5, "before", json!("reset")).await;
}

#[tokio::test]
async fn each_connection_reset_after_the_effect() {
    each_call_fails_once(6, "after", json!("reset")).await;
}

#[tokio::test]
async fn each_call_timed_out_after_its_effect() {
    each_call_fails_once(7, "after", json!({"hang_ms": 100_000})).await;
}

#[tokio::test]
async fn each_write_refused_is_answered_424_and_taken_back() {
    let installation = installation().await;
    let mut random = Random::new(8);
    for story in Story::ALL {
        let calls = calls_of(&installation, story).await;
        let writes = calls.iter().filter(|action| !action.starts_with("Get"));
        let numbered = writes.enumerate().collect();
        for (number, action) in all_or_some(numbered, &mut random, 2) {
            let what = format!("{story:?}: {action} refused");
            let cluster = format!("{story:?}-{number}");
            story.prepare(&installation.client(), &cluster).await;
            installation.comes_to_rest().await;
            let before = installation.database.binding(&cluster).await;
            installation.set_faults(fault(action, "before", json!({"error": "AccessDenied"})));
            let answer = story.ask(&installation.client().patient(), &cluster).await;
            let problem = answer.expect_problem(424, "missing_permission");
            let missing = problem["missing_permissions"].to_string();
            assert!(missing.contains(action), "{what}: {missing}");
            installation.assert_sound_at_rest(&what).await;
            let after = installation.database.binding(&cluster).await;
            let after = after.expect("the intent was written down");
            match story {
                Story::Create | Story::PassThrough => {
                    assert_eq!(
                        (after.state.as_str(), after.live),
                        ("failed", false),
                        "{what}"
                    );
                }
                Story::Update => {
                    let before = before.expect("it was there");
                    assert_eq!(after.spec, before.spec, "{what}");
                }
                // It was tried again slowly, and then nothing was refused.
                Story::TearDown | Story::TearDownPassThrough => {
                    assert_eq!(after.state, "deleted", "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_goes_on_failing_is_tried_seldom_and_told_as_on_its_way() {
    // Within one attempt a call is sent at most five times, and attempts are ever farther apart.
    const A_TRY: usize = 5;
    let installation = installation().await;
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
        client.in_no_hurry().provision(&cluster).await.expect(202);
        for attempts in 1..=3 {
            eventually("an attempt is over", async || {
                let binding = installation.database.binding(&cluster).await?;
                let over = binding.attempts >= attempts && binding.lease_until.is_none();
                over.then_some(())
            })
            .await;
            let answer = client.in_no_hurry().provision(&cluster).await;
            let told = answer.expect(202);
            assert_eq!(told["state"], "provisioning");
            assert_eq!(told["last_error"]["code"], "iam_unavailable", "{error}");
            // That the caller asks again is an attempt as well.
            eventually("that attempt is over", async || {
                let binding = installation.database.binding(&cluster).await?;
                binding.lease_until.is_none().then_some(())
            })
            .await;
            installation.advance(Duration::from_mins(2)).await;
        }
        let calls = installation.iam_calls(since);
        let binding = installation.recorded(&cluster).await;
        let tries = usize::try_from(binding.attempts).expect("it counts up") + 1;
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
        installation.assert_sound_at_rest(error).await;
        client.provision(&cluster).await.expect(200);
    }
}
