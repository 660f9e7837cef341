//! The command line of `cargo dev`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// Postgres, an IAM on loopback and the service, in one command. Stays until Ctrl-C.
///
/// The service takes its own variables too (see `engine-roles serve --help`).
#[derive(Debug, Parser)]
#[command(name = "cargo dev", bin_name = "cargo dev --")]
pub(crate) struct DevOptions {
    /// Where the service listens
    #[arg(long, default_value = "127.0.0.1:3283")]
    pub(crate) listen: SocketAddr,
    /// Where the IAM sandbox listens
    #[arg(long, default_value = "127.0.0.1:4599")]
    pub(crate) sandbox_listen: SocketAddr,
    /// Where the database is kept between runs [default: .dev in the checkout]
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Provision a sample cluster in each mode, show the answers, tear down and exit; with a
    /// database of its own that is gone afterwards
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) sandbox: engine_roles_iam_sandbox::Options,
}
