//! Several replicas, some of which are paused during a call until their lease has expired.

use std::time::Duration;

use engine_roles_e2e::installation::PAST_A_LEASE;
use engine_roles_e2e::installation::fault;
use engine_roles_e2e::{Installation, eventually};
use futures::future::join_all;
use serde_json::{Value, json};

/// The time after which the effects of a lost lease are repaired: longer than the consistency window.
const WINDOW: Duration = Duration::from_secs(61);
const LATE: u64 = 100_000;

async fn two_replicas() -> Installation {
    Installation::build()
        .rarely_checked()
        .replicas(2)
        .start()
        .await
}

/// Pauses the first replica during this call, and advances the clocks past its lease.
async fn pause_first_at(installation: &Installation, action: &str, since: u64) {
    installation.reached(action, since).await;
    installation.replicas[0].pause();
    installation.set_faults(json!([]));
    installation.advance(PAST_A_LEASE).await;
}

async fn resume_first(installation: &Installation) {
    // The call arrives before the replica continues and reads the answer.
    installation.advance(Duration::from_millis(LATE)).await;
    installation.replicas[0].resume();
    first_notices_the_lost_lease(installation).await;
}

/// Waits until the first replica notices that its lease is lost.
async fn first_notices_the_lost_lease(installation: &Installation) {
    eventually("the replica notices the lost lease", async || {
        let log = installation.replicas[0].log().text();
        log.contains("the lease was lost").then_some(())
    })
    .await;
}

fn hang(action: &str) -> Value {
    fault(action, "before", json!({"hang_ms": LATE}))
}

#[tokio::test]
async fn fifty_concurrent_callers_of_three_replicas_change_and_remove_one_role() {
    let installation = Installation::build()
        .rarely_checked()
        .replicas(3)
        .latency(5)
        .start()
        .await;
    let callers = (0..50).map(|number| {
        let client = installation.client_of(number % 3).waiting_longest();
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
        let codes = ["superseded", "teardown_in_progress", "not_found"];
        let is_expected = answer.code().is_some_and(|code| codes.contains(&code));
        assert!(is_expected || answer.status < 300, "{}", answer.text);
    }
    installation.assert_sound_when_idle("fifty callers").await;
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

/// The calls that create a role. Tests pause a replica during each of them.
const CREATES: [&str; 4] = [
    "CreateRole",
    "CreateInstanceProfile",
    "PutRolePolicy",
    "AddRoleToInstanceProfile",
];

/// Starts two replicas, pauses the first during this call, and lets the second create the role.
async fn paused_first_while_the_second_provisions(held: &str) -> Installation {
    let installation = two_replicas().await;
    installation.set_faults(hang(held));
    installation
        .client_of(0)
        .without_waiting()
        .provision("one")
        .await
        .expect(202);
    pause_first_at(&installation, held, 0).await;
    let created = installation
        .client_of(1)
        .waiting_longest()
        .provision("one")
        .await;
    assert_eq!(created.expect(200)["state"], "active", "{held}");
    installation
}

#[tokio::test]
async fn a_replica_paused_during_a_create_call_records_nothing_after_its_lease() {
    for held in CREATES {
        let installation = paused_first_while_the_second_provisions(held).await;
        let before = installation.recorded("one").await;
        resume_first(&installation).await;
        let after = installation.recorded("one").await;
        assert_eq!(after.role, before.role, "{held}");
        installation.advance(WINDOW).await;
        installation.assert_sound_when_idle(held).await;
    }
}

#[tokio::test]
async fn a_create_call_that_arrives_after_the_teardown_leaves_no_resource() {
    for held in CREATES {
        let installation = paused_first_while_the_second_provisions(held).await;
        installation
            .client_of(1)
            .without_waiting()
            .delete("one")
            .await;
        eventually("the binding is deleted", async || {
            let binding = installation.database.binding("one").await?;
            (binding.state == "deleted").then_some(())
        })
        .await;
        resume_first(&installation).await;
        installation.advance(WINDOW).await;
        installation.assert_sound_when_idle(held).await;
        assert!(installation.holds_nothing_of_ours(), "{held}");
    }
}

#[tokio::test]
async fn a_late_write_of_a_wider_policy_is_undone_within_the_consistency_window() {
    let installation = two_replicas().await;
    let created = installation
        .client_of(0)
        .put("one", json!({"secrets": ["a"]}))
        .await;
    let name = created.expect(201)["role"]["name"]
        .as_str()
        .map(str::to_owned);
    let name = name.expect("the role has a name");
    installation.becomes_idle().await;
    let since = installation.mark();
    installation.set_faults(hang("PutRolePolicy"));
    let wide = installation.client_of(0).without_waiting();
    wide.put("one", json!({"secrets": "all"})).await.expect(202);
    pause_first_at(&installation, "PutRolePolicy", since).await;
    let narrow = installation.client_of(1).waiting_longest();
    narrow
        .put("one", json!({"secrets": ["a"]}))
        .await
        .expect(200);
    let policy =
        || installation.role(&name).expect("the role exists")["inline"]["engine-access"].clone();
    let meant = policy();
    assert!(!meant.to_string().contains("/one/*"), "{meant}");
    installation.advance(Duration::from_millis(LATE)).await;
    assert!(
        policy().to_string().contains("/one/*"),
        "the late write arrived"
    );
    installation.replicas[0].resume();
    first_notices_the_lost_lease(&installation).await;
    installation.advance(WINDOW).await;
    eventually("the narrower policy holds again", async || {
        (policy() == meant).then_some(())
    })
    .await;
    installation
        .assert_sound_when_idle("the narrower policy")
        .await;
    assert_eq!(policy(), meant);
}

#[tokio::test]
async fn a_replica_paused_during_a_delete_call_does_not_touch_the_next_incarnation() {
    for held in [
        "GetRole",
        "DeleteRolePolicy",
        "RemoveRoleFromInstanceProfile",
        "DeleteRole",
        "DeleteInstanceProfile",
    ] {
        let installation = two_replicas().await;
        installation.client_of(0).provision("one").await.expect(201);
        installation.becomes_idle().await;
        let since = installation.mark();
        installation.set_faults(hang(held));
        installation
            .client_of(0)
            .without_waiting()
            .delete("one")
            .await
            .expect(202);
        pause_first_at(&installation, held, since).await;
        eventually("the other replica tears the role down", async || {
            let binding = installation.database.binding("one").await?;
            let is_free = binding.lease_until.is_none();
            if is_free && binding.state == "deleting" {
                installation.advance(Duration::from_secs(10)).await;
            }
            (binding.state == "deleted").then_some(())
        })
        .await;
        let again = installation
            .client_of(1)
            .waiting_longest()
            .provision("one")
            .await;
        let again = again.expect(201).clone();
        resume_first(&installation).await;
        installation.advance(WINDOW).await;
        installation.assert_sound_when_idle(held).await;
        let binding = installation.recorded("one").await;
        assert_eq!(
            (json!(binding.id), binding.state.as_str()),
            (again["binding_id"].clone(), "active")
        );
    }
}

#[tokio::test]
async fn a_replica_paused_before_it_observes_creates_no_second_incarnation() {
    // The first replica is paused before it gets the answer to CreateInstanceProfile. Meanwhile the
    // second creates the role and tears it down. Then the first continues without knowing that its
    // lease is lost.
    let installation = two_replicas().await;
    installation.set_faults(json!([
        {"action": "CreateInstanceProfile", "when": "after", "do": {"hang_ms": LATE}},
    ]));
    installation
        .client_of(0)
        .without_waiting()
        .provision("one")
        .await
        .expect(202);
    pause_first_at(&installation, "CreateInstanceProfile", 0).await;
    installation
        .client_of(1)
        .waiting_longest()
        .provision("one")
        .await
        .expect(200);
    installation
        .client_of(1)
        .without_waiting()
        .delete("one")
        .await;
    installation.becomes_idle().await;
    assert!(installation.holds_nothing_of_ours());
    resume_first(&installation).await;
    installation.advance(WINDOW).await;
    installation
        .assert_sound_when_idle("no second incarnation")
        .await;
    assert!(installation.holds_nothing_of_ours());
}
