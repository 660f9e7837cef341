//! Runs a command with `DATABASE_URL` set to a new database, on a Postgres that is stopped when the
//! command ends.
//!
//! ```text
//! cargo run -q -p engine-roles-embedded-postgres --example with-postgres -- \
//!     [--migrations DIRECTORY] COMMAND [ARGUMENT…]
//! ```
//!
//! Every `*.sql` file of the directory is applied first, in the order of the names. The exit code
//! is that of the command. The offline data for the queries are generated with this program, so the
//! program must build without them.

use std::error::Error;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use engine_roles_embedded_postgres::{Postgres, PostgresConfig};
use tokio_postgres::NoTls;

const USAGE: &str = "usage: with-postgres [--migrations DIRECTORY] COMMAND [ARGUMENT…]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(std::env::args_os().skip(1).collect()).await {
        Ok(status) => {
            let code = status.code().or_else(|| Some(128 + status.signal()?));
            code.and_then(|code| u8::try_from(code).ok())
                .map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            eprintln!("with-postgres: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(mut arguments: Vec<OsString>) -> Result<ExitStatus, Box<dyn Error>> {
    let mut migrations = None;
    if arguments
        .first()
        .is_some_and(|first| first == "--migrations")
    {
        migrations = Some(PathBuf::from(arguments.get(1).ok_or(USAGE)?));
        arguments.drain(..2);
    }
    let (program, arguments) = arguments.split_first().ok_or(USAGE)?;

    let postgres = Postgres::start(PostgresConfig::default()).await?;
    // Other programs may use the server too, if it is the server of DATABASE_URL.
    let name = format!("with_postgres_{}", uuid::Uuid::new_v4().simple());
    let url = postgres.create_database(&name).await?;
    let status = async {
        if let Some(directory) = migrations {
            apply(&directory, &url).await?;
        }
        Ok(Command::new(program)
            .args(arguments)
            .env("DATABASE_URL", &url)
            .status()?)
    }
    .await;
    postgres.drop_database(&name).await?;
    postgres.stop().await?;
    status
}

/// Applies the migrations in the order of their names, each as one batch.
async fn apply(directory: &Path, url: &str) -> Result<(), Box<dyn Error>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    for file in files {
        let sql = std::fs::read_to_string(&file)?;
        if let Err(error) = client.batch_execute(&sql).await {
            let reason = error
                .as_db_error()
                .map_or_else(|| error.to_string(), ToString::to_string);
            return Err(format!("{} failed: {reason}", file.display()).into());
        }
    }
    drop(client);
    connection.await??;
    Ok(())
}
