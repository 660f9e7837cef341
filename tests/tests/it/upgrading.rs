//! The service starts on a database that release 0.1 filled, and goes on with every binding.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use engine_roles_e2e::installation::PAST_A_LEASE;
use engine_roles_e2e::older_release::LEASES_END_AT;
use engine_roles_e2e::{Installation, eventually};
use serde_json::{Value, json};

/// The clusters of the dump, and the states in which their newest bindings end.
const ENDS: [(&str, &[&str]); 3] = [
    (
        "active",
        &[
            "active",
            "active-again",
            "active-changed",
            "active-checking",
            "active-declared",
            "active-pass-through",
            "active-unresolved",
            "active-with-drift",
            "active-with-everything",
            "active-with-rejected-change",
            "changing-expired",
            "provisioning-delayed",
            "provisioning-expired",
            "provisioning-leased",
            "provisioning-nothing-created",
            "withdrawing-change",
            "withdrawing-change-leased",
        ],
    ),
    (
        "deleted",
        &[
            "blocked",
            "closed",
            "deleted",
            "deleted-again",
            "deleted-pass-through",
            "deleted-unresolved",
            "deleting-delayed",
            "deleting-expired",
            "deleting-leased",
            "deleting-observing",
        ],
    ),
    (
        "failed",
        &[
            "failed",
            "failed-and-removed",
            "failed-withdrawing",
            "failed-withdrawing-leased",
        ],
    ),
];

/// Clusters on whose bindings a replica of the older release has a lease when the dump is taken.
const LEASED: [&str; 6] = [
    "active-checking",
    "deleting-leased",
    "failed-withdrawing-leased",
    "provisioning-leased",
    "provisioning-nothing-created",
    "withdrawing-change-leased",
];

/// Clusters whose last change was rejected.
const WITH_REJECTED_CHANGE: [&str; 3] = [
    "active-with-rejected-change",
    "withdrawing-change",
    "withdrawing-change-leased",
];

/// The number of events in the dump.
const EVENTS: usize = 137;

/// Roles and instance profiles that belong to no binding of this installation: an orphan, those of a
/// second installation, and what the administrator created.
const OF_OTHERS: [&str; 7] = [
    "ai-unlimited-active-4zzmuf6a63p5sqoh",
    "ai-unlimited-restored-aaaaaaaaaaaaaaaa",
    "declared",
    "declared-profile",
    "prepared-for-engines",
    "somebody-elses",
    "unreadable-role",
];

/// Findings of the checker that are expected: the orphan, the second installation's resources, what
/// somebody else added to a role, and tags of a rejected change, which the older release left.
const FINDINGS: [&str; 4] = [
    "ai-unlimited-restored-",
    "ai-unlimited-active-4zzmuf6a63p5sqoh",
    ": active-with-drift ",
    ": active-with-rejected-change ",
];

async fn start() -> Installation {
    let installation = Installation::build().older_release().rarely_checked();
    let installation = installation.start().await;
    installation.ready().await;
    installation
}

/// Returns the newest binding of each cluster, as the service answers.
async fn bindings(installation: &Installation) -> BTreeMap<String, Value> {
    let list = installation.client().list("limit=500").await;
    let items = list.expect(200)["items"].as_array().cloned();
    let items = items.expect("a list").into_iter();
    items
        .map(|binding| (text(&binding, "cluster"), binding))
        .collect()
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// Ends what blocks a teardown, as the administrator.
async fn unblock(installation: &Installation) {
    let blocked = installation.client().get("blocked").await;
    let role = text(&blocked.expect(200)["role"], "name");
    let parameters = [
        ("InstanceProfileName", "somebody-elses"),
        ("RoleName", role.as_str()),
    ];
    installation
        .administrator
        .call("RemoveRoleFromInstanceProfile", &parameters)
        .await;
}

/// Asserts that each cluster's newest binding is the one of the dump, in its final state.
fn assert_ended(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) {
    let mut expected = BTreeMap::new();
    for (state, clusters) in ENDS {
        expected.extend(
            clusters
                .iter()
                .map(|cluster| ((*cluster).to_owned(), state)),
        );
    }
    assert_eq!(
        after.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    for (cluster, state) in expected {
        let (before, after) = (&before[&cluster], &after[&cluster]);
        assert_eq!(after["state"], state, "{cluster}: {after:#}");
        for field in ["binding_id", "generation", "mode", "spec", "created_at"] {
            assert_eq!(after[field], before[field], "{cluster}: {field}");
        }
        if state == "active" {
            assert_eq!(
                after["applied_generation"], after["generation"],
                "{cluster}"
            );
            let rejected = WITH_REJECTED_CHANGE.contains(&cluster.as_str());
            assert_eq!(!after["last_error"].is_null(), rejected, "{cluster}");
        }
    }
}

#[tokio::test]
async fn a_lease_of_an_older_release_is_respected_until_it_ends() {
    let installation = start().await;
    installation.reaches("deleting-expired", "deleted").await;
    installation.reaches("provisioning-expired", "active").await;
    let ends = LEASES_END_AT.parse().expect("a time");
    let until = installation.database.real_time(ends).min(Utc::now());
    let calls = installation.calls(0).into_iter();
    let calls = calls.filter(|call| installation.time_of(call) < until);
    let named: BTreeSet<String> = calls
        .flat_map(|call| call.params.into_values())
        .filter(|value| LEASED.iter().any(|cluster| value.contains(cluster)))
        .collect();
    assert_eq!(named, BTreeSet::new());
    installation.advance(PAST_A_LEASE).await;
    installation.reaches("provisioning-leased", "active").await;
}

#[tokio::test]
async fn every_binding_of_an_older_release_reaches_its_end_and_can_be_torn_down() {
    let installation = start().await;
    let before = bindings(&installation).await;
    unblock(&installation).await;
    installation.advance(PAST_A_LEASE).await;
    installation.becomes_idle().await;
    assert_ended(&before, &bindings(&installation).await);
    let mut breaches = installation.breaches_when_idle().await;
    breaches.retain(|breach| !FINDINGS.iter().any(|expected| breach.contains(expected)));
    assert_eq!(breaches, [""; 0]);

    let client = installation.client().waiting_longest();
    for (_, clusters) in ENDS {
        for cluster in clusters {
            let gone = client.delete(cluster).await;
            assert_eq!(gone.expect(200)["state"], "deleted", "{cluster}");
        }
    }
    let state = installation.sandbox.state();
    let resources = [&state["roles"], &state["instance_profiles"]];
    let resources = resources.into_iter().filter_map(Value::as_array).flatten();
    let names: BTreeSet<String> = resources.map(|found| text(found, "name")).collect();
    assert_eq!(names, OF_OTHERS.map(str::to_owned).into());
}

#[tokio::test]
async fn events_of_an_older_release_are_followed_by_new_ones_without_a_gap() {
    let installation = start().await;
    let client = installation.client().waiting_longest();
    client.provision("new").await.expect(201);
    client.provision("deleted-again").await.expect(201);
    // The newest events get their numbers only after the requests were answered.
    let events = eventually("the new events are numbered", async || {
        let page = client.audit("limit=1000").await;
        let events = page.expect(200)["items"].as_array().cloned()?;
        let is_complete = ["new", "deleted-again"].iter().all(|cluster| {
            let newest = events
                .iter()
                .rev()
                .find(|event| event["cluster"] == *cluster);
            newest.is_some_and(|event| event["action"] == "provisioned")
        });
        is_complete.then_some(events)
    })
    .await;
    let numbers: Vec<&Value> = events.iter().map(|event| &event["seq"]).collect();
    let expected: Vec<Value> = (1..=events.len()).map(|number| json!(number)).collect();
    assert_eq!(numbers, expected.iter().collect::<Vec<_>>());
    assert!(events.len() >= EVENTS + 4, "{} events", events.len());
}
