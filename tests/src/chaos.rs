//! Everything at once: callers, faults, kills, stops, drift by hand, and a database that dies.
//! Then quiet, and the checker.

mod caller;
mod hand;
mod storm;
mod time;

use std::collections::BTreeMap;
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

/// How many clusters there are: few, so that callers meet.
const CLUSTERS: usize = 8;
const CALLERS: u64 = 6;
/// How old a read may be, by seed. With [`LATEST_EFFECT`] it lies inside the consistency window:
/// what is later than that, no service of IAM's could tell from what never comes.
const STALE_READS: [u64; 3] = [0, 15, 30];
/// How long a call may hang before its effect, in milliseconds.
const LATEST_EFFECT: usize = 24_000;

/// What a run is like.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What all choices follow from. Their timing follows from the machine.
    pub seed: u64,
    /// How long the storm lasts.
    pub length: Duration,
    pub replicas: usize,
    /// Whether each deed is printed as it is done.
    pub aloud: bool,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// How often each thing was done.
    pub counts: BTreeMap<String, usize>,
    /// All that was done, with the time since the start.
    pub diary: Vec<String>,
    /// All that is wrong at the end.
    pub breaches: Vec<String>,
    /// What is known of each binding that a breach names.
    pub dossiers: Vec<String>,
}

#[derive(Debug, Default)]
struct Kept {
    counts: BTreeMap<String, usize>,
    lines: Vec<String>,
}

/// What was done, shared by all who do something.
#[derive(Clone, Debug)]
pub(crate) struct Diary {
    started: Instant,
    aloud: bool,
    kept: Arc<Mutex<Kept>>,
}

impl Diary {
    fn new(aloud: bool) -> Self {
        Self {
            started: Instant::now(),
            aloud,
            kept: Arc::default(),
        }
    }

    pub(crate) fn note(&self, kind: &str, detail: &str) {
        let line = format!(
            "{:8.3} {kind} {detail}",
            self.started.elapsed().as_secs_f64()
        );
        if self.aloud {
            println!("{line}");
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept.counts.entry(kind.to_owned()).or_default() += 1;
        kept.lines.push(line);
    }
}

/// The replicas as callers reach them; those that are down do not answer.
pub(crate) type Doors = Arc<RwLock<Vec<Client>>>;

pub(crate) fn cluster(number: usize) -> String {
    format!("c{number}")
}

/// Runs it.
///
/// # Panics
/// When the service does not start, or does not come to rest.
pub async fn run(options: Options) -> Report {
    let diary = Diary::new(options.aloud);
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
    let doors: Doors = Arc::new(RwLock::new(clients.collect()));
    let gate = Arc::new(Gate::new(()));
    let until = Instant::now() + options.length;
    let mut random = Random::new(options.seed);
    let callers = (1..=CALLERS).map(|number| {
        let own = Random::new(options.seed.wrapping_mul(CALLERS + 1).wrapping_add(number));
        tokio::spawn(caller::ask_until(
            until,
            own,
            Arc::clone(&doors),
            Arc::clone(&gate),
            diary.clone(),
        ))
    });
    let callers: Vec<_> = callers.collect();
    let additions = storm::Storm {
        installation: &mut installation,
        random: &mut random,
        doors: &doors,
        gate: &gate,
        diary: &diary,
    }
    .rage_until(until)
    .await;
    quiet(&mut installation, callers, &diary).await;
    hand::undo(&installation, additions).await;
    mend(&installation, &diary).await;
    let breaches = installation.breaches_at_rest().await;
    let live = installation.database.bindings().await;
    let live = live.iter().filter(|binding| binding.live).count();
    diary.note(
        "end",
        &format!("{live} live bindings, {} breaches", breaches.len()),
    );
    let dossiers = dossiers(&installation, &breaches).await;
    let kept = diary.kept.lock().unwrap_or_else(PoisonError::into_inner);
    Report {
        counts: kept.counts.clone(),
        diary: kept.lines.clone(),
        breaches,
        dossiers,
    }
}

/// Ends all that disturbs, and lets time go by until nothing is left to do.
async fn quiet(
    installation: &mut Installation,
    callers: Vec<tokio::task::JoinHandle<()>>,
    diary: &Diary,
) {
    diary.note("quiet", "");
    installation.set_faults(json!([]));
    installation
        .administrator
        .steer("behaviour", json!({"stale_reads_ms": 0}))
        .await;
    for caller in callers {
        caller.await.expect("callers do not panic");
    }
    time::let_hanging_calls_end(installation).await;
    installation.advance(PAST_A_LEASE).await;
    // From now on a check that is done is done for the day.
    installation.set_env("ENGINE_ROLES_RECONCILE_INTERVAL", "24h");
    for replica in 0..installation.replicas.len() {
        installation.replicas[replica].kill().await;
        installation.restart(replica).await;
    }
    installation.advance(PAST_A_LEASE).await;
    installation.comes_to_rest().await;
}

/// What others deleted is made again by the next PUT.
async fn mend(installation: &Installation, diary: &Diary) {
    installation
        .database
        .execute("UPDATE bindings SET due_at = service_now() WHERE live")
        .await;
    installation.comes_to_rest().await;
    for binding in installation.database.bindings().await {
        let drifted = binding.live && binding.state == "active" && binding.drift != json!([]);
        if drifted {
            diary.note("mend", &format!("{}: {}", binding.cluster, binding.drift));
            installation
                .client()
                .in_no_hurry()
                .provision(&binding.cluster)
                .await;
        }
        if binding.state == "blocked" {
            diary.note(
                "mend",
                &format!("{}: {:?}", binding.cluster, binding.last_error),
            );
            installation
                .client()
                .in_no_hurry()
                .delete(&binding.cluster)
                .await;
        }
    }
    installation.comes_to_rest().await;
}

/// A binding's id and the name of what is made for it.
#[derive(Deserialize)]
struct Name {
    id: uuid::Uuid,
    resource_name: String,
}

/// All that is known of the bindings that breaches name.
async fn dossiers(installation: &Installation, breaches: &[String]) -> Vec<String> {
    let mut dossiers = Vec::new();
    let names = "SELECT id, resource_name FROM bindings ORDER BY created_at";
    let names: Vec<Name> = installation.database.rows(names).await;
    let bindings = installation.database.bindings().await;
    let events = installation.database.events().await;
    let calls = installation.sandbox.calls(0);
    for Name { id, resource_name } in names {
        let about =
            |breach: &String| breach.contains(&id.to_string()) || breach.contains(&resource_name);
        if !breaches.iter().any(about) {
            continue;
        }
        dossiers.push(format!("about {id}, {resource_name}"));
        let row = bindings.iter().find(|row| row.id == id);
        dossiers.push(format!("  {row:?}"));
        for event in events.iter().filter(|event| event.binding_id == id) {
            dossiers.push(format!(
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
                dossiers.push(format!(
                    "  {n} (by the machine's clock {at}) {action} {status:?} {error:?} {key:?}"
                ));
            }
        }
    }
    dossiers
}
