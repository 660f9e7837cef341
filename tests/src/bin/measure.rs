//! Measures a binary of the service with [`engine_roles_e2e::measuring`].

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use engine_roles_e2e::binary::service_binary;
use engine_roles_e2e::measuring::{self, Crash, Level, Load, Siege};
use serde_json::json;

/// Measure a binary of the service, on a Postgres and an IAM sandbox of its own
#[derive(Debug, Parser)]
#[command(name = "engine-roles-measure")]
struct Args {
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Debug, clap::Subcommand)]
enum Measurement {
    /// Kill the only replica in the first stage of ten teardowns, and measure from the restart until
    /// every grant is removed and every teardown is done
    Recovery {
        #[command(flatten)]
        measured: Measured,
        /// The number of teardowns
        #[arg(long, default_value_t = 10)]
        clusters: usize,
        /// How long each call to AWS takes, in milliseconds
        #[arg(long, default_value_t = 300)]
        latency_ms: u64,
        /// A variable of the service's environment that differs from its default
        #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
        environment: Vec<(String, String)>,
    },
    /// Measure the PUTs for new clusters per second, with 8, 64 and 256 callers
    Throughput {
        #[command(flatten)]
        measured: Measured,
        /// A second binary, measured alternately with the first
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
        /// Measure the first binary alternately without its audit log
        #[arg(long, conflicts_with = "against")]
        against_no_log: bool,
        /// How often each binary is measured
        #[arg(long, default_value_t = 2)]
        rounds: usize,
        /// The numbers of callers, separated by commas
        #[arg(long, value_delimiter = ',', default_values_t = [8, 64, 256])]
        callers: Vec<usize>,
        /// How long each number of callers is measured
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
        /// How long each call to AWS takes, in milliseconds
        #[arg(long, default_value_t = 20)]
        latency_ms: u64,
    },
    /// Measure a GET and a PUT for a new cluster, without and with clients that keep the service waiting
    Hostile {
        #[command(flatten)]
        measured: Measured,
        /// The number of slow clients: a third sends half heads, a third half bodies, and a third reads
        /// no answers
        #[arg(long, default_value_t = 900)]
        slow_clients: usize,
        /// How often both are measured, without and with the slow clients
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// How many requests of each kind are sent each time
        #[arg(long, default_value_t = 100)]
        requests: usize,
        /// How long each call to AWS takes, in milliseconds
        #[arg(long, default_value_t = 0)]
        latency_ms: u64,
        /// A variable of the service's environment that differs from its default
        #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
        environment: Vec<(String, String)>,
    },
    /// Count the transactions per second of a replica without requests
    Idle {
        #[command(flatten)]
        measured: Measured,
        /// How long to count
        #[arg(long, default_value_t = 30.0)]
        seconds: f64,
    },
    /// Count the statements that Postgres executes for a PUT, a repeated PUT, a GET and a DELETE
    RoundTrips {
        #[command(flatten)]
        measured: Measured,
        /// Print the statements too
        #[arg(long)]
        list: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Measured {
    /// The binary to measure; the one in the directory of this program by default
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

impl Measured {
    fn binary(self) -> PathBuf {
        self.binary.unwrap_or_else(service_binary)
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=');
    let (name, value) = pair.ok_or_else(|| format!("{text} is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

#[tokio::main]
async fn main() {
    match Args::parse().measurement {
        Measurement::Recovery {
            measured,
            clusters,
            latency_ms,
            environment,
        } => {
            let crash = Crash {
                clusters,
                latency: Duration::from_millis(latency_ms),
                environment,
            };
            let found = measuring::recovery(&measured.binary(), &crash).await;
            println!("{}", json!(found));
        }
        Measurement::Throughput {
            measured,
            against,
            against_no_log,
            rounds,
            callers,
            seconds,
            latency_ms,
        } => {
            let load = Load {
                callers,
                length: Duration::from_secs_f64(seconds),
                latency: Duration::from_millis(latency_ms),
                has_log: true,
            };
            let binary = measured.binary();
            let second = match against {
                Some(other) => Some((other, load.clone())),
                None if against_no_log => {
                    let has_log = false;
                    Some((
                        binary.clone(),
                        Load {
                            has_log,
                            ..load.clone()
                        },
                    ))
                }
                None => None,
            };
            let measured: Vec<_> = std::iter::once((binary, load)).chain(second).collect();
            compare(&measured, rounds).await;
        }
        Measurement::Hostile {
            measured,
            slow_clients,
            rounds,
            requests,
            latency_ms,
            environment,
        } => {
            let siege = Siege {
                slow_clients,
                rounds,
                requests,
                latency: Duration::from_millis(latency_ms),
                environment,
            };
            let found = measuring::hostile(&measured.binary(), &siege).await;
            println!("{}", json!(found));
        }
        Measurement::Idle { measured, seconds } => {
            let length = Duration::from_secs_f64(seconds);
            let found = measuring::idle(&measured.binary(), length).await;
            println!("{}", json!(found));
        }
        Measurement::RoundTrips { measured, list } => {
            let found = measuring::round_trips(&measured.binary()).await;
            if list {
                println!("{found:#?}");
            }
            println!(
                "{}",
                json!({"statements": found.of_requests(), "pings": found.pings()})
            );
        }
    }
}

/// Measures one binary or two alternately, prints each run, and last the means of the runs.
async fn compare(measured: &[(PathBuf, Load)], rounds: usize) {
    if cfg!(debug_assertions) {
        println!("debug build: compare it only with a debug build, in the same run");
    }
    let mut runs = vec![Vec::new(); measured.len()];
    for _ in 0..rounds {
        for ((binary, load), runs) in measured.iter().zip(&mut runs) {
            let levels = measuring::throughput(binary, load).await;
            let has_log = load.has_log;
            println!(
                "{}",
                json!({"binary": binary, "audit_log": has_log, "levels": levels})
            );
            runs.push(levels);
        }
    }
    let levels = measured.first().map_or(&[][..], |(_, load)| &load.callers);
    for (place, callers) in levels.iter().enumerate() {
        let means: Vec<f64> = runs.iter().map(|runs| mean(runs, place)).collect();
        let ratio = match means[..] {
            [first, second] => Some(second / first),
            _ => None,
        };
        println!(
            "{}",
            json!({"callers": callers, "puts_per_second": means, "second_to_first": ratio})
        );
    }
}

/// Returns the mean of the runs at one level.
fn mean(runs: &[Vec<Level>], place: usize) -> f64 {
    let rates = runs.iter().map(|levels| levels[place].puts_per_second);
    rates.sum::<f64>() / f64::from(u32::try_from(runs.len().max(1)).unwrap_or(u32::MAX))
}
