//! Runs the randomized test [`engine_roles_e2e::chaos`] for one or more seeds.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use engine_roles_e2e::chaos::{Options, run};
use futures::FutureExt;

/// Run the service through random requests, faults, kills and drift, then check the result
#[derive(Debug, Parser)]
#[command(name = "engine-roles-chaos")]
struct Args {
    /// The first seed of the random choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long the disturbances last for each seed
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// The number of replicas
    #[arg(long, default_value_t = 3)]
    replicas: usize,
    /// How many seeds to run, one after another
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Print only the results
    #[arg(long)]
    quiet: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let mut sound = true;
    for seed in args.seed..args.seed + args.seeds {
        let options = Options {
            seed,
            length: Duration::from_secs_f64(args.minutes * 60.0),
            replicas: args.replicas,
            verbose: !args.quiet,
        };
        // A run panics when the service does not become idle, which counts as a breach.
        let Ok(report) = AssertUnwindSafe(run(options)).catch_unwind().await else {
            println!("seed {seed}: the run panicked");
            sound = false;
            continue;
        };
        println!("seed {seed}: {:?}", report.counts);
        println!("seed {seed}: {} breaches", report.breaches.len());
        for line in report.breaches.iter().chain(&report.details) {
            println!("  {line}");
        }
        sound &= report.breaches.is_empty();
    }
    if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
