//! How long requests take while slow clients keep the service waiting.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::installation_of;
use crate::slow_clients::{SlowClient, SlowClients, raise_file_limit};
use crate::{Answer, Installation};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Siege {
    /// How many slow clients there are: a third sends heads, a third sends bodies, and a third reads no
    /// answers.
    pub slow_clients: usize,
    /// How often the requests are measured, each time without slow clients and with them.
    pub rounds: usize,
    /// How many PUTs for new clusters, and as many GETs, are sent in each half of a round.
    pub requests: usize,
    /// How long each call to AWS takes.
    pub latency: Duration,
    /// Variables of the service's environment that differ from the defaults.
    pub environment: Vec<(String, String)>,
}

/// The medians of one half of a round, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Medians {
    pub get_ms: f64,
    pub put_ms: f64,
}

/// One round.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Round {
    pub without: Medians,
    pub with: Medians,
    /// How many connections the slow clients have opened.
    pub slow_connections: usize,
}

/// All rounds, and the median of their factors.
#[derive(Clone, Debug, Serialize)]
pub struct Hostile {
    pub rounds: Vec<Round>,
    pub get_factor: f64,
    pub put_factor: f64,
}

/// Sends requests, one after another and each on a new connection, without slow clients and with them.
///
/// # Panics
/// When the service does not start, or a request fails.
pub async fn hostile(binary: &Path, siege: &Siege) -> Hostile {
    raise_file_limit();
    let mut builder = installation_of(binary)
        .env("ENGINE_ROLES_CALL_RATE", "100000")
        .env("ENGINE_ROLES_CALL_BURST", "100000")
        .sandbox(|sandbox| {
            sandbox.latency = siege.latency;
            sandbox.quotas.roles = usize::MAX;
            sandbox.quotas.instance_profiles = usize::MAX;
        });
    for (name, value) in &siege.environment {
        builder = builder.env(name, value);
    }
    let installation = builder.start().await;
    // The first requests open the database's connections.
    medians(&installation, "first", siege.requests).await;
    let mut rounds = Vec::new();
    for round in 0..siege.rounds {
        let without = medians(&installation, &format!("a{round}"), siege.requests).await;
        let clients =
            SlowClients::start(&installation, siege.slow_clients, &SlowClient::BUSY).await;
        let with = medians(&installation, &format!("b{round}"), siege.requests).await;
        rounds.push(Round {
            without,
            with,
            slow_connections: clients.opened(),
        });
    }
    let factor = |of: fn(&Medians) -> f64| {
        let factors = rounds
            .iter()
            .map(|round| of(&round.with) / of(&round.without));
        median(factors.collect())
    };
    Hostile {
        get_factor: factor(|medians| medians.get_ms),
        put_factor: factor(|medians| medians.put_ms),
        rounds,
    }
}

async fn medians(installation: &Installation, prefix: &str, requests: usize) -> Medians {
    let (mut puts, mut gets) = (Vec::new(), Vec::new());
    for number in 0..requests {
        let cluster = format!("{prefix}-{number}");
        // A client keeps its connection, so that each request has a client of its own.
        let (client, other) = (installation.client(), installation.client());
        puts.push(timed(client.provision(&cluster), 201).await);
        gets.push(timed(other.get(&cluster), 200).await);
    }
    Medians {
        get_ms: median(gets),
        put_ms: median(puts),
    }
}

async fn timed(request: impl Future<Output = Answer>, status: u16) -> f64 {
    let began = Instant::now();
    request.await.expect(status);
    began.elapsed().as_secs_f64() * 1000.0
}

/// Returns the value that half of all do not exceed.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
