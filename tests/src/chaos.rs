//! A randomized test: concurrent callers, faults, kills and stops of replicas, manual changes and
//! failures of Postgres. Afterwards the disturbances end, the service becomes idle, and the checker
//! runs.

mod caller;
mod disturbances;
mod manual_changes;
mod time;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::RwLock as Gate;

use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::installation::Installation;
use crate::installation::PAST_A_LEASE;
use crate::kill_points::PREPARED_ROLE;
use crate::random::Random;

/// The number of clusters, small so that callers interfere with each other.
const CLUSTERS: usize = 8;
const CALLERS: u64 = 6;
/// How stale reads may be, in seconds; the seed chooses one. The sum with [`LATEST_EFFECT`] is inside
/// the consistency window: the service can't tell an effect that comes later from one that never
/// comes.
const STALE_READS: [u64; 3] = [0, 15, 30];
/// How long a call may hang before its effect, in milliseconds.
const LATEST_EFFECT: usize = 24_000;

/// The settings of a run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The seed of all random choices. The timing depends on the machine.
    pub seed: u64,
    /// How long the disturbances last.
    pub length: Duration,
    pub replicas: usize,
    /// Whether each journal line is printed at once.
    pub verbose: bool,
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// How often each kind of event occurred.
    pub counts: BTreeMap<String, usize>,
    /// All events, with the seconds since the start.
    pub journal: Vec<String>,
    /// The checker's findings at the end.
    pub breaches: Vec<String>,
    /// The record, events and calls of each binding that a breach names.
    pub details: Vec<String>,
}

#[derive(Debug, Default)]
struct Entries {
    counts: BTreeMap<String, usize>,
    lines: Vec<String>,
}

/// The list of events, shared by callers and disturbances.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    started: Instant,
    verbose: bool,
    entries: Arc<Mutex<Entries>>,
}

impl Journal {
    fn new(verbose: bool) -> Self {
        Self {
            started: Instant::now(),
            verbose,
            entries: Arc::default(),
        }
    }

    pub(crate) fn note(&self, kind: &str, detail: &str) {
        let line = format!(
            "{:8.3} {kind} {detail}",
            self.started.elapsed().as_secs_f64()
        );
        if self.verbose {
            println!("{line}");
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        *entries.counts.entry(kind.to_owned()).or_default() += 1;
        entries.lines.push(line);
    }
}

/// One client for each replica. A replica that is down does not answer.
pub(crate) type ReplicaClients = Arc<RwLock<Vec<Client>>>;

pub(crate) fn cluster(number: usize) -> String {
    format!("c{number}")
}

/// Runs callers and disturbances, ends them, and checks the installation.
///
/// # Panics
/// When the service does not start, or does not become idle.
pub async fn run(options: Options) -> Report {
    let journal = Journal::new(options.verbose);
    let mut seeded = Random::new(options.seed);
    let mut installation = Installation::build()
        .replicas(options.replicas.max(1))
        .own_postgres()
        .prepared(PREPARED_ROLE)
        .env("ENGINE_ROLES_CALL_TIMEOUT", "1s")
        .env("ENGINE_ROLES_RECONCILE_INTERVAL", "5m")
        .env("ENGINE_ROLES_CALL_RATE", "1000")
        .sandbox(|sandbox| {
            sandbox.seed = Some(options.seed);
            sandbox.stale_reads = Duration::from_secs(*seeded.pick(&STALE_READS));
            sandbox.latency = Duration::from_millis(options.seed % 4 * 5);
        })
        .start()
        .await;
    let clients = (0..installation.replicas.len()).map(|replica| installation.client_of(replica));
    let replica_clients: ReplicaClients = Arc::new(RwLock::new(clients.collect()));
    let gate = Arc::new(Gate::new(()));
    let until = Instant::now() + options.length;
    let mut random = Random::new(options.seed);
    let callers = (1..=CALLERS).map(|number| {
        let own = Random::new(options.seed.wrapping_mul(CALLERS + 1).wrapping_add(number));
        tokio::spawn(caller::send_until(
            until,
            own,
            Arc::clone(&replica_clients),
            Arc::clone(&gate),
            journal.clone(),
        ))
    });
    let callers: Vec<_> = callers.collect();
    let additions = disturbances::Disturbances {
        installation: &mut installation,
        random: &mut random,
        replica_clients: &replica_clients,
        gate: &gate,
        journal: &journal,
        behind: BTreeSet::new(),
    }
    .run_until(until)
    .await;
    end_disturbances(&mut installation, callers, &journal).await;
    manual_changes::undo(&installation, additions).await;
    repair_by_requests(&installation, &journal).await;
    let breaches = installation.breaches_when_idle().await;
    let live = installation.database.bindings().await;
    let live = live.iter().filter(|binding| binding.live).count();
    journal.note(
        "end",
        &format!("{live} live bindings, {} breaches", breaches.len()),
    );
    let details = details(&installation, &breaches).await;
    let entries = journal
        .entries
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    Report {
        counts: entries.counts.clone(),
        journal: entries.lines.clone(),
        breaches,
        details,
    }
}

/// Ends all faults and callers, restarts all replicas, and waits until the service is idle.
async fn end_disturbances(
    installation: &mut Installation,
    callers: Vec<tokio::task::JoinHandle<()>>,
    journal: &Journal,
) {
    journal.note("disturbances end", "");
    installation.set_faults(json!([]));
    installation
        .administrator
        .control_sandbox("behaviour", json!({"stale_reads_ms": 0}))
        .await;
    for caller in callers {
        caller.await.expect("callers do not panic");
    }
    time::let_hanging_calls_end(installation).await;
    installation.advance(PAST_A_LEASE).await;
    // With this interval no check is repeated during the test.
    installation.set_env("ENGINE_ROLES_RECONCILE_INTERVAL", "24h");
    for replica in 0..installation.replicas.len() {
        installation.replicas[replica].kill().await;
        installation.restart(replica).await;
    }
    installation.advance(PAST_A_LEASE).await;
    installation.becomes_idle().await;
}

/// Repeats a PUT for bindings with drift, which creates deleted resources again, and a DELETE for
/// blocked ones.
async fn repair_by_requests(installation: &Installation, journal: &Journal) {
    installation.database.make_due("live").await;
    installation.becomes_idle().await;
    for binding in installation.database.bindings().await {
        let drifted = binding.live && binding.state == "active" && binding.drift != json!([]);
        if drifted {
            journal.note("repair", &format!("{}: {}", binding.cluster, binding.drift));
            installation
                .client()
                .without_waiting()
                .provision(&binding.cluster)
                .await;
        }
        if binding.state == "blocked" {
            journal.note(
                "repair",
                &format!("{}: {:?}", binding.cluster, binding.last_error),
            );
            installation
                .client()
                .without_waiting()
                .delete(&binding.cluster)
                .await;
        }
    }
    installation.becomes_idle().await;
}

/// A binding's id and the name of its resources.
#[derive(Deserialize)]
struct Name {
    id: uuid::Uuid,
    resource_name: String,
}

/// Returns the record, events and calls of the bindings that breaches name.
async fn details(installation: &Installation, breaches: &[String]) -> Vec<String> {
    let mut details = Vec::new();
    let names = "SELECT id, resource_name FROM bindings ORDER BY created_at";
    let names: Vec<Name> = installation.database.rows(names).await;
    let bindings = installation.database.bindings().await;
    let events = installation.database.events().await;
    let calls = installation.sandbox.calls(0);
    for Name { id, resource_name } in names {
        let concerns =
            |breach: &String| breach.contains(&id.to_string()) || breach.contains(&resource_name);
        if !breaches.iter().any(concerns) {
            continue;
        }
        details.push(format!("about {id}, {resource_name}"));
        let row = bindings.iter().find(|row| row.id == id);
        details.push(format!("  {row:?}"));
        for event in events.iter().filter(|event| event.binding_id == id) {
            details.push(format!(
                "  {} (by the machine's clock {}) {} {} {:?} -> {} {}",
                event.at,
                installation.database.real_time(event.at),
                event.action,
                event.generation,
                event.from_state,
                event.to_state,
                event.detail
            ));
        }
        for call in &calls {
            if call.params.values().any(|value| *value == resource_name) {
                let (at, key) = (installation.time_of(call), call.access_key.as_deref());
                let (status, error) = (call.status, call.error.as_deref());
                let (n, action) = (call.n, &call.action);
                details.push(format!(
                    "  {n} (by the machine's clock {at}) {action} {status:?} {error:?} {key:?}"
                ));
            }
        }
    }
    details
}
