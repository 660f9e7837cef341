//! The service's own work: it provisions, updates, passes roles and tears down, and IAM holds what
//! the service reports.

use std::time::Instant;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::params::Params;
use crate::probe::Probe;
use crate::replica::Replica;
use crate::rules::roles::READ_SECRETS;
use crate::trouble::Trouble;

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Returns the only inline policy of a role, as IAM holds it.
pub(super) async fn held_policy(probe: &Probe, role: &str) -> Result<Value, Trouble> {
    let list = probe
        .must("ListRolePolicies", &[("RoleName", role)])
        .await?;
    let names = list.texts("member");
    let [name] = names.as_slice() else {
        let found = format!("{role} has the inline policies {names:?}");
        return Err(Trouble::Unexpected(found));
    };
    let read = [("RoleName", role), ("PolicyName", name.as_str())];
    let answer = probe.must("GetRolePolicy", &read).await?;
    let document = answer.text("PolicyDocument").unwrap_or_default();
    let document = percent_decode_str(&document).decode_utf8_lossy();
    let unreadable = |error| Trouble::Unexpected(format!("the policy of {role}: {error}"));
    serde_json::from_str(&document).map_err(unreadable)
}

/// Records whether IAM comes to hold the policy that the service reports.
async fn same_policy(probe: &mut Probe, what: &str, binding: &Value) -> Result<(), Trouble> {
    let (role, started) = (text(&binding["role"]["name"]), Instant::now());
    loop {
        let held = held_policy(probe, &role).await?;
        let is_same = held == binding["policy"];
        if is_same || started.elapsed() > probe.longest_lag {
            probe.note(what, &is_same.to_string());
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

/// Records that a resource is gone, once reads no longer see it.
async fn gone(probe: &mut Probe, what: &str, action: &str, params: &Params) -> Result<(), Trouble> {
    let started = Instant::now();
    loop {
        let answer = probe.account.call(action, params).await?;
        if answer.code() == "NoSuchEntity" || started.elapsed() > probe.longest_lag {
            // The message has the name, which differs in each run.
            probe.note(what, &answer.class());
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

pub(super) async fn walk(probe: &mut Probe) -> Result<(), Trouble> {
    let (passed, declared) = (probe.role("prepared").await?, probe.role("declared").await?);
    for role in [&passed, &declared] {
        let policy = [
            ("RoleName", role.as_str()),
            ("PolicyName", "read-secrets"),
            ("PolicyDocument", READ_SECRETS),
        ];
        probe.must("PutRolePolicy", &policy).await?;
    }
    let profile = probe.profile("declared").await?;
    let member = [
        ("InstanceProfileName", profile.as_str()),
        ("RoleName", declared.as_str()),
    ];
    probe.must("AddRoleToInstanceProfile", &member).await?;
    let declared_arn = probe.own_arn("role", &declared);
    let roles = format!("{passed},{declared_arn}={profile}");
    let settings = [
        ("ENGINE_ROLES_PASS_THROUGH_ROLES", roles.as_str()),
        // A role that may read every secret is unfit, which is not what this rule is about.
        ("ENGINE_ROLES_ATTESTATION", "warn"),
    ];
    let mut replica = Replica::start(probe, &settings).await?;
    let ready = replica.fetch("/readyz").await;
    probe.note("readyz: the state of AWS", &ready.body["aws"].to_string());
    let found = replica.fetch("/v1/capabilities").await.body;
    let features = found["features"].as_array().into_iter().flatten();
    let features =
        features.map(|one| format!("{}: {}", text(&one["feature"]), text(&one["status"])));
    probe.note("capabilities", &features.collect::<Vec<_>>().join(", "));
    Box::pin(created(probe, &mut replica)).await?;
    Box::pin(passing(probe, &mut replica, &passed, &declared_arn)).await
}

async fn created(probe: &mut Probe, replica: &mut Replica) -> Result<(), Trouble> {
    let cluster = probe.run.cluster("made");
    let (status, binding) = replica.put(probe, &cluster, json!({})).await?;
    probe.note("PUT", &status.to_string());
    same_policy(
        probe,
        "IAM holds the policy that the service shows",
        &binding,
    )
    .await?;
    let name = text(&binding["role"]["name"]);
    let this = Params::from(&[("RoleName", name.as_str())]);
    let role = probe.must("GetRole", &this).await?;
    let mut keys: Vec<String> = role.tags().into_iter().map(|(key, _)| key).collect();
    keys.sort();
    probe.note("tags of the role", &keys.join(" "));
    let ids = role.text("RoleId") == binding["role"]["id"].as_str().map(str::to_owned);
    let arns = role.text("Arn") == binding["role"]["arn"].as_str().map(str::to_owned);
    probe.note(
        "the service knows the role's id and ARN",
        &format!("{ids} {arns}"),
    );
    let profile = Params::from(&[("InstanceProfileName", name.as_str())]);
    let read = probe.must("GetInstanceProfile", &profile).await?;
    let holds = read.texts("RoleName") == [name.as_str()];
    probe.note("the instance profile has the role", &holds.to_string());

    let (status, _) = replica.put(probe, &cluster, json!({})).await?;
    probe.note("the same PUT again", &status.to_string());
    let change = json!({"session_manager": true, "tags": {"team": "blue"}});
    let (status, binding) = replica.put(probe, &cluster, change).await?;
    probe.note("PUT of a change", &status.to_string());
    same_policy(probe, "IAM holds the changed policy", &binding).await?;
    let access = replica
        .fetch(&format!("/v1/clusters/{cluster}/role/access"))
        .await;
    let decisions = ["own_secrets", "other_secrets"].map(|kind| {
        let found = &access.body[kind];
        let found = found
            .as_array()
            .and_then(|all| all.first())
            .unwrap_or(found);
        format!("{kind}: {}", found["decision"])
    });
    probe.note("access", &decisions.join(", "));

    let (status, gone_binding) = replica.delete(probe, &cluster).await?;
    probe.note("DELETE", &status.to_string());
    let left = &gone_binding["receipt"]["left"];
    probe.note("the receipt: what is left", &left.to_string());
    gone(probe, "GetRole after DELETE", "GetRole", &this).await?;
    gone(
        probe,
        "GetInstanceProfile after DELETE",
        "GetInstanceProfile",
        &profile,
    )
    .await?;
    let (status, _) = replica.delete(probe, &cluster).await?;
    probe.note("the same DELETE again", &status.to_string());
    Ok(())
}

async fn passing(
    probe: &mut Probe,
    replica: &mut Replica,
    passed: &str,
    declared: &str,
) -> Result<(), Trouble> {
    for (what, role) in [
        ("a role by name", passed),
        ("a role with its profile", declared),
    ] {
        let short = if role == passed { "passed" } else { "declared" };
        let cluster = probe.run.cluster(short);
        let body = json!({"mode": "pass_through", "iam_role": role});
        let (status, binding) = replica.put(probe, &cluster, body).await?;
        let managed = &binding["instance_profile"]["managed"];
        probe.note(
            &format!("{what}: PUT"),
            &format!("{status}, made by the service {managed}"),
        );
        let name = text(&binding["instance_profile"]["name"]);
        let profile = Params::from(&[("InstanceProfileName", name.as_str())]);
        let read = probe.must("GetInstanceProfile", &profile).await?;
        let holds = read.texts("RoleName") == [text(&binding["role"]["name"])];
        probe.note(&format!("{what}: the profile has it"), &holds.to_string());
        let (status, _) = replica.delete(probe, &cluster).await?;
        probe.note(&format!("{what}: DELETE"), &status.to_string());
        if *managed == true {
            gone(
                probe,
                "its profile after DELETE",
                "GetInstanceProfile",
                &profile,
            )
            .await?;
        } else {
            probe
                .is_seen("GetInstanceProfile", &[("InstanceProfileName", &name)])
                .await?;
        }
    }
    let this = [("RoleName", passed)];
    probe.is_seen("GetRole", &this).await?;
    let held = held_policy(probe, passed).await?.to_string();
    probe.note("the prepared role afterwards", &held);
    Ok(())
}
