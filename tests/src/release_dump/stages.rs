//! Brings bindings into every state. A cluster is named after the state of its binding.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Installation, eventually};

/// More calls than a run makes.
const FOR_EVER: u64 = 1_000_000;
/// Longer than a run.
const AN_HOUR_MS: u64 = 3_600_000;

/// Clusters that are provisioned with the defaults before anything else happens to them.
const PROVISIONED: [&str; 13] = [
    "active",
    "active-again",
    "active-changed",
    "active-with-drift",
    "active-with-rejected-change",
    "blocked",
    "changing-delayed",
    "changing-leased",
    "deleted",
    "deleted-again",
    "deleting-delayed",
    "deleting-leased",
    "withdrawing-change",
];

fn failing(action: &str, error: &str, times: u64) -> Value {
    json!({"action": action, "when": "before", "do": {"error": error}, "times": times})
}

/// The roles that AWS does not let the service read.
pub(super) fn unreadable() -> Vec<Value> {
    let roles = ["unreadable", "declared"];
    let faults = roles.map(|role| {
        let mut fault = failing("GetRole", "AccessDenied", FOR_EVER);
        fault["match"] = json!({ "RoleName": role });
        fault
    });
    faults.to_vec()
}

/// Sets faults beside [`unreadable`].
fn set_faults(installation: &Installation, faults: Vec<Value>) {
    let all = [unreadable(), faults].concat();
    installation.set_faults(Value::Array(all));
}

fn role_of(binding: &Value) -> String {
    let name = binding["role"]["name"].as_str();
    name.unwrap_or_default().to_owned()
}

/// Bindings in which nothing is in progress, and an orphan. Returns the orphan's name.
pub(super) async fn at_rest(installation: &mut Installation) -> Vec<String> {
    let client = installation.client().waiting_longest();
    for cluster in PROVISIONED {
        client.provision(cluster).await.expect(201);
    }
    let everything = json!({
        "secrets": ["password", "certificates/one"], "session_manager": true,
        "role_prefix": "td-", "tags": {"team": "blue"},
    });
    let put = client.put("active-with-everything", everything).await;
    put.expect(201);
    let change = json!({"session_manager": true, "tags": {"team": "blue"}});
    client.put("active-changed", change).await.expect(200);
    for (cluster, role) in [
        ("active-pass-through", "fit"),
        ("deleted-pass-through", "fit"),
        ("active-declared", "arn:aws:iam::123456789012:role/declared"),
    ] {
        let body = json!({"mode": "pass_through", "iam_role": role});
        client.put(cluster, body).await.expect(201);
    }
    for cluster in [
        "active-again",
        "deleted",
        "deleted-again",
        "deleted-pass-through",
    ] {
        client.delete(cluster).await.expect(200);
    }
    for cluster in ["active-again", "deleted-again"] {
        client.provision(cluster).await.expect(201);
    }
    client.delete("deleted-again").await.expect(200);
    rejected(installation).await;
    blocked(installation).await;
    drifted(installation).await;
    let orphan = orphan(installation).await;
    // From now on, what is at rest is not checked again.
    installation.set_env("ENGINE_ROLES_RECONCILE_INTERVAL", "24h");
    installation.restart(0).await;
    eventually("all checks of this interval are done", async || {
        let later = installation.database.now().await + chrono::TimeDelta::hours(1);
        let bindings = installation.database.bindings().await;
        let mut active = bindings.iter().filter(|one| one.state == "active");
        let is_later = |due: &Option<_>| due.is_none_or(|due: chrono::DateTime<_>| due > later);
        let is_done = active.all(|one| one.lease_until.is_none() && is_later(&one.due_at));
        is_done.then_some(())
    })
    .await;
    vec![orphan]
}

/// Requests that AWS denied.
async fn rejected(installation: &Installation) {
    let client = installation.client().waiting_longest();
    let denied = |action| vec![failing(action, "AccessDenied", 1)];
    set_faults(installation, denied("CreateRole"));
    client.provision("failed").await.expect(424);
    set_faults(installation, denied("PutRolePolicy"));
    client.provision("failed-and-removed").await.expect(424);
    eventually("what was created is removed", async || {
        let binding = installation.database.binding("failed-and-removed").await?;
        (!binding.live).then_some(())
    })
    .await;
    set_faults(installation, denied("PutRolePolicy"));
    let cluster = "active-with-rejected-change";
    let change = json!({"session_manager": true});
    client.put(cluster, change).await.expect(424);
    installation.reaches(cluster, "active").await;
    set_faults(installation, Vec::new());
}

async fn blocked(installation: &Installation) {
    let (client, administrator) = (installation.client(), &installation.administrator);
    let role = role_of(&client.get("blocked").await.body);
    let theirs = ("InstanceProfileName", "somebody-elses");
    administrator.call("CreateInstanceProfile", &[theirs]).await;
    let member = [theirs, ("RoleName", role.as_str())];
    administrator
        .call("AddRoleToInstanceProfile", &member)
        .await;
    client.waiting_longest().delete("blocked").await.expect(409);
}

async fn drifted(installation: &Installation) {
    let cluster = "active-with-drift";
    let role = role_of(&installation.client().get(cluster).await.body);
    let deny = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Action": "*", "Resource": "*"}]});
    let administrator = &installation.administrator;
    administrator.write_policy(&role, "cut-off", &deny).await;
    eventually("the drift is recorded", async || {
        let binding = installation.database.binding(cluster).await?;
        let drift = binding.drift.as_array()?;
        (!drift.is_empty()).then_some(())
    })
    .await;
}

/// Creates a role that looks like ours, as one does that was created after a backup. Returns its name
/// when a sweep has found it.
async fn orphan(installation: &Installation) -> String {
    #[derive(Deserialize)]
    struct Row {
        name: String,
    }
    let name = "ai-unlimited-restored-aaaaaaaaaaaaaaaa";
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
        "Action": "sts:AssumeRole"}]})
    .to_string();
    let params = [
        ("RoleName", name),
        ("Path", "/ai-unlimited/engine/default/"),
        ("AssumeRolePolicyDocument", &trust),
        ("Tags.member.1.Key", "ai-unlimited:managed-by"),
        ("Tags.member.1.Value", "engine-roles"),
        ("Tags.member.2.Key", "ai-unlimited:namespace"),
        ("Tags.member.2.Value", "default"),
        ("Tags.member.3.Key", "ai-unlimited:cluster"),
        ("Tags.member.3.Value", "restored"),
        ("Tags.member.4.Key", "ai-unlimited:binding-id"),
        (
            "Tags.member.4.Value",
            "01a21607-b0ef-7684-a618-3922f15fd061",
        ),
    ];
    installation.administrator.call("CreateRole", &params).await;
    eventually("the orphan is reported", async || {
        let rows: Vec<Row> = installation.database.rows("SELECT name FROM orphans").await;
        rows.iter().any(|row| row.name == name).then_some(())
    })
    .await;
    name.to_owned()
}

/// Bindings whose work fails again and again, and is due later.
pub(super) async fn delayed(installation: &Installation) {
    let soon = installation.client().without_waiting();
    let change = json!({"session_manager": true});
    let removals = [
        "DeleteRole",
        "DeleteRolePolicy",
        "DeleteInstanceProfile",
        "RemoveRoleFromInstanceProfile",
        "UntagInstanceProfile",
        "UntagRole",
    ];
    let failing_always = |action| failing(action, "ServiceFailure", FOR_EVER);
    let no_removals = removals.map(failing_always).to_vec();
    let with = |more: Vec<Value>| [more, no_removals.clone()].concat();

    let denied_once = failing("PutRolePolicy", "AccessDenied", 1);
    set_faults(installation, with(vec![denied_once.clone()]));
    soon.provision("failed-withdrawing").await.expect(202);
    was_tried(installation, "failed-withdrawing").await;
    // The tags of the rejected change stay, because they can't be removed.
    set_faults(installation, with(vec![denied_once]));
    let rejected = json!({"session_manager": true, "tags": {"team": "blue"}});
    let put = soon.put("withdrawing-change", rejected).await;
    put.expect(202);
    was_tried(installation, "withdrawing-change").await;
    let no_policy = failing_always("PutRolePolicy");
    set_faults(installation, with(vec![no_policy.clone()]));
    soon.put("changing-delayed", change).await.expect(202);
    soon.delete("deleting-delayed").await.expect(202);
    let no_role = failing_always("CreateRole");
    set_faults(installation, with(vec![no_policy, no_role]));
    soon.provision("provisioning-delayed").await.expect(202);
    for cluster in [
        "changing-delayed",
        "deleting-delayed",
        "provisioning-delayed",
    ] {
        was_tried(installation, cluster).await;
    }
}

async fn was_tried(installation: &Installation, cluster: &str) {
    eventually(&format!("{cluster} was tried"), async || {
        let binding = installation.database.binding(cluster).await?;
        (binding.attempts > 0).then_some(())
    })
    .await;
}

/// Bindings on which the replica works when it is killed: its calls hang. The leases last.
pub(super) async fn leased(installation: &Installation) {
    let mut hang = failing("*", "", FOR_EVER);
    hang["do"] = json!({ "hang_ms": AN_HOUR_MS });
    set_faults(installation, vec![hang]);
    let soon = installation.client().without_waiting();
    let change = json!({"session_manager": true});
    soon.provision("provisioning-leased").await.expect(202);
    soon.put("changing-leased", change).await.expect(202);
    soon.delete("deleting-leased").await.expect(202);
    for cluster in ["provisioning-leased", "changing-leased", "deleting-leased"] {
        eventually(&format!("{cluster} is leased"), async || {
            let replica = installation.database.lease_replica(cluster).await;
            replica.map(|_| ())
        })
        .await;
    }
}
