//! The command `orphans`.

use clap::{Args, Subcommand};
use engine_roles_domain::audit::Actor;
use engine_roles_domain::binding::Binding;
use engine_roles_provisioner::{Provisioner, ProvisionerError};

use crate::config::{Config, ServeArgs};
use crate::print;
use crate::serve::assemble;

/// The arguments of `orphans`.
#[derive(Debug, Args)]
pub struct OrphansArgs {
    #[command(subcommand)]
    action: OrphansAction,
    #[command(flatten)]
    pub(crate) serve: Box<ServeArgs>,
}

/// What to do with orphans.
#[derive(Debug, Subcommand)]
enum OrphansAction {
    /// Print the roles and instance profiles that the last search found
    List,
    /// Record a role as its cluster's current role; the role's policy and tags determine the
    /// recorded spec
    Adopt {
        /// Name of the role
        name: String,
    },
    /// Remove a role or instance profile from AWS
    Remove {
        /// Name of the role or instance profile
        name: String,
    },
}

/// Runs an operator's command on orphans.
pub(crate) fn run(args: &OrphansArgs) -> anyhow::Result<()> {
    args.serve.start_logging();
    let config = Config::for_command(&args.serve)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (_, provisioner) = assemble(config).await?;
        let actor = Actor("operator".to_owned());
        match &args.action {
            OrphansAction::List => {
                for orphan in provisioner.orphans().await? {
                    print::line(format_args!(
                        "{}\t{}\t{}\tfound {}",
                        orphan.kind, orphan.name, orphan.arn, orphan.found_at
                    ))?;
                }
            }
            OrphansAction::Adopt { name } => {
                let adopting = Box::pin(provisioner.adopt_orphan(name, actor));
                print_binding(&with_heartbeat(&provisioner, adopting).await?)?;
            }
            OrphansAction::Remove { name } => {
                let removing = Box::pin(provisioner.remove_orphan(name, actor));
                print_binding(&with_heartbeat(&provisioner, removing).await?)?;
            }
        }
        Ok(())
    })
}

/// Does work that changes AWS, for which this process must be a replica with a heartbeat.
async fn with_heartbeat<T>(
    provisioner: &Provisioner,
    work: impl Future<Output = Result<T, ProvisionerError>>,
) -> Result<T, ProvisionerError> {
    provisioner.start_heartbeat().await?;
    let result = work.await;
    // Also after an error: other replicas take over at once what is left.
    provisioner.end_heartbeat().await;
    result
}

fn print_binding(binding: &Binding) -> std::io::Result<()> {
    print::line(format_args!(
        "cluster {}: {}",
        binding.cluster,
        binding.state()
    ))?;
    if let Some(failure) = binding.last_error() {
        let code = failure.code.as_str();
        print::line(format_args!("{code}: {}", failure.detail))?;
    }
    for removed in binding
        .receipt()
        .iter()
        .flat_map(|receipt| &receipt.removed)
    {
        print::line(format_args!("removed {removed}"))?;
    }
    Ok(())
}
