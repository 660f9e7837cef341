//! Measures a binary of the service with [`engine_roles_e2e::measuring`].

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use engine_roles_e2e::binary::service_binary;
use engine_roles_e2e::measuring;
use serde_json::json;

/// Measure a binary of the service, on a Postgres and an IAM sandbox of its own
#[derive(Debug, Parser)]
#[command(name = "engine-roles-measure")]
struct Args {
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Debug, Subcommand)]
enum Measurement {
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

#[tokio::main]
async fn main() {
    match Args::parse().measurement {
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
