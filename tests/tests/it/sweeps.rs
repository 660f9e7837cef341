//! The bulk drift sweep and the single checks find the same drift.

use std::collections::BTreeMap;
use std::time::Duration;

use engine_roles_e2e::{Installation, eventually};
use serde_json::{Value, json};

const OTHER_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const OTHER_POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;

/// A manual change: an action with its parameters, in which `ROLE` and `PROFILE` stand for the names
/// of the cluster's resources.
type Deed = (&'static str, &'static [(&'static str, &'static str)]);

const DEEDS: [(&str, &[Deed]); 12] = [
    ("nothing", &[]),
    (
        "policy-changed",
        &[(
            "PutRolePolicy",
            &[
                ("RoleName", "ROLE"),
                ("PolicyName", "engine-access"),
                ("PolicyDocument", OTHER_POLICY),
            ],
        )],
    ),
    ("policy-missing", &[("DeleteRolePolicy", &OUR_POLICY)]),
    (
        "tags-changed",
        &[(
            "TagRole",
            &[
                ("RoleName", "ROLE"),
                ("Tags.member.1.Key", "team"),
                ("Tags.member.1.Value", "theirs"),
            ],
        )],
    ),
    (
        "role-out-of-profile",
        &[("RemoveRoleFromInstanceProfile", &IN_PROFILE)],
    ),
    (
        "other-role-in-profile",
        &[
            ("RemoveRoleFromInstanceProfile", &IN_PROFILE),
            (
                "AddRoleToInstanceProfile",
                &[("RoleName", "theirs"), ("InstanceProfileName", "ROLE")],
            ),
        ],
    ),
    (
        "foreign-inline-policy",
        &[(
            "PutRolePolicy",
            &[
                ("RoleName", "ROLE"),
                ("PolicyName", "theirs"),
                ("PolicyDocument", OTHER_POLICY),
            ],
        )],
    ),
    (
        "foreign-managed-policy",
        &[(
            "AttachRolePolicy",
            &[("RoleName", "ROLE"), ("PolicyArn", EXTRA)],
        )],
    ),
    (
        "trust-changed",
        &[(
            "UpdateAssumeRolePolicy",
            &[("RoleName", "ROLE"), ("PolicyDocument", OTHER_TRUST)],
        )],
    ),
    (
        "boundary-changed",
        &[(
            "PutRolePermissionsBoundary",
            &[("RoleName", "ROLE"), ("PermissionsBoundary", EXTRA)],
        )],
    ),
    (
        "role-deleted",
        &[
            ("RemoveRoleFromInstanceProfile", &IN_PROFILE),
            ("DeleteRolePolicy", &OUR_POLICY),
            ("DeleteRole", &[("RoleName", "ROLE")]),
        ],
    ),
    (
        "profile-deleted",
        &[
            ("RemoveRoleFromInstanceProfile", &IN_PROFILE),
            ("DeleteInstanceProfile", &[("InstanceProfileName", "ROLE")]),
        ],
    ),
];
const IN_PROFILE: [(&str, &str); 2] = [("RoleName", "ROLE"), ("InstanceProfileName", "ROLE")];
const OUR_POLICY: [(&str, &str); 2] = [("RoleName", "ROLE"), ("PolicyName", "engine-access")];
const EXTRA: &str = "arn:aws:iam::123456789012:policy/extra";

/// The kinds of drift of each cluster, and the number of calls that found them.
struct Found {
    kinds: BTreeMap<String, Vec<Value>>,
    listings: usize,
    one_by_one: usize,
}

/// Creates a role for each change, makes the change, and advances the clocks so far that the checks
/// of one kind become due.
async fn find(installation: &Installation, ahead: Duration) -> Found {
    installation.administrator.prepare_role("theirs").await;
    installation.administrator.prepare_policy("extra").await;
    let client = installation.client();
    let mut names = BTreeMap::new();
    for (cluster, _) in DEEDS {
        let body = json!({"tags": {"team": "ours"}});
        let created = client.put(cluster, body).await;
        let name = created.expect(201)["role"]["name"]
            .as_str()
            .map(str::to_owned);
        names.insert(cluster, name.expect("the role has a name"));
    }
    for (cluster, _) in DEEDS {
        installation.is_verified_in_time(cluster).await;
    }
    for (cluster, deeds) in DEEDS {
        for (action, parameters) in deeds {
            let parameters: Vec<(&str, &str)> = parameters
                .iter()
                .map(|(key, value)| {
                    (
                        *key,
                        if *value == "ROLE" {
                            &names[cluster]
                        } else {
                            *value
                        },
                    )
                })
                .collect();
            installation.administrator.call(action, &parameters).await;
        }
    }
    let since = installation.mark();
    installation.advance(ahead).await;
    eventually("all but one have drifted", async || {
        let bindings = installation.database.bindings().await;
        let drifted = bindings.iter().filter(|binding| binding.drift != json!([]));
        (drifted.count() == DEEDS.len() - 1).then_some(())
    })
    .await;
    let bindings = installation.database.bindings().await.into_iter();
    let kinds = bindings.map(|binding| {
        let drift = binding.drift.as_array().cloned().unwrap_or_default();
        let kinds = drift.iter().map(|drift| drift["kind"].clone()).collect();
        (binding.cluster, kinds)
    });
    let calls = installation.iam_calls(since);
    let count = |action: &str| calls.iter().filter(|call| call.action == action).count();
    Found {
        kinds: kinds.collect(),
        listings: count("GetAccountAuthorizationDetails"),
        one_by_one: count("GetRole"),
    }
}

fn hourly() -> engine_roles_e2e::InstallationBuilder {
    Installation::build()
        .env("ENGINE_ROLES_RECONCILE_INTERVAL", "2h")
        .env("ENGINE_ROLES_DRIFT", "report")
        .env("ENGINE_ROLES_ORPHANS", "off")
}

#[tokio::test]
async fn the_bulk_sweep_finds_the_same_drift_as_single_checks() {
    // A sweep is due after half of the interval. A single check is not due before half of the
    // interval since the last check.
    let swept = hourly().start().await;
    let bulk = find(&swept, Duration::from_mins(59)).await;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "iam:GetAccountAuthorizationDetails", "Resource": "*"},
        ],
    });
    let checked = hourly()
        .sandbox(|sandbox| sandbox.identity_policy = Some(policy))
        .start()
        .await;
    let alone = find(&checked, Duration::from_mins(121)).await;
    assert_eq!(bulk.kinds, alone.kinds);
    assert_eq!(bulk.kinds["nothing"], Vec::<Value>::new());
    for (cluster, kinds) in &bulk.kinds {
        let named = kinds.iter().any(|kind| *kind == cluster.replace('-', "_"));
        assert!(named || cluster == "nothing", "{cluster}: {kinds:?}");
    }
    // One page of one listing, and one observation of each binding with drift.
    assert_eq!(bulk.listings, 1);
    assert_eq!(bulk.one_by_one, DEEDS.len() - 1);
    assert_eq!(alone.one_by_one, DEEDS.len());
}
