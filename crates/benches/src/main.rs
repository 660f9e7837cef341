//! Measures the service and prints the table of `docs/performance.md`.
//!
//! Each row compares the service with something else in the same run on the same machine: with the
//! fewest trips to AWS that the work needs, with the bare AWS SDK, with other tools, with `pgbench`, or
//! with itself on an empty database. The database, the sandbox of IAM and the callers share the
//! machine with the service.

mod bare_sdk;
mod growth;
mod load;
mod many_callers;
mod memory;
mod one_caller;
mod other_tools;
mod reads;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use engine_roles_e2e::binary::service_binary;
use engine_roles_e2e::{Installation, InstallationBuilder};

use crate::report::Report;

/// Measure the service against the bare AWS SDK, other tools, pgbench and an empty database
#[derive(Debug, Parser)]
#[command(name = "engine-roles-bench")]
struct Args {
    /// Only these parts, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Part::ALL)]
    only: Vec<Part>,
    /// The binary to measure; the one in the directory of this program by default
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How long each level of load lasts
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How often each comparison is repeated; the medians count
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each call to AWS takes, in milliseconds, for one caller
    #[arg(long, value_delimiter = ',', default_values_t = [0, 20, 50, 100])]
    latencies: Vec<u64>,
    /// The numbers of callers
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64, 256])]
    callers: Vec<usize>,
    /// The numbers of replicas, for many callers
    #[arg(long, value_delimiter = ',', default_values_t = [1])]
    replicas: Vec<usize>,
    /// The numbers of bindings that are compared with an empty database; there are ten events each
    #[arg(long, value_delimiter = ',', default_values_t = [10_000])]
    bindings: Vec<u64>,
    /// A Python with boto3, compared if given
    #[arg(long, value_name = "FILE", env = "ENGINE_ROLES_BENCH_PYTHON")]
    python: Option<PathBuf>,
    /// The AWS command line, compared if given
    #[arg(long, value_name = "FILE", env = "ENGINE_ROLES_BENCH_AWS")]
    aws: Option<PathBuf>,
    /// Terraform, compared if given with its plugins
    #[arg(long, value_name = "FILE", env = "ENGINE_ROLES_BENCH_TERRAFORM")]
    terraform: Option<PathBuf>,
    /// The directory of Terraform's plugins, with the provider of AWS
    #[arg(long, value_name = "DIR", env = "ENGINE_ROLES_BENCH_TERRAFORM_PLUGINS")]
    terraform_plugins: Option<PathBuf>,
    /// A variable of the service's environment that differs from its default
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    environment: Vec<(String, String)>,
    /// Also write the rows to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=');
    let (name, value) = pair.ok_or_else(|| format!("{text} is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A part of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    OneCaller,
    OtherTools,
    ManyCallers,
    Burst,
    Reads,
    Memory,
    Growth,
}

impl Part {
    const ALL: [Self; 7] = [
        Self::OneCaller,
        Self::OtherTools,
        Self::ManyCallers,
        Self::Burst,
        Self::Reads,
        Self::Memory,
        Self::Growth,
    ];
}

/// What all parts need.
struct Bench {
    binary: PathBuf,
    length: Duration,
    rounds: usize,
    environment: Vec<(String, String)>,
}

impl Bench {
    /// Returns an installation on a Postgres server of its own, whose call budget is no limit.
    fn installation(&self) -> InstallationBuilder {
        self.with_default_budget()
            .env("ENGINE_ROLES_CALL_RATE", "100000")
            .env("ENGINE_ROLES_CALL_BURST", "100000")
    }

    fn with_default_budget(&self) -> InstallationBuilder {
        let installation = Installation::build()
            .binary(&self.binary)
            .own_postgres()
            .allowed_everything()
            .env("ENGINE_ROLES_POLL_INTERVAL", "")
            .env("ENGINE_ROLES_KEY_RATE", "1000000")
            .env("ENGINE_ROLES_LOG", "info")
            .sandbox(|sandbox| {
                sandbox.quotas.roles = usize::MAX;
                sandbox.quotas.instance_profiles = usize::MAX;
            });
        let changes = self.environment.iter();
        changes.fold(installation, |installation, (name, value)| {
            installation.env(name, value)
        })
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let bench = Bench {
        binary: args.binary.unwrap_or_else(service_binary),
        length: Duration::from_secs_f64(args.seconds),
        rounds: args.rounds.max(1),
        environment: args.environment,
    };
    let mut report = Report::default();
    for part in args.only {
        match part {
            Part::OneCaller => one_caller::measure(&bench, &args.latencies, &mut report).await,
            Part::OtherTools => {
                let tools = other_tools::Tools {
                    python: args.python.clone(),
                    aws: args.aws.clone(),
                    terraform: args.terraform.clone().zip(args.terraform_plugins.clone()),
                };
                other_tools::measure(&bench, &tools, &mut report).await;
            }
            Part::ManyCallers => {
                for replicas in &args.replicas {
                    many_callers::measure(&bench, *replicas, &args.callers, &mut report).await;
                }
            }
            Part::Burst => many_callers::burst(&bench, &mut report).await,
            Part::Reads => reads::measure(&bench, &mut report).await,
            Part::Memory => memory::measure(&bench, &mut report).await,
            Part::Growth => {
                for bindings in &args.bindings {
                    growth::measure(&bench, *bindings, &mut report).await;
                }
            }
        }
    }
    if let Some(file) = args.json {
        std::fs::write(file, report.to_json())?;
    }
    Ok(())
}
