//! What stands under our path and no live binding needs.

use engine_roles_e2e::{World, eventually};
use serde::Deserialize;
use serde_json::{Value, json};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const PATH: &str = "/ai-unlimited/engine/default/";

/// A row of `orphans`.
#[derive(Debug, Deserialize)]
struct Orphan {
    kind: String,
    name: String,
}

async fn orphans(world: &World) -> Vec<Orphan> {
    world
        .database
        .rows("SELECT kind, name FROM orphans ORDER BY kind")
        .await
}

/// A world that looks for orphans all the time.
async fn watchful() -> World {
    World::build()
        .env("ENGINE_ROLES_RECONCILE_INTERVAL", "300ms")
        .start()
        .await
}

async fn make(world: &World, name: &str, tags: &Value) {
    let mut all = Vec::new();
    for (place, (key, value)) in (1..).zip(tags.as_object().expect("tags are a map")) {
        all.push((format!("Tags.member.{place}.Key"), key.clone()));
        let value = value.as_str().unwrap_or_default().to_owned();
        all.push((format!("Tags.member.{place}.Value"), value));
    }
    let tags = all
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let mut role = vec![
        ("RoleName", name),
        ("Path", PATH),
        ("AssumeRolePolicyDocument", TRUST),
    ];
    role.extend(tags.clone());
    world.administrator.call("CreateRole", &role).await;
    let mut profile = vec![("InstanceProfileName", name), ("Path", PATH)];
    profile.extend(tags);
    world
        .administrator
        .call("CreateInstanceProfile", &profile)
        .await;
}

#[tokio::test]
async fn the_ghost_of_a_life_that_is_over_goes() {
    let world = watchful().await;
    let made = world.client().provision("one").await.expect(201).clone();
    let name = made["role"]["name"].as_str().expect("it has a name");
    let tags = world.role(name).expect("it is there")["tags"].clone();
    world.client().patient().delete("one").await.expect(200);
    world.client().provision("two").await.expect(201);
    make(&world, name, &tags).await;
    eventually("the ghost is gone", async || {
        (world.role(name).is_none() && world.instance_profile(name).is_none()).then_some(())
    })
    .await;
    eventually("it is told", async || {
        let events = world.database.events().await;
        events
            .iter()
            .any(|event| event.action == "ghost_removed")
            .then_some(())
    })
    .await;
    let binding = world
        .database
        .binding("one")
        .await
        .expect("the tombstone stays");
    assert_eq!(binding.state, "deleted");
    assert_eq!(world.client().get("two").await.body["state"], "active");
    world.assert_sound().await;
}

#[tokio::test]
async fn something_else_under_the_name_of_a_life_that_is_over_stays() {
    let world = watchful().await;
    let made = world.client().provision("one").await.expect(201).clone();
    let name = made["role"]["name"].as_str().expect("it has a name");
    world.client().patient().delete("one").await.expect(200);
    let since = world.mark();
    make(&world, name, &json!({"owner": "somebody else"})).await;
    // Looked at, twice: and let be.
    eventually("it was looked at", async || {
        let calls = world.iam_calls(since);
        let looks = calls.iter().filter(|call| call.action == "GetRole").count();
        (looks >= 2).then_some(())
    })
    .await;
    assert!(world.role(name).is_some());
    assert_eq!(world.mutations(since).len(), 0);
}

#[tokio::test]
async fn what_no_record_knows_is_told_and_survives() {
    let world = watchful().await;
    world.client().provision("one").await.expect(201);
    let since = world.mark();
    let tags = json!({
        "ai-unlimited:managed-by": "engine-roles",
        "ai-unlimited:namespace": "default",
        "ai-unlimited:cluster": "one",
        "ai-unlimited:binding-id": "01890a5d-ac96-774b-bcce-b302099a8057",
    });
    make(&world, "ai-unlimited-one-unknown", &tags).await;
    let found = eventually("it is reported", async || {
        let found = orphans(&world).await;
        (found.len() == 2).then_some(found)
    })
    .await;
    assert!(
        found
            .iter()
            .all(|orphan| orphan.name == "ai-unlimited-one-unknown")
    );
    assert_eq!(
        found
            .iter()
            .map(|orphan| orphan.kind.as_str())
            .collect::<Vec<_>>(),
        ["instance_profile", "role"]
    );
    assert!(world.role("ai-unlimited-one-unknown").is_some());
    assert_eq!(world.mutations(since).len(), 0);
    let (role, profile) = ("RoleName", "InstanceProfileName");
    for (action, parameter) in [("DeleteRole", role), ("DeleteInstanceProfile", profile)] {
        let parameters = [(parameter, "ai-unlimited-one-unknown")];
        world.administrator.call(action, &parameters).await;
    }
    eventually("it is forgotten when it is gone", async || {
        orphans(&world).await.is_empty().then_some(())
    })
    .await;
    world.assert_sound().await;
}

const FORGET: &str = "SET session_replication_role = replica;";

#[tokio::test]
async fn a_database_restored_to_an_older_state_costs_nobody_a_live_role() {
    let mut world = watchful().await;
    let old = world.client().provision("old").await.expect(201).clone();
    let new = world.client().provision("new").await.expect(201).clone();
    let new = new["role"]["name"].as_str().expect("it has a name");
    let old = old["role"]["name"].as_str().expect("it has a name");
    world.replicas[0].kill().await;
    // The backup is older than the second cluster.
    let restore = ["audit_events", "bindings", "clusters"]
        .map(|table| format!("DELETE FROM {table} WHERE cluster = 'new';"))
        .concat();
    world.database.execute(&format!("{FORGET}{restore}")).await;
    let since = world.mark();
    world.restart(0).await;
    eventually("it is reported", async || {
        let found = orphans(&world).await;
        (found.len() == 2 && found.iter().all(|orphan| orphan.name == new)).then_some(())
    })
    .await;
    // The cluster's caller asks again: it gets a role of a new name beside the one that nobody
    // knows any more.
    let again = world.client().provision("new").await;
    assert_ne!(again.expect(201)["role"]["name"], new);
    for name in [old, new] {
        assert!(world.role(name).is_some() && world.instance_profile(name).is_some());
    }
    let removed = world.mutations(since).into_iter().filter(|call| {
        let removes = ["Delete", "Remove", "Detach"];
        removes.iter().any(|verb| call.action.starts_with(verb))
    });
    assert_eq!(removed.count(), 0);
}

#[tokio::test]
async fn an_empty_database_costs_nobody_a_live_role() {
    let mut world = watchful().await;
    let made = world.client().provision("one").await.expect(201).clone();
    let name = made["role"]["name"].as_str().expect("it has a name");
    world.replicas[0].kill().await;
    let restore = ["audit_events", "bindings", "clusters", "orphans", "sweeps"]
        .map(|table| format!("DELETE FROM {table};"))
        .concat();
    world.database.execute(&format!("{FORGET}{restore}")).await;
    let since = world.mark();
    world.restart(0).await;
    eventually("it is reported", async || {
        (orphans(&world).await.len() == 2).then_some(())
    })
    .await;
    assert!(world.role(name).is_some());
    assert_eq!(world.mutations(since).len(), 0);
}

#[tokio::test]
async fn without_the_permission_to_list_readyz_says_what_is_missing() {
    let world = watchful().await;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["iam:*", "sts:*"], "Resource": "*"},
            {"Effect": "Deny", "Action": ["iam:ListRoles", "iam:ListInstanceProfiles"], "Resource": "*"},
        ],
    });
    world.administrator.steer("identity-policy", policy).await;
    let client = world.client().anonymous();
    let missing = eventually("it is said", async || {
        let body = client.fetch("/readyz").await.body;
        let missing = body["missing"].as_array()?.clone();
        missing.into_iter().find(|one| one["extra"] == "orphans")
    })
    .await;
    let permission = missing["permission"].as_str().unwrap_or_default();
    assert!(permission.starts_with("iam:List"), "{missing}");
    world.client().provision("one").await.expect(201);
    world.assert_sound().await;
}
