//! What administrators decide: whether the service probes its own permissions.

use std::collections::BTreeSet;

use engine_roles_e2e::service::command;
use engine_roles_e2e::{Installation, InstallationBuilder};
use serde_json::{Value, json};

/// Returns the calls that only the detection of capabilities makes: to the simulator, and about the
/// service's own role or the role of the probes.
fn probes(installation: &Installation) -> BTreeSet<String> {
    let calls = installation.calls(0).into_iter();
    let probes = calls.filter(|call| {
        let parameters = format!("{:?}", call.params);
        let about_own = ["engine-roles-service", "engine-roles-probe-"];
        call.action.starts_with("Simulate")
            || about_own.iter().any(|name| parameters.contains(name))
    });
    probes.map(|call| call.action).collect()
}

async fn capabilities(installation: &Installation) -> Value {
    let answer = installation.client().fetch("/v1/capabilities").await;
    answer.expect(200).clone()
}

fn create_feature(found: &Value) -> &Value {
    let mut features = found["features"].as_array().into_iter().flatten();
    let create = features.find(|feature| feature["feature"] == "create");
    create.expect("the feature is reported")
}

/// An installation whose identity may do nothing but create roles.
fn may_create_only() -> InstallationBuilder {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": [
                "iam:CreateRole", "iam:TagRole", "iam:PutRolePolicy", "iam:PassRole",
                "iam:CreateInstanceProfile", "iam:TagInstanceProfile", "iam:AddRoleToInstanceProfile",
            ],
            "Resource": "*",
        }],
    });
    Installation::build()
        .rarely_checked()
        .sandbox(|sandbox| sandbox.identity_policy = Some(policy))
}

#[tokio::test]
async fn without_probes_only_real_work_shows_what_the_identity_may_do() {
    // With probes, the calls are made that this test looks for.
    let probing = may_create_only().start().await;
    capabilities(&probing).await;
    let made = probes(&probing);
    assert!(made.contains("SimulatePrincipalPolicy"), "{made:?}");
    assert!(made.contains("GetRole"), "{made:?}");

    let installation = may_create_only()
        .env("ENGINE_ROLES_PROBES", "off")
        .start()
        .await;
    let found = capabilities(&installation).await;
    assert_eq!(found["found_by"], json!([]));
    assert!(found["identity"].is_string(), "{found:#}");
    for feature in found["features"].as_array().into_iter().flatten() {
        let status = feature["status"].as_str().unwrap_or_default();
        assert!(["unknown", "unused"].contains(&status), "{feature:#}");
    }
    let create = create_feature(&found);
    assert_eq!(create["status"], "unknown");
    let reason = create["reasons"][0].as_str().unwrap_or_default();
    assert!(reason.contains("ENGINE_ROLES_PROBES"), "{create:#}");

    installation.client().provision("one").await.expect(201);
    let found = capabilities(&installation).await;
    assert_eq!(found["found_by"], json!(["remembered"]));
    let unknown = &create_feature(&found)["unknown_permissions"];
    let unknown = unknown.as_array().expect("a list");
    assert!(!unknown.contains(&json!("iam:CreateRole")), "{found:#}");
    let mut check = command(&["check"], installation.environment());
    let checked = tokio::task::spawn_blocking(move || check.output()).await;
    let checked = checked.expect("no panic").expect("the binary can be run");
    let printed = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{checked:?}");
    assert!(printed.contains("ENGINE_ROLES_PROBES"), "{printed}");
    assert_eq!(probes(&installation), BTreeSet::new());
}
