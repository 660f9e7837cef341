//! The binary is killed with SIGKILL at every call to IAM and at every commit.
//!
//! A test run uses a fixed sample of the kill points. To run all of them:
//! `ENGINE_ROLES_ALL_KILL_POINTS=1 cargo test -p engine-roles-e2e -p engine-roles --test it --
//! crashes`. With `ENGINE_ROLES_FROM_PAIR=300`, the pairs of kill points before number 300 of each
//! scenario are left out, to continue a run that was interrupted.

use engine_roles_e2e::Installation;
use engine_roles_e2e::installation::PAST_A_LEASE;
use engine_roles_e2e::kill_points::{
    PREPARED_ROLE, Scenario, all_or_sample, kill_at, record_kill_points, with_second_kills,
};
use engine_roles_e2e::postgres_proxy::Side;
use engine_roles_e2e::random::Random;

const SEED: u64 = 3;

async fn installation() -> Installation {
    Installation::build()
        .rarely_checked()
        .prepared(PREPARED_ROLE)
        .proxied()
        .start()
        .await
}

#[tokio::test]
async fn a_service_killed_at_any_call_reaches_the_requested_state_after_a_restart() {
    let mut installation = installation().await;
    let mut random = Random::new(SEED);
    for scenario in Scenario::ALL {
        let points = record_kill_points(&installation, scenario).await;
        assert!(!points.is_empty(), "{scenario:?} makes calls");
        let points = all_or_sample(points, &mut random, 2);
        for (number, point) in points.iter().enumerate() {
            kill_at(&mut installation, point, &format!("{scenario:?}-{number}")).await;
        }
    }
}

/// Kills the service at a call, and again at a call of the recovery.
async fn is_killed_again(scenario: Scenario) {
    // A recovery reads up to three resources and repeats up to six writes.
    const CALLS: usize = 9;
    // Each poll of a test reads all bindings, so a crowd of them would make the test slow.
    const AT_ONCE: usize = 30;
    let mut installation = installation().await;
    let points = record_kill_points(&installation, scenario).await;
    let points = with_second_kills(&points, CALLS);
    let points = all_or_sample(points, &mut Random::new(SEED), 1);
    for (number, point) in points.iter().enumerate().skip(first_pair()) {
        if number > 0 && number % AT_ONCE == 0 {
            println!(
                "{scenario:?}: {number} of {} pairs of kill points",
                points.len()
            );
            drop(installation);
            installation = self::installation().await;
        }
        kill_at(&mut installation, point, &format!("{scenario:?}-{number}")).await;
    }
}

fn first_pair() -> usize {
    let number = std::env::var("ENGINE_ROLES_FROM_PAIR");
    number.map_or(0, |number| number.parse().expect("a number"))
}

#[tokio::test]
async fn a_creation_killed_again_during_recovery_still_reaches_the_requested_state() {
    is_killed_again(Scenario::Create).await;
}

#[tokio::test]
async fn a_change_killed_again_during_recovery_still_reaches_the_requested_state() {
    is_killed_again(Scenario::Update).await;
}

#[tokio::test]
async fn a_pass_through_killed_again_during_recovery_still_reaches_the_requested_state() {
    is_killed_again(Scenario::PassThrough).await;
}

#[tokio::test]
async fn a_teardown_killed_again_during_recovery_still_reaches_the_requested_state() {
    is_killed_again(Scenario::TearDown).await;
}

#[tokio::test]
async fn a_pass_through_teardown_killed_again_during_recovery_still_reaches_the_requested_state() {
    is_killed_again(Scenario::TearDownPassThrough).await;
}

/// How the service loses the answer to a commit.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Killed,
    ConnectionCut,
}

#[tokio::test]
async fn after_a_kill_or_a_lost_connection_at_any_commit_a_retry_gets_the_same_result() {
    let mut installation = installation().await;
    let mut places = Vec::new();
    for scenario in Scenario::ALL {
        for side in [Side::Before, Side::After] {
            for loss in [Loss::Killed, Loss::ConnectionCut] {
                // The first commit is the intent, the second the outcome.
                for commit in 0..2 {
                    places.push((scenario, (commit, side, loss)));
                }
            }
        }
    }
    let places = all_or_sample(places, &mut Random::new(SEED), 10);
    for (number, (scenario, place)) in places.into_iter().enumerate() {
        lose_commit(&mut installation, scenario, &format!("c{number}"), place).await;
    }
}

async fn lose_commit(
    installation: &mut Installation,
    scenario: Scenario,
    cluster: &str,
    (commit, side, loss): (usize, Side, Loss),
) {
    let what = format!("{scenario:?}, commit {commit}, {side:?}, {loss:?}");
    scenario.prepare(&installation.client(), cluster).await;
    installation.becomes_idle().await;
    installation.proxy().stop_at(commit, side);
    let client = installation.client().waiting_longest();
    let asked = {
        let (scenario, cluster) = (scenario, cluster.to_owned());
        tokio::spawn(async move { scenario.try_request(&client, &cluster).await })
    };
    installation.proxy().holds().await;
    match loss {
        Loss::Killed => {
            installation.replicas[0].kill().await;
            installation.proxy().cut();
            installation.restart(0).await;
        }
        Loss::ConnectionCut => installation.proxy().cut(),
    }
    if commit == 0 {
        let answer = asked.await.expect("the task does not panic");
        match (loss, side, &answer) {
            (Loss::ConnectionCut, Side::Before, Ok(answer)) => {
                answer.expect_problem(503, "database_unavailable");
            }
            // The service finds the intent that was recorded, and goes on with it.
            (Loss::ConnectionCut, Side::After, Ok(answer)) => {
                assert!(answer.status <= 202, "{what}: {}", answer.text);
            }
            _ => {}
        }
    } else {
        asked.abort();
    }
    let intended = installation.database.binding(cluster).await;
    let again = scenario
        .request(&installation.client().without_waiting(), cluster)
        .await;
    assert!(again.status <= 202, "{what}: {}", again.text);
    if let Some(before) = intended {
        let now = again.body["binding_id"].as_str();
        assert_eq!(now, Some(before.id.to_string().as_str()), "{what}");
    }
    installation.advance(PAST_A_LEASE).await;
    installation.assert_sound_when_idle(&what).await;
    scenario.assert_done(installation, cluster, &what).await;
    let last = scenario
        .request(&installation.client().waiting_longest(), cluster)
        .await;
    assert_eq!(
        last.expect(200)["binding_id"],
        again.body["binding_id"],
        "{what}"
    );
}
