//! IAM's reads, and the sight of its writes, up to a minute old. Time moves by the test's hand.

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
async fn nothing_is_forgotten_and_nothing_made_twice() {
    for seed in 0..2 {
        let installation = stale_installation(false, seed).await;
        let client = installation.client().patient();
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
        installation.assert_sound_at_rest("updated").await;
        client.in_no_hurry().delete("one").await.expect(202);
        installation.assert_sound_at_rest("torn down").await;
        assert!(installation.holds_nothing_of_ours());
    }
}

#[tokio::test]
async fn torn_down_and_deployed_again_at_once_two_lives_never_mix() {
    for seed in 0..2 {
        let installation = stale_installation(false, seed).await;
        let client = installation.client();
        let mut names = std::collections::BTreeSet::new();
        for life in 0..3 {
            let made = client.patient().provision("one").await;
            let role = made.expect(201)["role"]["name"].to_string();
            assert!(
                names.insert(role),
                "the name of life {life} was used before"
            );
            client.in_no_hurry().delete("one").await;
            eventually("it is gone", async || {
                let binding = installation.database.binding("one").await?;
                if binding.state == "deleted" {
                    return Some(());
                }
                // Where an absence is not believed, only time can tell.
                if binding.lease_until.is_none() {
                    installation.advance(Duration::from_secs(5)).await;
                }
                None
            })
            .await;
        }
        client.patient().provision("one").await.expect(201);
        installation.assert_sound_at_rest("the last life").await;
        let roles = installation.sandbox.state()["roles"].clone();
        assert_eq!(roles.as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn writes_that_do_not_see_what_was_just_made_are_repeated() {
    for seed in 0..2 {
        let installation = stale_installation(true, seed).await;
        let client = installation.client().in_no_hurry();
        client.provision("one").await.expect(202);
        installation.assert_sound_at_rest("made").await;
        client
            .put("one", json!({"secrets": ["a"]}))
            .await
            .expect(202);
        installation.assert_sound_at_rest("changed").await;
        client.delete("one").await.expect(202);
        installation.assert_sound_at_rest("torn down").await;
        assert!(installation.holds_nothing_of_ours());
    }
}

#[tokio::test]
async fn a_create_that_arrives_after_the_teardown_was_answered_goes_again() {
    for held in ["CreateRole", "CreateInstanceProfile"] {
        let installation = Installation::build()
            .env("ENGINE_ROLES_CALL_TIMEOUT", "500ms")
            // So that what is left is looked for often, by the moved clock.
            .env("ENGINE_ROLES_RECONCILE_INTERVAL", "2m")
            .start()
            .await;
        let client = installation.client();
        // Long after the window that the service allows for.
        installation.set_faults(fault(held, "before", json!({"hang_ms": 1_800_000})));
        client.in_no_hurry().provision("one").await.expect(202);
        installation.reached(held, 0).await;
        client.in_no_hurry().delete("one").await.expect(202);
        let first = installation.reaches_in_time("one", "deleted").await;
        let second = client.patient().provision("one").await;
        let second = second.expect(201).clone();
        assert_ne!(second["binding_id"], first["binding_id"]);
        installation.advance(Duration::from_mins(30)).await;
        let state = || installation.sandbox.state();
        let count = |kind: &str| state()[kind].as_array().map_or(0, Vec::len);
        eventually("the late one is there", async || {
            (count("roles") + count("instance_profiles") == 3).then_some(())
        })
        .await;
        eventually("the late one is gone", async || {
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
