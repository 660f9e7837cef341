//! A database and an AWS account as release 0.1 left them, with bindings in every state.
//!
//! `crates/store/tests/older_release/database.sql` says how they were made.

use chrono::{DateTime, Utc};
use engine_roles_iam_sandbox::Sandbox;
use serde_json::Value;

use crate::administrator::Administrator;
use crate::database::Database;

const DATABASE: &str = include_str!("../../crates/store/tests/older_release/database.sql");
const ACCOUNT: &str = include_str!("../../crates/store/tests/older_release/account.json");

/// The pass-through roles that the older release was configured with.
pub const PASS_THROUGH_ROLES: &str = "prepared-for-engines,\
     arn:aws:iam::123456789012:role/declared=declared-profile,absent-role,unreadable-role";

/// Until then, by the database's clock, the leases last that a replica of the older release holds.
pub const LEASES_END_AT: &str = "2026-11-26T04:08:32Z";

/// Creates the account's resources as its administrator, fills the empty database, and sets the
/// database's clock to the time at which both were taken.
///
/// AWS gives the resources new unique ids, so these replace the old ones in the database. The rows
/// of the second installation are left out, because no replica works on them.
///
/// # Panics
/// When the database is not empty, or the account has one of the roles or instance profiles.
pub async fn restore(database: &Database, administrator: &Administrator, sandbox: &Sandbox) {
    let account: Value = serde_json::from_str(ACCOUNT).expect("the file is JSON");
    let present = sandbox.state();
    for policy in list(&account, "policies") {
        let is_new = list(&present, "policies").all(|found| found["arn"] != policy["arn"]);
        if is_new {
            let name = text(policy, "arn").rsplit('/').next().unwrap_or_default();
            administrator.create_policy(name, &policy["document"]).await;
        }
    }
    for role in list(&account, "roles") {
        create_role(administrator, role).await;
    }
    for profile in list(&account, "instance_profiles") {
        create_instance_profile(administrator, profile).await;
    }
    let created = sandbox.state();
    let rows = DATABASE.split_inclusive('\n');
    let rows = rows.filter(|row| !(row.starts_with("INSERT") && row.contains("'other'")));
    let mut dump: String = rows.collect();
    for kind in ["roles", "instance_profiles"] {
        for old in list(&account, kind) {
            let new = list(&created, kind).find(|new| new["name"] == old["name"]);
            let new = new.expect("the resource was just created");
            dump = dump.replace(text(old, "id"), text(new, "id"));
        }
    }
    database.execute(&dump).await;
    let taken_at: DateTime<Utc> = text(&account, "taken_at").parse().expect("a time");
    database.set_clock(taken_at).await;
}

async fn create_role(administrator: &Administrator, role: &Value) {
    let name = text(role, "name");
    let trust = role["trust"].to_string();
    let tags = tags(role);
    let mut parameters = vec![
        ("RoleName", name),
        ("Path", text(role, "path")),
        ("AssumeRolePolicyDocument", &trust),
    ];
    parameters.extend(
        role["boundary"]
            .as_str()
            .map(|arn| ("PermissionsBoundary", arn)),
    );
    parameters.extend(tags.iter().map(|(key, value)| (key.as_str(), *value)));
    administrator.call("CreateRole", &parameters).await;
    for (policy, document) in role["inline"].as_object().into_iter().flatten() {
        administrator.write_policy(name, policy, document).await;
    }
    for policy in list(role, "attached") {
        let policy = policy.as_str().unwrap_or_default();
        let parameters = [("RoleName", name), ("PolicyArn", policy)];
        administrator.call("AttachRolePolicy", &parameters).await;
    }
}

async fn create_instance_profile(administrator: &Administrator, profile: &Value) {
    let name = text(profile, "name");
    let tags = tags(profile);
    let mut parameters = vec![
        ("InstanceProfileName", name),
        ("Path", text(profile, "path")),
    ];
    parameters.extend(tags.iter().map(|(key, value)| (key.as_str(), *value)));
    administrator
        .call("CreateInstanceProfile", &parameters)
        .await;
    for role in list(profile, "roles") {
        let role = role.as_str().unwrap_or_default();
        let parameters = [("InstanceProfileName", name), ("RoleName", role)];
        administrator
            .call("AddRoleToInstanceProfile", &parameters)
            .await;
    }
}

/// Returns the parameters for a resource's tags.
fn tags(resource: &Value) -> Vec<(String, &str)> {
    let tags = resource["tags"].as_object().into_iter().flatten();
    let tags = (1..).zip(tags).flat_map(|(number, (key, value))| {
        [
            (format!("Tags.member.{number}.Key"), key.as_str()),
            (
                format!("Tags.member.{number}.Value"),
                value.as_str().unwrap_or_default(),
            ),
        ]
    });
    tags.collect()
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
