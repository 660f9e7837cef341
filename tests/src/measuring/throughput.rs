//! How many new clusters a replica provisions per second.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::StatusCode;
use serde::Serialize;

use super::installation_of;
use crate::Installation;
use crate::client::role;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Load {
    /// How many callers send requests at once, for each level. Each has a connection of its own.
    pub callers: Vec<usize>,
    /// How long each level lasts.
    pub length: Duration,
    /// How long each call to AWS takes.
    pub latency: Duration,
    /// Whether the audit log is written. Without it, the database's function that adds events adds none.
    pub has_log: bool,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            callers: vec![8, 64, 256],
            length: Duration::from_secs(10),
            latency: Duration::from_millis(20),
            has_log: true,
        }
    }
}

/// One level of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Level {
    pub callers: usize,
    /// Answers with 201 per second.
    pub puts_per_second: f64,
    /// The duration of a PUT that half of all did not exceed, in milliseconds.
    pub p50_ms: f64,
    /// The duration of a PUT that 99 of 100 did not exceed, in milliseconds.
    pub p99_ms: f64,
    /// The processor time of the service for one PUT, in milliseconds; none where the system has no
    /// `/proc`. It depends less than the other values on what else the machine does.
    pub processor_ms_per_put: Option<f64>,
    /// The number of answers with each status other than 201.
    pub failed: BTreeMap<u16, usize>,
}

/// Replaces the function that adds events to the audit log, so that there is nothing to number, to hash and
/// to sign either.
const WITHOUT_LOG: &str = "
    CREATE OR REPLACE FUNCTION audit_append(
        event jsonb, at timestamptz, of_namespace text, of_cluster text, of_binding uuid,
        at_generation bigint, new_state text, of_role text
    )
        RETURNS boolean LANGUAGE sql AS 'SELECT true'";

/// Sends PUTs for new clusters to one replica, at each level in turn.
///
/// # Panics
/// When the service does not start or does not answer.
pub async fn throughput(binary: &Path, load: &Load) -> Vec<Level> {
    let installation = installation_of(binary)
        .env("ENGINE_ROLES_CALL_RATE", "100000")
        .env("ENGINE_ROLES_CALL_BURST", "100000")
        .sandbox(|sandbox| {
            sandbox.latency = load.latency;
            sandbox.quotas.roles = usize::MAX;
            sandbox.quotas.instance_profiles = usize::MAX;
        })
        .start()
        .await;
    if !load.has_log {
        installation.database.execute(WITHOUT_LOG).await;
    }
    let mut levels = Vec::new();
    for callers in &load.callers {
        levels.push(level(&installation, *callers, load.length, 0).await);
    }
    levels
}

/// Sends PUTs for new clusters to the replicas in turn, from so many callers. `round` tells the clusters of
/// repeated measurements apart.
///
/// # Panics
/// When the service does not answer.
pub async fn level(
    installation: &Installation,
    number: usize,
    length: Duration,
    round: usize,
) -> Level {
    let callers = (0..number).map(|caller| Caller::connect(installation, (number, round), caller));
    let callers = join_all(callers).await;
    let used = || {
        let replicas = installation.replicas.iter();
        let used = replicas.map(|replica| processor_ms(replica.pid()));
        used.sum::<Option<f64>>()
    };
    let (started, used_before) = (Instant::now(), used());
    let until = started + length;
    let callers = callers.into_iter();
    let tasks: Vec<_> = callers
        .map(|caller| tokio::spawn(caller.send_until(until)))
        .collect();
    let (mut durations, mut failed) = (Vec::new(), BTreeMap::new());
    for task in tasks {
        let sent = task.await.expect("callers do not panic");
        durations.extend(sent.durations);
        for status in sent.failed {
            *failed.entry(status).or_default() += 1;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let used = used().zip(used_before);
    durations.sort_unstable();
    let puts = f64::from(u32::try_from(durations.len()).unwrap_or(u32::MAX));
    Level {
        callers: number,
        puts_per_second: puts / seconds,
        processor_ms_per_put: used.map(|(after, before)| (after - before) / puts),
        p50_ms: percentile(&durations, 50),
        p99_ms: percentile(&durations, 99),
        failed,
    }
}

/// Returns the value in milliseconds that `percent` of the sorted durations do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    let duration = sorted.get(place).copied().unwrap_or_default();
    duration.as_secs_f64() * 1000.0
}

/// Returns the processor time that a process has used, from `/proc/PID/stat`.
fn processor_ms(pid: u32) -> Option<f64> {
    // Linux reports hundredths of a second to programs, whatever the kernel's own tick is.
    const MS_PER_TICK: f64 = 10.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in parentheses, may contain spaces. User time and system time are
    // the 14th and the 15th field; the third follows the name.
    let (_, fields) = stat.rsplit_once(") ")?;
    let times = fields.split(' ').skip(11).take(2);
    let times = times.map(|time| time.parse::<f64>().ok());
    Some(times.sum::<Option<f64>>()? * MS_PER_TICK)
}

/// A caller with a connection of its own.
struct Caller {
    http: reqwest::Client,
    key: String,
    address: String,
    /// The beginning of the names of its clusters.
    prefix: String,
}

#[derive(Default)]
struct Sent {
    /// How long each PUT took that was answered with 201.
    durations: Vec<Duration>,
    /// The other statuses.
    failed: Vec<u16>,
}

impl Caller {
    async fn connect(
        installation: &Installation,
        (level, round): (usize, usize),
        number: usize,
    ) -> Self {
        let replica = &installation.replicas[number % installation.replicas.len()];
        let http = reqwest::Client::builder().no_proxy().build();
        let caller = Self {
            http: http.expect("a client without TLS can be built"),
            key: installation.key().to_owned(),
            address: format!("http://{}", replica.address()),
            prefix: format!("c{level}-{round}-{number}"),
        };
        // Opens the connection, which the client keeps.
        let url = format!("{}/livez", caller.address);
        let answer = caller.http.get(url).send().await.expect("an answer");
        answer.bytes().await.expect("a body");
        caller
    }

    async fn send_until(self, until: Instant) -> Sent {
        let mut sent = Sent::default();
        let mut number = 0;
        while Instant::now() < until {
            let path = role(&format!("{}-{number}", self.prefix));
            number += 1;
            let began = Instant::now();
            let request = self.http.put(format!("{}{path}", self.address));
            let request = request
                .bearer_auth(&self.key)
                .header("prefer", "wait=60")
                .json(&serde_json::json!({}));
            let answer = request.send().await.expect("the service answers");
            let status = answer.status();
            answer.bytes().await.expect("a body");
            if status == StatusCode::CREATED {
                sent.durations.push(began.elapsed());
            } else {
                sent.failed.push(status.as_u16());
            }
        }
        sent
    }
}
