//! Everything at once, then the checker. See [`engine_roles_e2e::chaos`].

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use engine_roles_e2e::chaos::{Options, run};
use futures::FutureExt;

/// Runs the service through random requests, faults, kills and drift, then checks what is left
#[derive(Debug, Parser)]
#[command(name = "engine-roles-chaos")]
struct Args {
    /// What all choices follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long each seed's storm lasts
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// How many replicas there are
    #[arg(long, default_value_t = 3)]
    replicas: usize,
    /// How many seeds are run, one after the other
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Print only what a run came to
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
            aloud: !args.quiet,
        };
        // What does not come to rest panics, and that is a breach like any other.
        let Ok(report) = AssertUnwindSafe(run(options)).catch_unwind().await else {
            println!("seed {seed}: did not come to its end");
            sound = false;
            continue;
        };
        println!("seed {seed}: {:?}", report.counts);
        println!("seed {seed}: {} breaches", report.breaches.len());
        for line in report.breaches.iter().chain(&report.dossiers) {
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
