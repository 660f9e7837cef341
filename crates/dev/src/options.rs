//! The command line of `cargo dev`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// Starts Postgres, a simulated IAM on loopback and the service. Runs until Ctrl-C.
///
/// The service also reads its own environment variables (see `engine-roles serve --help`).
#[derive(Debug, Parser)]
#[command(name = "cargo dev", bin_name = "cargo dev --")]
pub(crate) struct DevOptions {
    /// The address that the service listens on
    #[arg(long, default_value = "127.0.0.1:3283")]
    pub(crate) listen: SocketAddr,
    /// The address that the IAM sandbox listens on
    #[arg(long, default_value = "127.0.0.1:4599")]
    pub(crate) sandbox_listen: SocketAddr,
    /// The directory that keeps the database between runs [default: .dev/postgres in the checkout]
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Provision a sample cluster in each mode, print the answers, tear the clusters down and exit;
    /// uses a temporary database
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) sandbox: engine_roles_iam_sandbox::Options,
}
