//! Several replicas, some of which stand still past their lease with a call in their hand.

use std::time::Duration;

use engine_roles_e2e::installation::PAST_A_LEASE;
use engine_roles_e2e::installation::fault;
use engine_roles_e2e::{Installation, eventually};
use futures::future::join_all;
use serde_json::{Value, json};

/// A window after which what a lost lease still did is put right.
const WINDOW: Duration = Duration::from_secs(61);
const LATE: u64 = 100_000;

async fn two() -> Installation {
    Installation::build()
        .rarely_checked()
        .replicas(2)
        .start()
        .await
}

/// The first replica is stopped with this call in its hand, which arrives late.
async fn stop_first_at(installation: &Installation, action: &str, since: u64) {
    installation.reached(action, since).await;
    installation.replicas[0].pause();
    installation.set_faults(json!([]));
    installation.advance(PAST_A_LEASE).await;
}

async fn continue_first(installation: &Installation) {
    // The call that it had sent arrives, then it wakes and reads the answer.
    installation.advance(Duration::from_millis(LATE)).await;
    installation.replicas[0].resume();
    notices(installation).await;
}

/// Waits until the first replica has found that its lease is lost.
async fn notices(installation: &Installation) {
    eventually("it notices", async || {
        let log = installation.replicas[0].log().text();
        log.contains("the lease was lost").then_some(())
    })
    .await;
}

fn hang(action: &str) -> Value {
    fault(action, "before", json!({"hang_ms": LATE}))
}

#[tokio::test]
async fn fifty_callers_of_three_replicas_change_and_remove_one_role() {
    let installation = Installation::build()
        .rarely_checked()
        .replicas(3)
        .latency(5)
        .start()
        .await;
    let callers = (0..50).map(|number| {
        let client = installation.client_of(number % 3).patient();
        async move {
            match number % 5 {
                0 => client.delete("one").await,
                _ => {
                    client
                        .put("one", json!({"secrets": [format!("s{}", number % 4)]}))
                        .await
                }
            }
        }
    });
    for answer in join_all(callers).await {
        let told = ["superseded", "teardown_in_progress", "not_found"];
        let refused = answer.code().is_some_and(|code| told.contains(&code));
        assert!(refused || answer.status < 300, "{}", answer.text);
    }
    installation.assert_sound_at_rest("fifty callers").await;
    let live = installation
        .database
        .bindings()
        .await
        .into_iter()
        .filter(|row| row.live)
        .count();
    let roles = installation.sandbox.state()["roles"]
        .as_array()
        .map_or(0, Vec::len);
    assert!(live <= 1);
    assert_eq!(roles, live);
}

/// The calls that make a role, of which each replica may be stopped in the middle.
const CREATES: [&str; 4] = [
    "CreateRole",
    "CreateInstanceProfile",
    "PutRolePolicy",
    "AddRoleToInstanceProfile",
];

/// Two replicas, of which the first was stopped in the middle of a call and the second has made the
/// role since.
async fn stopped_first_while_the_second_provisions(held: &str) -> Installation {
    let installation = two().await;
    installation.set_faults(hang(held));
    installation
        .client_of(0)
        .in_no_hurry()
        .provision("one")
        .await
        .expect(202);
    stop_first_at(&installation, held, 0).await;
    let made = installation.client_of(1).patient().provision("one").await;
    assert_eq!(made.expect(200)["state"], "active", "{held}");
    installation
}

#[tokio::test]
async fn stopped_with_a_create_in_its_hand_it_records_nothing() {
    for held in CREATES {
        let installation = stopped_first_while_the_second_provisions(held).await;
        let before = installation.recorded("one").await;
        continue_first(&installation).await;
        let after = installation.recorded("one").await;
        assert_eq!(after.role, before.role, "{held}");
        installation.advance(WINDOW).await;
        installation.assert_sound_at_rest(held).await;
    }
}

#[tokio::test]
async fn stopped_with_a_create_in_its_hand_while_the_role_is_torn_down_nothing_stays() {
    for held in CREATES {
        let installation = stopped_first_while_the_second_provisions(held).await;
        installation.client_of(1).in_no_hurry().delete("one").await;
        eventually("it is deleted", async || {
            let binding = installation.database.binding("one").await?;
            (binding.state == "deleted").then_some(())
        })
        .await;
        continue_first(&installation).await;
        installation.advance(WINDOW).await;
        installation.assert_sound_at_rest(held).await;
        assert!(installation.holds_nothing_of_ours(), "{held}");
    }
}

#[tokio::test]
async fn stopped_with_a_wider_policy_in_its_hand_the_narrower_one_holds_within_a_window() {
    let installation = two().await;
    let made = installation
        .client_of(0)
        .put("one", json!({"secrets": ["a"]}))
        .await;
    let name = made.expect(201)["role"]["name"].as_str().map(str::to_owned);
    let name = name.expect("it has a name");
    installation.comes_to_rest().await;
    let since = installation.mark();
    installation.set_faults(hang("PutRolePolicy"));
    let wide = installation.client_of(0).in_no_hurry();
    wide.put("one", json!({"secrets": "all"})).await.expect(202);
    stop_first_at(&installation, "PutRolePolicy", since).await;
    let narrow = installation.client_of(1).patient();
    narrow
        .put("one", json!({"secrets": ["a"]}))
        .await
        .expect(200);
    let policy =
        || installation.role(&name).expect("it is there")["inline"]["engine-access"].clone();
    let meant = policy();
    assert!(!meant.to_string().contains("/one/*"), "{meant}");
    installation.advance(Duration::from_millis(LATE)).await;
    assert!(
        policy().to_string().contains("/one/*"),
        "the late write arrived"
    );
    installation.replicas[0].resume();
    notices(&installation).await;
    installation.advance(WINDOW).await;
    eventually("the narrower policy holds again", async || {
        (policy() == meant).then_some(())
    })
    .await;
    installation
        .assert_sound_at_rest("the narrower policy")
        .await;
    assert_eq!(policy(), meant);
}

#[tokio::test]
async fn stopped_with_a_delete_in_its_hand_the_next_life_is_untouched() {
    for held in [
        "GetRole",
        "DeleteRolePolicy",
        "RemoveRoleFromInstanceProfile",
        "DeleteRole",
        "DeleteInstanceProfile",
    ] {
        let installation = two().await;
        installation.client_of(0).provision("one").await.expect(201);
        installation.comes_to_rest().await;
        let since = installation.mark();
        installation.set_faults(hang(held));
        installation
            .client_of(0)
            .in_no_hurry()
            .delete("one")
            .await
            .expect(202);
        stop_first_at(&installation, held, since).await;
        eventually("the other replica tears it down", async || {
            let binding = installation.database.binding("one").await?;
            let rests = binding.lease_until.is_none();
            if rests && binding.state == "deleting" {
                installation.advance(Duration::from_secs(10)).await;
            }
            (binding.state == "deleted").then_some(())
        })
        .await;
        let again = installation.client_of(1).patient().provision("one").await;
        let again = again.expect(201).clone();
        continue_first(&installation).await;
        installation.advance(WINDOW).await;
        installation.assert_sound_at_rest(held).await;
        let binding = installation.recorded("one").await;
        assert_eq!(
            (json!(binding.id), binding.state.as_str()),
            (again["binding_id"].clone(), "active")
        );
    }
}

#[tokio::test]
async fn stopped_before_it_looks_at_what_is_there_it_makes_no_second_life() {
    // Its profile was not answered; while it stands still, the role is made, torn down and
    // forgotten. Then it goes on where it was, and believes that it may.
    let installation = two().await;
    installation.set_faults(json!([
        {"action": "CreateInstanceProfile", "when": "after", "do": {"hang_ms": LATE}},
    ]));
    installation
        .client_of(0)
        .in_no_hurry()
        .provision("one")
        .await
        .expect(202);
    stop_first_at(&installation, "CreateInstanceProfile", 0).await;
    installation
        .client_of(1)
        .patient()
        .provision("one")
        .await
        .expect(200);
    installation.client_of(1).in_no_hurry().delete("one").await;
    installation.comes_to_rest().await;
    assert!(installation.holds_nothing_of_ours());
    continue_first(&installation).await;
    installation.advance(WINDOW).await;
    installation.assert_sound_at_rest("no second life").await;
    assert!(installation.holds_nothing_of_ours());
}
