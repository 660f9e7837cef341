//! Late resources and orphans: resources under our path that no live binding needs.

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

/// Starts an installation that sweeps for orphans every 300 ms.
async fn with_frequent_sweeps() -> Installation {
    Installation::build()
        .env("ENGINE_ROLES_RECONCILE_INTERVAL", "1s")
        .start()
        .await
}

async fn create(installation: &Installation, name: &str, tags: &Value) {
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
async fn a_late_resource_of_a_finished_incarnation_is_removed() {
    let installation = with_frequent_sweeps().await;
    let created = installation
        .client()
        .provision("one")
        .await
        .expect(201)
        .clone();
    let name = created["role"]["name"]
        .as_str()
        .expect("the role has a name");
    let tags = installation.role(name).expect("the role exists")["tags"].clone();
    installation
        .client()
        .waiting_longest()
        .delete("one")
        .await
        .expect(200);
    installation.client().provision("two").await.expect(201);
    create(&installation, name, &tags).await;
    eventually("the late resource is removed", async || {
        (installation.role(name).is_none() && installation.instance_profile(name).is_none())
            .then_some(())
    })
    .await;
    eventually("the event is recorded", async || {
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
async fn a_foreign_resource_under_the_name_of_a_finished_incarnation_stays() {
    let installation = with_frequent_sweeps().await;
    let created = installation
        .client()
        .provision("one")
        .await
        .expect(201)
        .clone();
    let name = created["role"]["name"]
        .as_str()
        .expect("the role has a name");
    installation
        .client()
        .waiting_longest()
        .delete("one")
        .await
        .expect(200);
    let since = installation.mark();
    create(&installation, name, &json!({"owner": "somebody else"})).await;
    // The resource is read twice and left.
    eventually("the resource was read twice", async || {
        let calls = installation.iam_calls(since);
        let reads = calls.iter().filter(|call| call.action == "GetRole").count();
        (reads >= 2).then_some(())
    })
    .await;
    assert!(installation.role(name).is_some());
    assert_eq!(installation.mutations(since).len(), 0);
}

#[tokio::test]
async fn an_orphan_is_reported_and_not_removed() {
    let installation = with_frequent_sweeps().await;
    installation.client().provision("one").await.expect(201);
    let since = installation.mark();
    let tags = json!({
        "ai-unlimited:managed-by": "engine-roles",
        "ai-unlimited:namespace": "default",
        "ai-unlimited:cluster": "one",
        "ai-unlimited:binding-id": "01890a5d-ac96-774b-bcce-b302099a8057",
    });
    create(&installation, "ai-unlimited-one-unknown", &tags).await;
    let found = eventually("the orphan is reported", async || {
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
    eventually("the removed orphan is no longer listed", async || {
        orphans(&installation).await.is_empty().then_some(())
    })
    .await;
    // The audit log tells of both resources, when they were found and when they were gone.
    installation.log_was_read().await;
    for action in ["orphan_found", "orphan_gone"] {
        let page = installation
            .client()
            .audit(&format!("action={action}"))
            .await;
        let items = page.expect(200)["items"].as_array().cloned();
        let mut kinds: Vec<String> = items
            .unwrap_or_default()
            .iter()
            .map(|event| format!("{} {}", event["detail"]["kind"], event["detail"]["name"]))
            .collect();
        kinds.sort_unstable();
        let name = "\"ai-unlimited-one-unknown\"";
        let expected = ["instance_profile", "role"].map(|kind| format!("\"{kind}\" {name}"));
        assert_eq!(kinds, expected, "{action}");
    }
    installation.assert_sound().await;
}

const WITHOUT_TRIGGERS: &str = "SET session_replication_role = replica;";

#[tokio::test]
async fn a_database_restored_to_an_older_state_causes_no_removal_of_roles() {
    let mut installation = with_frequent_sweeps().await;
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
    let new = new["role"]["name"].as_str().expect("the role has a name");
    let old = old["role"]["name"].as_str().expect("the role has a name");
    installation.replicas[0].kill().await;
    // The backup is older than the second cluster.
    let restore = ["audit_pending", "audit_events", "bindings", "clusters"]
        .map(|table| format!("DELETE FROM {table} WHERE cluster = 'new';"))
        .concat();
    installation
        .database
        .execute(&format!("{WITHOUT_TRIGGERS}{restore}"))
        .await;
    let since = installation.mark();
    installation.restart(0).await;
    eventually("the orphan is reported", async || {
        let found = orphans(&installation).await;
        (found.len() == 2 && found.iter().all(|orphan| orphan.name == new)).then_some(())
    })
    .await;
    // A new request for the cluster creates a role with another name. The first role stays as an
    // orphan.
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
async fn an_empty_database_causes_no_removal_of_roles() {
    let mut installation = with_frequent_sweeps().await;
    let created = installation
        .client()
        .provision("one")
        .await
        .expect(201)
        .clone();
    let name = created["role"]["name"]
        .as_str()
        .expect("the role has a name");
    installation.replicas[0].kill().await;
    let tables = [
        "audit_pending",
        "audit_events",
        "audit_heads",
        "audit_entries",
        "audit_tiles",
        "audit_trees",
        "audit_checkpoints",
        "bindings",
        "clusters",
        "orphans",
        "sweeps",
    ];
    let restore = tables.map(|table| format!("DELETE FROM {table};")).concat();
    installation
        .database
        .execute(&format!("{WITHOUT_TRIGGERS}{restore}"))
        .await;
    let since = installation.mark();
    installation.restart(0).await;
    eventually("the orphan is reported", async || {
        (orphans(&installation).await.len() == 2).then_some(())
    })
    .await;
    assert!(installation.role(name).is_some());
    assert_eq!(installation.mutations(since).len(), 0);
}

#[tokio::test]
async fn without_the_permission_to_list_readyz_reports_the_missing_permission() {
    let installation = with_frequent_sweeps().await;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["iam:*", "sts:*"], "Resource": "*"},
            {"Effect": "Deny", "Action": ["iam:ListRoles", "iam:ListInstanceProfiles"], "Resource": "*"},
        ],
    });
    installation
        .administrator
        .control_sandbox("identity-policy", policy)
        .await;
    let client = installation.client();
    let missing = eventually("the missing permission is reported", async || {
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
