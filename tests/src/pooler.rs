//! A real `PgBouncer` in front of Postgres.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio_postgres::Config;

use crate::polling::eventually;
use crate::process_reaper;

/// The variable that names the program.
const PROGRAM: &str = "ENGINE_ROLES_TEST_PGBOUNCER";
/// The variable that puts a pooler in front of Postgres in every test: `session` or `transaction`.
const EVERYWHERE: &str = "ENGINE_ROLES_TEST_POOLER";
/// `nobody`, on every system that has a `PgBouncer`.
const UNPRIVILEGED: u32 = 65_534;

/// How long the pooler lends a server connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// Until the client disconnects.
    Session,
    /// For one transaction.
    Transaction,
}

impl PoolMode {
    /// The word of `PgBouncer`, and of the service's setting.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
        }
    }

    /// The mode that every test has to use, if there is one.
    pub(crate) fn everywhere() -> Option<Self> {
        let mode = std::env::var(EVERYWHERE).ok()?;
        match mode.as_str() {
            "session" => Some(Self::Session),
            "transaction" => Some(Self::Transaction),
            other => panic!("{EVERYWHERE} is {other}, not session or transaction"),
        }
    }
}

/// Returns the program, if tests with a pooler can run here; says so if they can't.
pub fn program() -> Option<PathBuf> {
    let program = std::env::var_os(PROGRAM).map(PathBuf::from);
    if program.is_none() {
        // Written past the test harness, so that it shows without `--nocapture`.
        let words =
            format!("\nNOT RUN: a test with a pooler, since {PROGRAM} names no PgBouncer\n");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes());
    }
    program
}

/// A running pooler. Dropping this value ends it.
#[derive(Debug)]
pub struct PgBouncer {
    child: Child,
    port: u16,
    url: String,
    _directory: TempDir,
}

impl PgBouncer {
    /// Starts a pooler with its default configuration, apart from the mode and the number of server
    /// connections, in front of the server of this URL.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(program: &Path, server: &str, mode: PoolMode, connections: usize) -> Self {
        let directory = TempDir::new().expect("a directory can be made");
        let config: Config = server.parse().expect("the URL is valid");
        let user = config.get_user().expect("the URL has a user");
        let password = config.get_password().expect("the URL has a password");
        let password = str::from_utf8(password).expect("the password is text");
        let server_port = config.get_ports().first().expect("the URL has a port");
        let port = free_port();
        let file = |name: &str| directory.path().join(name);
        let users = format!("\"{user}\" \"{password}\"\n");
        let mode = mode.as_str();
        let users_file = file("users.txt");
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={server_port}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_file = {}\npool_mode = {mode}\ndefault_pool_size = {connections}\n",
            users_file.display()
        );
        fs::write(users_file, users).expect("the file can be written");
        fs::write(file("pgbouncer.ini"), settings).expect("the file can be written");
        let readable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), readable).expect("the directory is ours");
        let mut command = Command::new(program);
        command
            .arg(file("pgbouncer.ini"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if rustix::process::geteuid().is_root() {
            // PgBouncer refuses to run as root.
            command.uid(UNPRIVILEGED);
        }
        let child = command.spawn().expect("PgBouncer can be run");
        process_reaper::register(child.id());
        let pooler = Self {
            child,
            port,
            url: through(server, *server_port, port),
            _directory: directory,
        };
        eventually("PgBouncer listens", async || {
            let connected = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port));
            connected.await.ok().map(drop)
        })
        .await;
        pooler
    }

    /// The URL of the server's database, through the pooler.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port on which the pooler listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        process_reaper::forget(self.child.id());
    }
}

/// Replaces the port in a URL.
fn through(url: &str, from: u16, to: u16) -> String {
    url.replacen(&format!(":{from}/"), &format!(":{to}/"), 1)
}

/// Returns a free port that hardly any other program gets: it is below those that systems give to programs that
/// ask for any port, and below those of the tests' Postgres servers.
fn free_port() -> u16 {
    let random = || {
        let [high, low, ..] = uuid::Uuid::new_v4().into_bytes();
        10_000 + u16::from_be_bytes([high, low]) % 10_000
    };
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let mut ports = std::iter::repeat_with(random).take(100);
    ports.find(is_free).expect("a free port")
}
