//! How long teardowns take that a crash interrupted.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{installation_of, settings};
use crate::polling::eventually;
use crate::{Installation, Service};

/// The longest wait for the end of all teardowns.
const LIMIT: Duration = Duration::from_mins(6);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Longer than the consistency window, so that a teardown believes what it reads.
const AFTER_PROVISIONING: Duration = Duration::from_mins(3);

/// What is measured.
#[derive(Clone, Debug)]
pub struct Crash {
    /// How many teardowns are in progress at the crash.
    pub clusters: usize,
    /// How long each call to AWS takes.
    pub latency: Duration,
    /// Variables of the service's environment that differ from the defaults.
    pub environment: Vec<(String, String)>,
}

impl Default for Crash {
    fn default() -> Self {
        Self {
            clusters: 10,
            latency: Duration::from_millis(300),
            environment: Vec::new(),
        }
    }
}

/// The times from the restart of the only replica, in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Recovery {
    /// Until no role has an inline policy.
    pub grants_removed: f64,
    /// Until no role and no instance profile is left, and every binding is `deleted`.
    pub teardowns_done: f64,
    pub clusters: usize,
    pub latency_ms: u128,
    /// The settings of the service on which the times depend.
    pub settings: Value,
}

/// Kills the only replica while its teardowns are in the first stage, starts it again at once, and
/// measures until the teardowns are done.
///
/// # Panics
/// When the teardowns do not all begin within six minutes, or are not all done within another six.
pub async fn recovery(binary: &Path, crash: &Crash) -> Recovery {
    let mut builder = installation_of(binary).sandbox(|sandbox| sandbox.latency = crash.latency);
    for (name, value) in &crash.environment {
        builder = builder.env(name, value);
    }
    let mut installation = builder.start().await;
    let clusters: Vec<String> = (0..crash.clusters).map(|n| format!("c{n}")).collect();
    provision(&installation, &clusters).await;
    let since = installation.mark();
    // The second stage can't begin before the kill.
    installation.set_faults(json!([{
        "action": "GetRole", "when": "before", "do": {"hang_ms": 600_000}, "times": 1_000_000,
    }]));
    let client = installation.client().without_waiting();
    // The replica may be killed before it answers.
    let teardowns = clusters.iter().map(|cluster| {
        let request = client.request(reqwest::Method::DELETE, &crate::client::role(cluster));
        let client = client.clone();
        tokio::spawn(async move { client.try_send(request).await.map(drop) })
    });
    let teardowns: Vec<_> = teardowns.collect();
    in_first_stage(&installation, since, crash.clusters).await;
    installation.replicas[0].kill().await;
    let removed = began(&installation, since, "DeleteRolePolicy");
    assert_eq!(removed, 0, "the second stage began before the kill");
    installation.set_faults(json!([]));
    for teardown in teardowns {
        // Without an answer the request was recorded nevertheless: its calls have begun.
        let _ = teardown.await;
    }
    let restarted = Instant::now();
    let environment = installation.environment().clone();
    let starting = Service::start_binary(binary, &environment);
    let (service, (grants_removed, teardowns_done)) =
        tokio::join!(starting, watch(&installation, restarted));
    installation.replicas[0] = service;
    Recovery {
        grants_removed,
        teardowns_done,
        clusters: crash.clusters,
        latency_ms: crash.latency.as_millis(),
        settings: settings::of(binary, &environment),
    }
}

/// Provisions the clusters, and waits until the service has read back what was written.
async fn provision(installation: &Installation, clusters: &[String]) {
    let client = installation.client().waiting_longest();
    let provisioned = clusters.iter().map(|cluster| client.provision(cluster));
    for answer in join_all(provisioned).await {
        answer.expect(201);
    }
    installation.advance(AFTER_PROVISIONING).await;
    for cluster in clusters {
        eventually("the role is verified", async || {
            let binding = client.get(cluster).await;
            binding.expect(200)["verified_at"].as_str().map(drop)
        })
        .await;
    }
}

/// Waits until all teardowns have sent both calls of the first stage.
async fn in_first_stage(installation: &Installation, since: u64, clusters: usize) {
    let started = Instant::now();
    let begun = |read: &str, parameter: &str| {
        let calls = installation.calls(since);
        let calls = calls.iter().filter(|call| call.action == read);
        let of = calls.filter_map(|call| call.params.get(parameter).cloned());
        of.collect::<BTreeSet<_>>().len()
    };
    while begun("GetRole", "RoleName") < clusters
        || begun("GetInstanceProfile", "InstanceProfileName") < clusters
    {
        assert!(started.elapsed() < LIMIT, "the teardowns do not begin");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Returns how many calls of this name have begun after a mark.
fn began(installation: &Installation, since: u64, action: &str) -> usize {
    let calls = installation.calls(since);
    calls.iter().filter(|call| call.action == action).count()
}

/// Returns the seconds until all grants are removed, and until all teardowns are done.
async fn watch(installation: &Installation, since: Instant) -> (f64, f64) {
    #[derive(Deserialize)]
    struct Count {
        left: i64,
    }
    let mut grants_removed = None;
    loop {
        let state = installation.sandbox.state();
        let elapsed = since.elapsed();
        let list = |kind: &str| state[kind].as_array().cloned().unwrap_or_default();
        let (roles, profiles) = (list("roles"), list("instance_profiles"));
        let has_grant = |role: &Value| {
            role["inline"]
                .as_object()
                .is_some_and(|inline| !inline.is_empty())
        };
        if !roles.iter().any(has_grant) {
            grants_removed.get_or_insert(elapsed);
        }
        if let Some(grants_removed) = grants_removed
            && roles.is_empty()
            && profiles.is_empty()
        {
            let left = "SELECT count(*) AS left FROM bindings WHERE state <> 'deleted'";
            let left: Vec<Count> = installation.database.rows(left).await;
            if left.iter().all(|count| count.left == 0) {
                return (grants_removed.as_secs_f64(), since.elapsed().as_secs_f64());
            }
        }
        assert!(elapsed < LIMIT, "the teardowns are not done: {state:#}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
