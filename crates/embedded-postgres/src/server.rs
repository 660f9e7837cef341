//! Making data and starting a server on them.

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
use crate::watchdog::{Farewell, Watchdog};

/// How long a start may take, recovery after a crash included.
const STARTING: Duration = Duration::from_mins(2);

/// How long the processes of a server that was ended have to go.
const GOING: Duration = Duration::from_secs(30);

/// How many free ports somebody else may take before us.
const PORTS: usize = 20;

/// A server that runs, or did before it was killed.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) home: Home,
    pub(crate) watchdog: Watchdog,
    pub(crate) port: u16,
    pub(crate) url: String,
    binaries: Binaries,
}

impl Server {
    /// Finds binaries, makes data where there are none, and starts.
    pub(crate) fn start(config: &PostgresConfig) -> Result<Server, PostgresError> {
        let (home, temporary) = match &config.data_dir {
            Some(requested) => (Home::kept(requested)?, None),
            None => Home::temporary().map(|(home, guard)| (home, Some(guard)))?,
        };
        // Taken before anything is looked at, since an earlier server may just be ending.
        let log = home.locked_log(config.wait_for_earlier)?;
        log.set_len(0).doing("empty the log in", home.root())?;
        let binaries = search::find(&config.environment, home.account(), home.data_major())?;
        if home.data_major().is_none() {
            make_data(&home, &binaries, &log)?;
        }
        let (watchdog, port) = run_on_any_port(&home, &binaries, &log)?;
        let url = url::on_loopback(port, &home.password()?);
        if let Some(guard) = temporary {
            // From here on its removal is the watchdog's.
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

    /// Starts once more on the same data and port, after the server was killed or stopped.
    pub(crate) fn start_again(&mut self) -> Result<(), PostgresError> {
        if self.watchdog.running().is_some() {
            return Ok(());
        }
        self.watchdog.keep();
        self.watchdog.let_go_and_wait();
        let log = self.home.locked_log(GOING)?;
        let deadline = Instant::now() + STARTING;
        loop {
            match run(&self.home, &self.binaries, &log, self.port)? {
                Some(watchdog) => {
                    self.watchdog = watchdog;
                    return Ok(());
                }
                // Somebody has it for the moment, perhaps as the near end of a connection.
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(100)),
                None => return Err(not_started(&self.home, &self.binaries, 0)),
            }
        }
    }

    /// Sends the postmaster a signal that ends it, and waits until no process of the server is left,
    /// connections' included. The data stay.
    pub(crate) fn end_by(&mut self, signal: Signal) -> Result<(), PostgresError> {
        self.watchdog.signal(signal);
        drop(self.home.locked_log(GOING)?);
        // It has gone; that news is still on its way to us.
        self.watchdog.wait_for_end();
        Ok(())
    }

    /// Ends the server and waits until nothing of it is left.
    pub(crate) fn stop(&mut self) -> Result<(), PostgresError> {
        if self.watchdog.let_go_and_wait() {
            return Ok(());
        }
        self.watchdog.signal(Signal::KILL);
        Err(PostgresError::Stop {
            path: self.home.root().to_owned(),
        })
    }
}

/// Makes the data under another name first, so that data that are there are complete.
fn make_data(home: &Home, binaries: &Binaries, log: &fs::File) -> Result<(), PostgresError> {
    let unfinished = home.unfinished_data();
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).doing("remove", &unfinished)?;
    }
    let password = uuid::Uuid::new_v4().simple().to_string();
    let password_file = home.set_password(&password)?;
    let program = binaries.initdb();
    let mut initdb = Command::new(&program);
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
        .arg(password_file)
        .arg("--pgdata")
        .arg(&unfinished);
    if home.is_temporary() {
        initdb.arg("--no-sync");
    }
    let doomed = home.is_temporary().then(|| home.root());
    let status =
        Watchdog::start(&initdb, home.account(), log, Farewell::Immediate, doomed)?.finish();
    if status != "0" {
        let output = home.log_since(0);
        return Err(PostgresError::InitDb {
            program,
            status,
            output,
        });
    }
    fs::rename(&unfinished, home.data()).doing("rename", &unfinished)
}

/// The last start's port if it is free, else random ones until one is.
fn run_on_any_port(
    home: &Home,
    binaries: &Binaries,
    log: &fs::File,
) -> Result<(Watchdog, u16), PostgresError> {
    let mut position = 0;
    for port in home
        .port()
        .into_iter()
        .chain(std::iter::repeat_with(random_port).take(PORTS))
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

/// A port below those that systems give to outgoing connections, so that it is still free when the
/// server is started again.
fn random_port() -> u16 {
    let [high, low, ..] = uuid::Uuid::new_v4().into_bytes();
    20_000 + u16::from_be_bytes([high, low]) % 12_000
}

/// Starts the server and waits until it takes connections. `None` if the port is taken.
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
        // Postgres takes this process for no server. It then goes on to look for shared memory that
        // is still in use, which removing the file would keep it from.
        Recorded::Stale(pid) => {
            postgres.env("PG_GRANDPARENT_PID", pid.to_string());
        }
    }
    let farewell = if home.is_temporary() {
        Farewell::Immediate
    } else {
        Farewell::Fast
    };
    let doomed = home.is_temporary().then(|| home.root());
    let mut watchdog = Watchdog::start(&postgres, home.account(), log, farewell, doomed)?;
    let deadline = Instant::now() + STARTING;
    while !is_ready(home, watchdog.server()) {
        let ended = watchdog.ended().is_some();
        if ended || Instant::now() >= deadline {
            watchdog.keep();
            watchdog.let_go_and_wait();
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
        // No socket: nothing to be left over, and no path that may be too long.
        ("unix_socket_directories", ""),
        ("max_connections", "200"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("lc_messages", "C"),
        ("log_destination", "stderr"),
        // A collector would take the log out of our hands, and with it the lock.
        ("logging_collector", "off"),
        ("jit", "off"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    settings.push(("port", port.to_string()));
    if temporary {
        // Survives a crash of the server, though not one of the machine. Commits must still wait
        // for the log to be written, else a server that is killed forgets the last of them.
        let fast = [("fsync", "off"), ("full_page_writes", "off")];
        settings.extend(fast.map(|(name, value)| (name, value.to_owned())));
    }
    settings
}

/// Whether the server itself has written down that it takes connections. Asking the port could
/// reach somebody else's server.
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
