//! Writes the dump of today's release with [`engine_roles_e2e::release_dump`].

use std::path::PathBuf;

use clap::Parser;
use engine_roles_e2e::release_dump::make;

/// Run the service until there are bindings in every state, and write its database and its AWS account
#[derive(Debug, Parser)]
#[command(name = "engine-roles-make-dump")]
struct Args {
    /// The directory for the files, such as tests/releases/0.1.0
    directory: PathBuf,
}

#[tokio::main]
async fn main() {
    make(&Args::parse().directory).await;
}
