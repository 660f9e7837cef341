//! Reads and writes of IAM that see a state of up to a minute ago. The tests advance the clocks.

use std::time::Duration;

use engine_roles_e2e::installation::PAST_A_LEASE;
use engine_roles_e2e::installation::fault;
use engine_roles_e2e::{Installation, eventually};
use serde_json::json;

async fn stale_installation(stale_writes: bool, seed: u64) -> Installation {
    Installation::build()
        .rarely_checked()
        .sandbox(|sandbox| {
            sandbox.stale_reads = Duration::from_mins(1);
            sandbox.stale_writes = stale_writes;
            sandbox.seed = Some(seed);
        })
        .start()
        .await
}

#[tokio::test]
async fn with_stale_reads_nothing_is_lost_and_nothing_is_created_twice() {
    for seed in 0..2 {
        let installation = stale_installation(false, seed).await;
        let client = installation.client().waiting_longest();
        client.provision("one").await.expect(201);
        let update = json!({"secrets": ["a"], "tags": {"team": "x"}});
        client.put("one", update).await.expect(200);
        client.put("one", json!({"tags": {}})).await.expect(200);
        let created = |action: &str| {
            let calls = installation.mutations(0);
            calls.iter().filter(|call| call.action == action).count()
        };
        assert_eq!(
            (created("CreateRole"), created("CreateInstanceProfile")),
            (1, 1)
        );
        installation.assert_sound_when_idle("updated").await;
        client.without_waiting().delete("one").await.expect(202);
        installation.assert_sound_when_idle("torn down").await;
        assert!(installation.holds_nothing_of_ours());
    }
}

#[tokio::test]
async fn incarnations_that_follow_each_other_at_once_never_share_resources() {
    for seed in 0..2 {
        let installation = stale_installation(false, seed).await;
        let client = installation.client();
        let mut names = std::collections::BTreeSet::new();
        for number in 0..3 {
            let created = client.waiting_longest().provision("one").await;
            let role = created.expect(201)["role"]["name"].to_string();
            assert!(
                names.insert(role),
                "the name of incarnation {number} was used before"
            );
            client.without_waiting().delete("one").await;
            eventually("the binding is deleted", async || {
                let binding = installation.database.binding("one").await?;
                if binding.state == "deleted" {
                    return Some(());
                }
                // An absence is not believed until the consistency window is over.
                if binding.lease_until.is_none() {
                    installation.advance(Duration::from_secs(5)).await;
                }
                None
            })
            .await;
        }
        client.waiting_longest().provision("one").await.expect(201);
        installation
            .assert_sound_when_idle("the last incarnation")
            .await;
        let roles = installation.sandbox.state()["roles"].clone();
        assert_eq!(roles.as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn writes_that_fail_because_iam_is_stale_are_repeated() {
    for seed in 0..2 {
        let installation = stale_installation(true, seed).await;
        let client = installation.client().without_waiting();
        client.provision("one").await.expect(202);
        installation.assert_sound_when_idle("made").await;
        client
            .put("one", json!({"secrets": ["a"]}))
            .await
            .expect(202);
        installation.assert_sound_when_idle("changed").await;
        client.delete("one").await.expect(202);
        installation.assert_sound_when_idle("torn down").await;
        assert!(installation.holds_nothing_of_ours());
    }
}

#[tokio::test]
async fn a_resource_that_appears_after_the_teardown_is_removed() {
    for held in ["CreateRole", "CreateInstanceProfile"] {
        let installation = Installation::build()
            .env("ENGINE_ROLES_CALL_TIMEOUT", "500ms")
            // A short interval, so that the orphan sweep is due after the clock advanced.
            .env("ENGINE_ROLES_RECONCILE_INTERVAL", "2m")
            .start()
            .await;
        let client = installation.client();
        // Long after the consistency window.
        installation.set_faults(fault(held, "before", json!({"hang_ms": 1_800_000})));
        client.without_waiting().provision("one").await.expect(202);
        installation.reached(held, 0).await;
        client.without_waiting().delete("one").await.expect(202);
        let first = installation.reaches_in_time("one", "deleted").await;
        let second = client.waiting_longest().provision("one").await;
        let second = second.expect(201).clone();
        assert_ne!(second["binding_id"], first["binding_id"]);
        installation.advance(Duration::from_mins(30)).await;
        let state = || installation.sandbox.state();
        let count = |kind: &str| state()[kind].as_array().map_or(0, Vec::len);
        eventually("the late resource exists", async || {
            (count("roles") + count("instance_profiles") == 3).then_some(())
        })
        .await;
        eventually("the late resource is removed", async || {
            if count("roles") + count("instance_profiles") == 2 {
                return Some(());
            }
            if installation
                .database
                .bindings()
                .await
                .iter()
                .all(|row| row.lease_until.is_none())
            {
                installation.advance(PAST_A_LEASE).await;
            }
            None
        })
        .await;
        let binding = installation.recorded("one").await;
        assert_eq!(binding.state, "active");
        assert_eq!(json!(binding.id), second["binding_id"]);
        installation.assert_sound().await;
    }
}
