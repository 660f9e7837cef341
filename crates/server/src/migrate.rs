//! The command `migrate`.

use clap::Args;
use engine_roles_store::StoreError;

use crate::config::DatabaseArgs;
use crate::print;
use crate::telemetry::{self, LogArgs};

/// The arguments of `migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Brings the database schema up to date.
pub(crate) fn run(args: &MigrateArgs) -> anyhow::Result<()> {
    telemetry::start(&args.log);
    let store = args.database.store()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        store.migrate().await?;
        Ok::<_, StoreError>(())
    })?;
    Ok(print::line("the database schema is up to date")?)
}
