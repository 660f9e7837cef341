//! A database that the last release left, with bindings in every state, is migrated and served.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use engine_roles_e2e::installation::PAST_A_LEASE;
use engine_roles_e2e::release_dump::{AUDIT_KEY, Contents, contents};
use engine_roles_e2e::{Installation, eventually};
use serde_json::Value;

/// The clusters of the dump, and the states in which their newest bindings end.
const ENDS: [(&str, &[&str]); 3] = [
    (
        "active",
        &[
            "active",
            "active-again",
            "active-changed",
            "active-declared",
            "active-pass-through",
            "active-with-drift",
            "active-with-everything",
            "active-with-rejected-change",
            "changing-delayed",
            "changing-leased",
            "provisioning-delayed",
            "provisioning-leased",
            "withdrawing-change",
        ],
    ),
    (
        "deleted",
        &[
            "blocked",
            "deleted",
            "deleted-again",
            "deleted-pass-through",
            "deleting-delayed",
            "deleting-leased",
        ],
    ),
    (
        "failed",
        &["failed", "failed-and-removed", "failed-withdrawing"],
    ),
];

/// Fields of a binding that no work of the service changes.
const KEPT: [&str; 5] = ["binding_id", "mode", "spec", "account_id", "created_at"];

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// Restores the dump and starts a service that may not migrate; then migrates with the command.
async fn migrated(files: &tempfile::TempDir) -> (Installation, Contents) {
    let key = files.path().join("key.pem");
    fs::write(&key, AUDIT_KEY).expect("written");
    let installation = Installation::build()
        .last_release()
        .unpooled()
        .rarely_checked()
        .env("ENGINE_ROLES_MIGRATE", "never")
        .env("ENGINE_ROLES_AUDIT_KEY_FILE", key.to_string_lossy())
        .start()
        .await;
    let output = installation.run(&["migrate"], &[]);
    assert!(output.status.success(), "{output:?}");
    installation.ready().await;
    (installation, contents())
}

/// Returns the newest binding of each cluster, as the service answers.
async fn bindings(installation: &Installation) -> BTreeMap<String, Value> {
    let list = installation.client().list("limit=500").await;
    by_cluster(list.expect(200)["items"].as_array().into_iter().flatten())
}

fn by_cluster<'a>(bindings: impl Iterator<Item = &'a Value>) -> BTreeMap<String, Value> {
    let named = bindings.map(|binding| (text(binding, "cluster"), binding.clone()));
    named.collect()
}

/// Whether nothing is in progress, so that the service leaves the binding as it is.
fn is_at_rest(binding: &Value) -> bool {
    let state = text(binding, "state");
    let is_withdrawing = text(binding, "cluster") == "failed-withdrawing";
    ["active", "blocked", "deleted", "failed"].contains(&state.as_str()) && !is_withdrawing
}

fn names_of(account: &Value) -> BTreeSet<String> {
    let all = ["roles", "instance_profiles"].map(|kind| account[kind].as_array());
    let all = all.into_iter().flatten().flatten();
    all.map(|found| text(found, "name")).collect()
}

#[test]
fn the_dump_has_bindings_keys_and_verdicts_in_every_state() {
    let contents = contents();
    let states = |bindings: &[Value]| -> BTreeSet<String> {
        bindings.iter().map(|one| text(one, "state")).collect()
    };
    let expected = [
        "active",
        "blocked",
        "deleted",
        "deleting",
        "failed",
        "provisioning",
    ];
    assert_eq!(
        states(&contents.bindings),
        expected.map(str::to_owned).into()
    );
    let verdicts = contents.pass_through_roles.iter();
    let verdicts: BTreeSet<String> = verdicts.map(|role| text(role, "verdict")).collect();
    let expected = ["declared", "fit", "indeterminate", "unfit"];
    assert_eq!(verdicts, expected.map(str::to_owned).into());
    let keys: Vec<&str> = contents
        .keys
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(keys, ["valid", "limited", "expired", "revoked"]);
    assert_eq!(contents.orphans.len(), 1);
    let ends = ENDS.iter().flat_map(|(_, clusters)| *clusters);
    let ends: BTreeSet<String> = ends.map(|cluster| (*cluster).to_owned()).collect();
    assert_eq!(
        by_cluster(contents.bindings.iter())
            .into_keys()
            .collect::<BTreeSet<_>>(),
        ends
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_binding_is_read_as_the_last_release_answered_it() {
    let files = tempfile::tempdir().expect("a directory");
    let (installation, contents) = migrated(&files).await;
    let found = bindings(&installation).await;
    for (cluster, before) in by_cluster(contents.bindings.iter()) {
        let after = &found[&cluster];
        if is_at_rest(&before) {
            assert_eq!(*after, before, "{cluster}");
        }
        for field in KEPT {
            assert_eq!(after[field], before[field], "{cluster}: {field}");
        }
    }
    // Past incarnations too, each with its receipt.
    for (cluster, number) in [("active-again", 2), ("deleted-again", 2), ("active", 1)] {
        let path = format!("/v1/clusters/{cluster}/incarnations");
        let answer = installation.client().fetch(&path).await;
        let items = answer.expect(200)["items"].as_array().cloned();
        assert_eq!(items.map(|all| all.len()), Some(number), "{cluster}");
    }
    for (name, status) in [
        ("valid", 200),
        ("limited", 403),
        ("expired", 401),
        ("revoked", 401),
    ] {
        let key = contents.keys.iter().find(|(found, _)| found == name);
        let (_, key) = key.expect("the dump has the key");
        let bearer = format!("Bearer {key}");
        let client = installation.client().anonymous();
        let client = client.with("authorization", &bearer);
        assert_eq!(client.get("deleted").await.status, status, "{name}");
    }
    let answer = installation.client().fetch("/v1/pass-through-roles").await;
    let roles = answer.expect(200)["items"].as_array().cloned();
    let names: BTreeSet<String> = roles
        .iter()
        .flatten()
        .map(|role| text(role, "role"))
        .collect();
    let before = contents.pass_through_roles.iter();
    assert_eq!(names, before.map(|role| text(role, "role")).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_progress_is_completed_and_nothing_else_is_removed() {
    let files = tempfile::tempdir().expect("a directory");
    let (installation, contents) = migrated(&files).await;
    let before = by_cluster(contents.bindings.iter());
    let blocked = text(&before["blocked"]["role"], "name");
    let member = [
        ("InstanceProfileName", "somebody-elses"),
        ("RoleName", blocked.as_str()),
    ];
    installation
        .administrator
        .call("RemoveRoleFromInstanceProfile", &member)
        .await;
    installation.advance(PAST_A_LEASE).await;
    installation.becomes_idle().await;
    let after = bindings(&installation).await;
    // Everything that may be gone afterwards belongs to a binding that ended.
    let mut may_be_gone = BTreeSet::new();
    for (state, clusters) in ENDS {
        for cluster in clusters {
            let (old, new) = (&before[*cluster], &after[*cluster]);
            assert_eq!(new["state"], state, "{cluster}: {new:#}");
            for field in KEPT {
                assert_eq!(new[field], old[field], "{cluster}: {field}");
            }
            if state == "active" {
                // A role that was not created yet had no id.
                if !old["role"]["id"].is_null() {
                    assert_eq!(new["role"], old["role"], "{cluster}");
                }
                assert_eq!(new["applied_generation"], new["generation"], "{cluster}");
            } else {
                may_be_gone.insert(text(&old["role"], "name"));
                may_be_gone.insert(text(&old["instance_profile"], "name"));
            }
        }
    }
    let (old, new) = (
        names_of(&contents.account),
        names_of(&installation.sandbox.state()),
    );
    let gone: BTreeSet<String> = old.difference(&new).cloned().collect();
    let wrongly: Vec<&String> = gone.difference(&may_be_gone).collect();
    assert!(!gone.is_empty() && wrongly.is_empty(), "{wrongly:?}");
    for orphan in &contents.orphans {
        assert!(new.contains(orphan), "{orphan}");
    }
    let client = installation.client().waiting_longest();
    for cluster in ENDS[0].1 {
        let gone = client.delete(cluster).await;
        assert_eq!(gone.expect(200)["state"], "deleted", "{cluster}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_goes_on_without_a_gap_and_extends_the_last_checkpoint() {
    let files = tempfile::tempdir().expect("a directory");
    let (installation, contents) = migrated(&files).await;
    let path = |name: &str| files.path().join(name).to_string_lossy().into_owned();
    let old: usize = contents
        .checkpoint
        .lines()
        .nth(1)
        .expect("a size")
        .parse()
        .expect("a number");
    installation.client().provision("new").await.expect(201);
    installation.events_are_numbered().await;
    let events = installation.database.events().await.len();
    let new = eventually("the new events are signed", async || {
        let answer = installation.client().fetch("/v1/audit/checkpoint").await;
        let size = answer.text.lines().nth(1)?.parse::<usize>().ok()?;
        (answer.status == 200 && size >= events).then_some(answer.text)
    })
    .await;
    assert!(events > old, "{events} events, {old} of them before");
    let address = format!("http://{}", installation.replicas[0].address());
    let reading = [
        ("ENGINE_ROLES_ADDR", address.as_str()),
        ("ENGINE_ROLES_API_KEY", installation.key()),
    ];
    let export = installation.run(&["audit", "export"], &reading);
    let key = installation.run(&["audit", "public-key"], &[]);
    for (name, contents) in [
        ("export", export.stdout.as_slice()),
        ("log.pub", &key.stdout),
        ("old.checkpoint", contents.checkpoint.as_bytes()),
        ("new.checkpoint", new.as_bytes()),
    ] {
        fs::write(files.path().join(name), contents).expect("written");
    }
    let checkpoints = [path("old.checkpoint"), path("new.checkpoint")];
    let (export, key) = (path("export"), path("log.pub"));
    let verified = installation.run(
        &[
            "audit",
            "verify",
            &export,
            "--key",
            &key,
            "--checkpoint",
            &checkpoints[0],
            &checkpoints[1],
        ],
        &[("DATABASE_URL", "")],
    );
    assert!(verified.status.success(), "{verified:?}");
}
