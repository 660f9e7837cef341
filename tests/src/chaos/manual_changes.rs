//! Changes to our resources by hand, as an administrator could make them.

use serde_json::Value;

use crate::installation::Installation;
use crate::random::Random;

const OTHER: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;

/// The name of a role that got an additional inline policy.
pub(super) type Addition = String;

/// Makes a random change to one of our resources. Returns its description and the addition to undo
/// later; `None` when the service has no resources.
pub(super) async fn change_by_hand(
    installation: &Installation,
    random: &mut Random,
) -> Option<(String, Option<Addition>)> {
    let state = installation.sandbox.state();
    let ours = |kind: &str| -> Vec<String> {
        let all = state[kind].as_array().into_iter().flatten();
        let ours = all.filter(|found| {
            let path = found["path"].as_str().unwrap_or_default();
            path.starts_with("/ai-unlimited/engine/")
        });
        ours.filter_map(|found| found["name"].as_str().map(str::to_owned))
            .collect()
    };
    let (roles, profiles) = (ours("roles"), ours("instance_profiles"));
    if roles.is_empty() || profiles.is_empty() {
        return None;
    }
    let role = random.pick(&roles).clone();
    let profile = random.pick(&profiles).clone();
    let (on_role, on_profile) = (
        ("RoleName", role.as_str()),
        ("InstanceProfileName", profile.as_str()),
    );
    let own = ("PolicyName", "engine-access");
    let other = ("PolicyDocument", OTHER);
    // Changes our tag if the role has one, otherwise adds a foreign tag.
    let team = installation
        .role(&role)
        .is_some_and(|role| !role["tags"]["team"].is_null());
    let tag = [
        (
            "Tags.member.1.Key",
            if team { "team" } else { "cost-center" },
        ),
        ("Tags.member.1.Value", "theirs"),
    ];
    let mut addition = None;
    let (action, parameters) = match random.below(6) {
        0 => ("PutRolePolicy", vec![on_role, own, other]),
        1 => ("DeleteRolePolicy", vec![on_role, own]),
        2 => ("TagRole", vec![on_role, tag[0], tag[1]]),
        3 => (
            "RemoveRoleFromInstanceProfile",
            vec![on_profile, ("RoleName", profile.as_str())],
        ),
        4 => {
            addition = Some(role.clone());
            (
                "PutRolePolicy",
                vec![on_role, ("PolicyName", "theirs"), other],
            )
        }
        _ => ("TagInstanceProfile", vec![on_profile, tag[0], tag[1]]),
    };
    // The call fails when the resource was removed meanwhile.
    let done = installation
        .administrator
        .try_call(action, &parameters)
        .await;
    Some((format!("{action} {role} {profile}: {done}"), addition))
}

/// Removes the additional inline policies.
pub(super) async fn undo(installation: &Installation, additions: Vec<Addition>) {
    for role in additions {
        let exists = installation
            .role(&role)
            .is_some_and(|role| role["inline"]["theirs"] != Value::Null);
        if exists {
            let parameters = [("RoleName", role.as_str()), ("PolicyName", "theirs")];
            installation
                .administrator
                .call("DeleteRolePolicy", &parameters)
                .await;
        }
    }
}
