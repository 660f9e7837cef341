//! A role of a cluster's own.

use engine_roles_e2e::{World, stages_of};
use serde_json::json;

#[tokio::test]
async fn creating_takes_four_calls_in_two_stages() {
    let world = World::build().latency(200).start().await;
    let since = world.mark();
    world.client().provision("pipeline-7").await.expect(201);
    assert_eq!(
        stages_of(&world.iam_calls(since)),
        [
            ["CreateInstanceProfile", "CreateRole"],
            ["AddRoleToInstanceProfile", "PutRolePolicy"],
        ]
    );
    world.assert_sound().await;
}

#[tokio::test]
async fn tearing_down_takes_six_calls_in_three_stages() {
    let world = World::build().latency(200).start().await;
    let client = world.client();
    client.provision("pipeline-7").await.expect(201);
    let since = world.mark();
    let answer = client.delete("pipeline-7").await;
    assert_eq!(answer.expect(200)["state"], "deleted");
    assert_eq!(
        stages_of(&world.iam_calls(since)),
        [
            ["GetInstanceProfile", "GetRole"],
            ["DeleteRolePolicy", "RemoveRoleFromInstanceProfile"],
            ["DeleteInstanceProfile", "DeleteRole"],
        ]
    );
    assert_eq!(answer.body["receipt"]["left"], json!([]));
    assert!(world.holds_nothing_of_ours());
    world.assert_sound().await;
}
