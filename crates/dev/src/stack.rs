//! Starts the programs of `cargo dev`, and stops them in reverse order.

use std::env;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use engine_roles::{Cli, Command, Config, Server};
use engine_roles_embedded_postgres::{Postgres, PostgresConfig};
use engine_roles_iam_sandbox::Sandbox;
use tokio_util::sync::CancellationToken;

use crate::options::DevOptions;
use crate::sample::Sample;

/// Starts everything, and runs until Ctrl-C or, with `--once`, until the sample requests are done.
pub(crate) fn run(options: DevOptions) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(start(options))
}

async fn start(options: DevOptions) -> anyhow::Result<()> {
    let once = options.once;
    let data_dir = (!once).then(|| options.data_dir.unwrap_or_else(default_data_dir));
    let config = PostgresConfig {
        data_dir,
        ..PostgresConfig::default()
    };
    let postgres = Postgres::start(config)
        .await
        .context("could not start Postgres")?;
    let name = if once {
        format!("engine_roles_once_{}", std::process::id())
    } else {
        "engine_roles".to_owned()
    };
    let database = postgres
        .create_database(&name)
        .await
        .context("could not create the database")?;
    let sandbox = options.sandbox.into_config(options.sandbox_listen)?;
    let account = sandbox.account_id.clone();
    let sandbox = Sandbox::start(sandbox)
        .await
        .context("could not start the IAM sandbox")?;
    let key =
        env::var("ENGINE_ROLES_INIT_API_KEY").context("ENGINE_ROLES_INIT_API_KEY is not set")?;

    let listen = options.listen.to_string();
    let arguments = [
        "engine-roles",
        "serve",
        "--listen",
        &listen,
        "--database-url",
        &database,
    ];
    let Command::Serve(arguments) = Cli::parse_from(arguments).command else {
        anyhow::bail!("the command line of `engine-roles serve` has changed");
    };
    arguments.start_telemetry();
    let server = Server::bind(Config::new(&arguments)?).await?;
    let sample = Sample::new(server.address(), &sandbox.endpoint(), &account, &key);
    let stop = CancellationToken::new();
    // Before the service starts, so that the service's first observation finds the role.
    sample
        .prepare_role()
        .await
        .context("could not create the sample pass-through role")?;
    let mut serving = tokio::spawn(server.run(stop.clone()));

    let outcome = if once {
        tokio::select! {
            outcome = sample.run() => outcome,
            ended = &mut serving => ended?.context("the service failed").and(Err(anyhow::anyhow!("the service ended before the sample was done"))),
        }
    } else {
        sample.wait_until_ready().await?;
        sample.print_usage(postgres.data_dir());
        tokio::select! {
            signal = tokio::signal::ctrl_c() => signal.context("could not wait for Ctrl-C"),
            ended = &mut serving => ended?.context("the service failed"),
        }
    };
    stop.cancel();
    if !serving.is_finished() {
        serving.await?.context("the service failed")?;
    }
    sandbox.stop().await;
    if once {
        postgres
            .drop_database(&name)
            .await
            .context("could not drop the database")?;
    }
    postgres.stop().await.context("could not stop Postgres")?;
    outcome
}

fn default_data_dir() -> PathBuf {
    let crate_dir = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let checkout = crate_dir.and_then(|dir| dir.ancestors().nth(2).map(PathBuf::from));
    checkout.unwrap_or_default().join(".dev").join("postgres")
}
