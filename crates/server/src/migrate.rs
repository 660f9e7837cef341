//! The command `migrate`.

use clap::Args;
use engine_roles_iam::DatabaseTokens;
use engine_roles_store::DatabaseUsers;

use crate::database::{self, DatabaseArgs};
use crate::print;
use crate::telemetry::{self, LogArgs};
use crate::tokens;

/// The arguments of `migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Database user that runs the service and owns nothing: gets the rights that serving needs, and is
    /// created if it does not exist
    #[arg(long, env = "ENGINE_ROLES_MIGRATE_GRANT_TO", value_name = "USER")]
    grant_to: Option<String>,
    /// Database user of an auditor: may read everything but the hashes of API keys, and is created if it
    /// does not exist
    #[arg(long, env = "ENGINE_ROLES_MIGRATE_GRANT_AUDIT_TO", value_name = "USER")]
    grant_audit_to: Option<String>,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// Brings the database schema up to date.
pub(crate) fn run(args: &MigrateArgs) -> anyhow::Result<()> {
    telemetry::start(&args.log);
    let mut config = args.database.store_config()?;
    let namespace = args.database.namespace()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        if args.database.database_iam_auth {
            config.tokens = Some(tokens::source(DatabaseTokens::of_this_identity().await));
        }
        let store = database::open(&config, namespace)?;
        let users = DatabaseUsers {
            serving: named(args.grant_to.as_deref()),
            auditing: named(args.grant_audit_to.as_deref()),
        };
        store.migrate_and_grant(users).await?;
        Ok::<_, anyhow::Error>(())
    })?;
    Ok(print::line("the database schema is up to date")?)
}

/// A compose file passes a variable that is not set as an empty one.
fn named(user: Option<&str>) -> Option<&str> {
    user.filter(|user| !user.is_empty())
}
