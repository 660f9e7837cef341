//! Creates data and starts a server on them.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::PostgresConfig;
use crate::error::{Doing, PostgresError};
use crate::home::Home;
use crate::leftover::{self, Recorded};
use crate::search::{self, Binaries};
use crate::url;
use crate::watchdog::{StopSignal, Watchdog};

/// How long a start may take, including recovery after a crash.
const START_LIMIT: Duration = Duration::from_mins(2);

/// How long to wait until all processes of a stopped server have ended.
const END_LIMIT: Duration = Duration::from_secs(30);

/// How many random ports are tried before the start fails.
const PORT_TRIES: usize = 20;

/// A server that runs, or that was killed or stopped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) home: Home,
    pub(crate) watchdog: Watchdog,
    pub(crate) port: u16,
    pub(crate) url: String,
    binaries: Binaries,
}

impl Server {
    /// Finds binaries, creates data if there are none, and starts a server.
    pub(crate) fn start(config: &PostgresConfig) -> Result<Server, PostgresError> {
        let (home, temporary) = match &config.data_dir {
            Some(requested) => (Home::kept(requested)?, None),
            None => Home::temporary().map(|(home, guard)| (home, Some(guard)))?,
        };
        // The lock is taken before the directory is read, because an earlier server may still be
        // ending.
        let log = home.locked_log(config.wait_for_earlier)?;
        log.set_len(0).doing("empty the log in", home.root())?;
        let binaries = search::find(&config.environment, home.account(), home.data_major())?;
        if home.data_major().is_none() {
            initialize(&home, &binaries, &log)?;
        }
        Server::run_on(home, temporary, binaries, &log)
    }

    /// Copies the data of a running server, and starts a standby on the copy.
    pub(crate) fn start_standby(primary: &Server) -> Result<Server, PostgresError> {
        let (home, guard) = Home::temporary()?;
        let log = home.locked_log(END_LIMIT)?;
        let binaries = primary.binaries.clone();
        let password = primary.home.password()?;
        // The copied data have the primary's users.
        home.set_password(&password)?;
        copy(&home, &binaries, &log, primary.port, &password)?;
        Server::run_on(home, Some(guard), binaries, &log)
    }

    /// Starts a server on existing data. `temporary` removes the directory if the start fails.
    fn run_on(
        home: Home,
        temporary: Option<tempfile::TempDir>,
        binaries: Binaries,
        log: &fs::File,
    ) -> Result<Server, PostgresError> {
        let (watchdog, port) = start_on_free_port(&home, &binaries, log)?;
        let url = url::on_loopback(port, &home.password()?);
        if let Some(guard) = temporary {
            // From here on the watchdog removes the directory.
            let _ = guard.keep();
        }
        Ok(Server {
            home,
            watchdog,
            port,
            url,
            binaries,
        })
    }

    /// Starts the server again on the same data and port, after it was killed or stopped.
    pub(crate) fn start_again(&mut self) -> Result<(), PostgresError> {
        if self.watchdog.running().is_some() {
            return Ok(());
        }
        self.watchdog.keep();
        self.watchdog.close_and_wait();
        let log = self.home.locked_log(END_LIMIT)?;
        let deadline = Instant::now() + START_LIMIT;
        loop {
            match run(&self.home, &self.binaries, &log, self.port)? {
                Some(watchdog) => {
                    self.watchdog = watchdog;
                    return Ok(());
                }
                // Another process uses the port at the moment, perhaps as the local port of a
                // connection.
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(100)),
                None => return Err(not_started(&self.home, &self.binaries, 0)),
            }
        }
    }

    /// Sends the postmaster a signal that ends it, and waits until no process of the server is
    /// left, including those of connections. The data are kept.
    pub(crate) fn end_by(&mut self, signal: Signal) -> Result<(), PostgresError> {
        self.watchdog.signal(signal);
        drop(self.home.locked_log(END_LIMIT)?);
        // The server has ended; only the watchdog's report of the exit status may still be missing.
        self.watchdog.wait_for_end();
        Ok(())
    }

    /// Stops the server, and waits until all its processes have ended and a temporary directory is
    /// removed.
    pub(crate) fn stop(&mut self) -> Result<(), PostgresError> {
        if self.watchdog.close_and_wait() {
            return Ok(());
        }
        self.watchdog.signal(Signal::KILL);
        Err(PostgresError::Stop {
            path: self.home.root().to_owned(),
        })
    }
}

/// Creates new data.
fn initialize(home: &Home, binaries: &Binaries, log: &fs::File) -> Result<(), PostgresError> {
    let password = uuid::Uuid::new_v4().simple().to_string();
    let password_file = home.set_password(&password)?;
    let mut initdb = Command::new(binaries.initdb());
    initdb
        .args([
            "--username",
            "postgres",
            "--auth",
            "scram-sha-256",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
        ])
        .args(["--text-search-config", "english", "--wal-segsize", "1"])
        .arg("--pwfile")
        .arg(password_file);
    make_data(home, initdb, log)
}

/// Copies the data of the server on this port, with the settings of a standby of that server.
fn copy(
    home: &Home,
    binaries: &Binaries,
    log: &fs::File,
    port: u16,
    password: &str,
) -> Result<(), PostgresError> {
    let mut basebackup = Command::new(binaries.basebackup());
    basebackup
        .args(["--host", "127.0.0.1", "--username", "postgres", "--port"])
        .arg(port.to_string())
        .args(["--write-recovery-conf", "--wal-method", "stream"])
        .args(["--checkpoint", "fast", "--no-password"])
        .env("PGPASSWORD", password);
    make_data(home, basebackup, log)
}

/// Creates the data under another name first, so that data under the final name are always
/// complete.
fn make_data(home: &Home, mut program: Command, log: &fs::File) -> Result<(), PostgresError> {
    let unfinished = home.unfinished_data();
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).doing("remove", &unfinished)?;
    }
    program.arg("--pgdata").arg(&unfinished);
    if home.is_temporary() {
        program.arg("--no-sync");
    }
    let to_remove = home.is_temporary().then(|| home.root());
    let status = Watchdog::start(
        &program,
        home.account(),
        log,
        StopSignal::Immediate,
        to_remove,
    )?
    .finish();
    if status != "0" {
        return Err(PostgresError::MakeData {
            program: program.get_program().into(),
            status,
            output: home.log_since(0),
        });
    }
    fs::rename(&unfinished, home.data()).doing("rename", &unfinished)
}

/// Starts the server on the port of the last start if it is free, otherwise on a random free port.
fn start_on_free_port(
    home: &Home,
    binaries: &Binaries,
    log: &fs::File,
) -> Result<(Watchdog, u16), PostgresError> {
    let mut position = 0;
    for port in home
        .port()
        .into_iter()
        .chain(std::iter::repeat_with(random_port).take(PORT_TRIES))
    {
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
            continue;
        }
        position = log.metadata().doing("read the log in", home.root())?.len();
        if let Some(watchdog) = run(home, binaries, log, port)? {
            home.set_port(port)?;
            return Ok((watchdog, port));
        }
    }
    Err(not_started(home, binaries, position))
}

/// Returns a random port below the range that systems use for outgoing connections, so that the
/// port is still free when the server is started again.
fn random_port() -> u16 {
    let [high, low, ..] = uuid::Uuid::new_v4().into_bytes();
    20_000 + u16::from_be_bytes([high, low]) % 12_000
}

/// Starts the server and waits until it accepts connections. Returns `None` if the port is in use.
fn run(
    home: &Home,
    binaries: &Binaries,
    log: &fs::File,
    port: u16,
) -> Result<Option<Watchdog>, PostgresError> {
    let position = log.metadata().doing("read the log in", home.root())?.len();
    let mut postgres = Command::new(binaries.postgres());
    postgres.arg("-D").arg(home.data());
    for (name, value) in settings(home.is_temporary(), port) {
        postgres.args(["-c", &format!("{name}={value}")]);
    }
    match leftover::recorded(&home.data()) {
        Recorded::Nothing => {}
        Recorded::Server(pid) => {
            return Err(PostgresError::InUse {
                path: home.root().to_owned(),
                pid: Some(pid),
            });
        }
        // With this variable Postgres does not treat the process as a running server, but still
        // checks whether shared memory is in use. If the file were removed instead, Postgres would
        // skip this check.
        Recorded::Stale(pid) => {
            postgres.env("PG_GRANDPARENT_PID", pid.to_string());
        }
    }
    let stop_signal = if home.is_temporary() {
        StopSignal::Immediate
    } else {
        StopSignal::Fast
    };
    let to_remove = home.is_temporary().then(|| home.root());
    let mut watchdog = Watchdog::start(&postgres, home.account(), log, stop_signal, to_remove)?;
    let deadline = Instant::now() + START_LIMIT;
    while !is_ready(home, watchdog.server()) {
        let ended = watchdog.ended().is_some();
        if ended || Instant::now() >= deadline {
            watchdog.keep();
            watchdog.close_and_wait();
            let port_is_taken = home.log_since(position).contains("could not bind");
            return if ended && port_is_taken {
                Ok(None)
            } else {
                Err(not_started(home, binaries, position))
            };
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(Some(watchdog))
}

fn settings(temporary: bool, port: u16) -> Vec<(&'static str, String)> {
    let mut settings: Vec<(&str, String)> = [
        ("listen_addresses", "127.0.0.1"),
        // Without a socket, no socket file can be left over and no path can be too long.
        ("unix_socket_directories", ""),
        ("max_connections", "200"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("lc_messages", "C"),
        ("log_destination", "stderr"),
        // With a log collector the server would not hold the locked log file open.
        ("logging_collector", "off"),
        ("jit", "off"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    settings.push(("port", port.to_string()));
    if temporary {
        // With these settings data survive a crash of the server, but not a crash of the machine.
        // synchronous_commit stays on, because a killed server would otherwise lose the last
        // commits.
        let fast = [("fsync", "off"), ("full_page_writes", "off")];
        settings.extend(fast.map(|(name, value)| (name, value.to_owned())));
    }
    settings
}

/// Whether the server has recorded in `postmaster.pid` that it accepts connections. A connection to
/// the port could reach another server.
fn is_ready(home: &Home, server: Pid) -> bool {
    let text = fs::read_to_string(home.data().join("postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines();
    let pid = lines.next().and_then(|pid| pid.trim().parse::<i32>().ok());
    pid == Some(server.as_raw_nonzero().get())
        && lines.nth(6).is_some_and(|status| status.trim() == "ready")
}

fn not_started(home: &Home, binaries: &Binaries, position: u64) -> PostgresError {
    PostgresError::Start {
        program: binaries.postgres(),
        log: home.log_since(position),
    }
}
