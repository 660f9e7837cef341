//! What stands under our path and no live binding needs.

use engine_roles_e2e::{Installation, eventually};
use serde::Deserialize;
use serde_json::{Value, json};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const PATH: &str = "/ai-unlimited/engine/default/";

#[derive(Debug, Deserialize)]
struct Orphan {
    kind: String,
    name: String,
}

async fn orphans(installation: &Installation) -> Vec<Orphan> {
    installation
        .database
        .rows("SELECT kind, name FROM orphans ORDER BY kind")
        .await
}

/// An installation that looks for orphans all the time.
async fn watchful() -> Installation {
    Installation::build()
        .env("ENGINE_ROLES_RECONCILE_INTERVAL", "300ms")
        .start()
        .await
}

async fn make(installation: &Installation, name: &str, tags: &Value) {
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
    installation.administrator.call("CreateRole", &role).await;
    let mut profile = vec![("InstanceProfileName", name), ("Path", PATH)];
    profile.extend(tags);
    installation
        .administrator
        .call("CreateInstanceProfile", &profile)
        .await;
}

#[tokio::test]
async fn the_ghost_of_a_life_that_is_over_goes() {
    let installation = watchful().await;
    let made = installation
        .client()
        .provision("one")
        .await
        .expect(201)
        .clone();
    let name = made["role"]["name"].as_str().expect("it has a name");
    let tags = installation.role(name).expect("it is there")["tags"].clone();
    installation
        .client()
        .patient()
        .delete("one")
        .await
        .expect(200);
    installation.client().provision("two").await.expect(201);
    make(&installation, name, &tags).await;
    eventually("the ghost is gone", async || {
        (installation.role(name).is_none() && installation.instance_profile(name).is_none())
            .then_some(())
    })
    .await;
    eventually("it is told", async || {
        let events = installation.database.events().await;
        events
            .iter()
            .any(|event| event.action == "late_resource_removed")
            .then_some(())
    })
    .await;
    let binding = installation
        .database
        .binding("one")
        .await
        .expect("the tombstone stays");
    assert_eq!(binding.state, "deleted");
    assert_eq!(
        installation.client().get("two").await.body["state"],
        "active"
    );
    installation.assert_sound().await;
}

#[tokio::test]
async fn something_else_under_the_name_of_a_life_that_is_over_stays() {
    let installation = watchful().await;
    let made = installation
        .client()
        .provision("one")
        .await
        .expect(201)
        .clone();
    let name = made["role"]["name"].as_str().expect("it has a name");
    installation
        .client()
        .patient()
        .delete("one")
        .await
        .expect(200);
    let since = installation.mark();
    make(&installation, name, &json!({"owner": "somebody else"})).await;
    // Looked at, twice: and let be.
    eventually("it was looked at", async || {
        let calls = installation.iam_calls(since);
        let looks = calls.iter().filter(|call| call.action == "GetRole").count();
        (looks >= 2).then_some(())
    })
    .await;
    assert!(installation.role(name).is_some());
    assert_eq!(installation.mutations(since).len(), 0);
}

#[tokio::test]
async fn what_no_record_knows_is_told_and_survives() {
    let installation = watchful().await;
    installation.client().provision("one").await.expect(201);
    let since = installation.mark();
    let tags = json!({
        "ai-unlimited:managed-by": "engine-roles",
        "ai-unlimited:namespace": "default",
        "ai-unlimited:cluster": "one",
        "ai-unlimited:binding-id": "01890a5d-ac96-774b-bcce-b302099a8057",
    });
    make(&installation, "ai-unlimited-one-unknown", &tags).await;
    let found = eventually("it is reported", async || {
        let found = orphans(&installation).await;
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
    assert!(installation.role("ai-unlimited-one-unknown").is_some());
    assert_eq!(installation.mutations(since).len(), 0);
    let (role, profile) = ("RoleName", "InstanceProfileName");
    for (action, parameter) in [("DeleteRole", role), ("DeleteInstanceProfile", profile)] {
        let parameters = [(parameter, "ai-unlimited-one-unknown")];
        installation.administrator.call(action, &parameters).await;
    }
    eventually("it is forgotten when it is gone", async || {
        orphans(&installation).await.is_empty().then_some(())
    })
    .await;
    installation.assert_sound().await;
}

const FORGET: &str = "SET session_replication_role = replica;";

#[tokio::test]
async fn a_database_restored_to_an_older_state_costs_nobody_a_live_role() {
    let mut installation = watchful().await;
    let old = installation
        .client()
        .provision("old")
        .await
        .expect(201)
        .clone();
    let new = installation
        .client()
        .provision("new")
        .await
        .expect(201)
        .clone();
    let new = new["role"]["name"].as_str().expect("it has a name");
    let old = old["role"]["name"].as_str().expect("it has a name");
    installation.replicas[0].kill().await;
    // The backup is older than the second cluster.
    let restore = ["audit_events", "bindings", "clusters"]
        .map(|table| format!("DELETE FROM {table} WHERE cluster = 'new';"))
        .concat();
    installation
        .database
        .execute(&format!("{FORGET}{restore}"))
        .await;
    let since = installation.mark();
    installation.restart(0).await;
    eventually("it is reported", async || {
        let found = orphans(&installation).await;
        (found.len() == 2 && found.iter().all(|orphan| orphan.name == new)).then_some(())
    })
    .await;
    // The cluster's caller asks again: it gets a role of a new name beside the one that nobody
    // knows any more.
    let again = installation.client().provision("new").await;
    assert_ne!(again.expect(201)["role"]["name"], new);
    for name in [old, new] {
        assert!(installation.role(name).is_some() && installation.instance_profile(name).is_some());
    }
    let removed = installation.mutations(since).into_iter().filter(|call| {
        let removes = ["Delete", "Remove", "Detach"];
        removes.iter().any(|verb| call.action.starts_with(verb))
    });
    assert_eq!(removed.count(), 0);
}

#[tokio::test]
async fn an_empty_database_costs_nobody_a_live_role() {
    let mut installation = watchful().await;
    let made = installation
        .client()
        .provision("one")
        .await
        .expect(201)
        .clone();
    let name = made["role"]["name"].as_str().expect("it has a name");
    installation.replicas[0].kill().await;
    let restore = ["audit_events", "bindings", "clusters", "orphans", "sweeps"]
        .map(|table| format!("DELETE FROM {table};"))
        .concat();
    installation
        .database
        .execute(&format!("{FORGET}{restore}"))
        .await;
    let since = installation.mark();
    installation.restart(0).await;
    eventually("it is reported", async || {
        (orphans(&installation).await.len() == 2).then_some(())
    })
    .await;
    assert!(installation.role(name).is_some());
    assert_eq!(installation.mutations(since).len(), 0);
}

#[tokio::test]
async fn without_the_permission_to_list_readyz_says_what_is_missing() {
    let installation = watchful().await;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["iam:*", "sts:*"], "Resource": "*"},
            {"Effect": "Deny", "Action": ["iam:ListRoles", "iam:ListInstanceProfiles"], "Resource": "*"},
        ],
    });
    installation
        .administrator
        .steer("identity-policy", policy)
        .await;
    let client = installation.client().anonymous();
    let missing = eventually("it is said", async || {
        let body = client.fetch("/readyz").await.body;
        let missing = body["missing"].as_array()?.clone();
        missing.into_iter().find(|one| one["feature"] == "orphans")
    })
    .await;
    let permission = missing["permission"].as_str().unwrap_or_default();
    assert!(permission.starts_with("iam:List"), "{missing}");
    installation.client().provision("one").await.expect(201);
    installation.assert_sound().await;
}
