//! The real binary killed with -9 at every call to IAM and at every commit.
//!
//! The test command tries a sample that is the same each time. All of them:
//! `ENGINE_ROLES_ALL_KILL_POINTS=1 cargo test -p engine-roles-e2e -p engine-roles --test it --
//! crashes`.

use engine_roles_e2e::Installation;
use engine_roles_e2e::installation::PAST_A_LEASE;
use engine_roles_e2e::kill_points::{
    PREPARED_ROLE, Story, all_or_some, kill_at, rehearse, with_second_kills,
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
async fn killed_at_any_call_it_comes_to_what_was_asked() {
    let mut installation = installation().await;
    let mut random = Random::new(SEED);
    for story in Story::ALL {
        let points = rehearse(&installation, story).await;
        assert!(!points.is_empty(), "{story:?} makes calls");
        let points = all_or_some(points, &mut random, 2);
        for (number, point) in points.iter().enumerate() {
            kill_at(&mut installation, point, &format!("{story:?}-{number}")).await;
        }
    }
}

#[tokio::test]
async fn killed_again_while_it_recovers_it_still_comes_to_what_was_asked() {
    // A recovery reads up to three resources and repeats up to six writes.
    const CALLS: usize = 9;
    let mut installation = installation().await;
    let mut random = Random::new(SEED);
    for story in Story::ALL {
        let points = rehearse(&installation, story).await;
        let points = with_second_kills(&points, CALLS);
        let points = all_or_some(points, &mut random, 1);
        for (number, point) in points.iter().enumerate() {
            kill_at(&mut installation, point, &format!("{story:?}-{number}")).await;
        }
    }
}

/// How the service loses the answer to a commit.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Killed,
    ConnectionCut,
}

#[tokio::test]
async fn killed_or_cut_off_at_any_commit_the_callers_retry_gets_the_same() {
    let mut installation = installation().await;
    let mut places = Vec::new();
    for story in Story::ALL {
        for side in [Side::Before, Side::After] {
            for loss in [Loss::Killed, Loss::ConnectionCut] {
                // The first commit is the intent, the second the outcome.
                for commit in 0..2 {
                    places.push((story, (commit, side, loss)));
                }
            }
        }
    }
    let places = all_or_some(places, &mut Random::new(SEED), 10);
    for (number, (story, place)) in places.into_iter().enumerate() {
        lose_commit(&mut installation, story, &format!("c{number}"), place).await;
    }
}

async fn lose_commit(
    installation: &mut Installation,
    story: Story,
    cluster: &str,
    (commit, side, loss): (usize, Side, Loss),
) {
    let what = format!("{story:?}, commit {commit}, {side:?}, {loss:?}");
    story.prepare(&installation.client(), cluster).await;
    installation.comes_to_rest().await;
    installation.proxy().stop_at(commit, side);
    let client = installation.client().patient();
    let asked = {
        let (story, cluster) = (story, cluster.to_owned());
        tokio::spawn(async move { story.try_ask(&client, &cluster).await })
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
        let told = asked.await.expect("it does not panic");
        if let (Loss::ConnectionCut, Ok(answer)) = (loss, &told) {
            answer.expect_problem(503, "database_unavailable");
        }
    } else {
        asked.abort();
    }
    let intended = installation.database.binding(cluster).await;
    let again = story
        .ask(&installation.client().in_no_hurry(), cluster)
        .await;
    assert!(again.status <= 202, "{what}: {}", again.text);
    if let Some(before) = intended {
        let now = again.body["binding_id"].as_str();
        assert_eq!(now, Some(before.id.to_string().as_str()), "{what}");
    }
    installation.advance(PAST_A_LEASE).await;
    installation.assert_sound_at_rest(&what).await;
    story.assert_done(installation, cluster, &what).await;
    let last = story.ask(&installation.client().patient(), cluster).await;
    assert_eq!(
        last.expect(200)["binding_id"],
        again.body["binding_id"],
        "{what}"
    );
}
