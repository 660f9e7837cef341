//! The directory of a server, with its data, its password, its port and its log.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use crate::account::Account;
use crate::error::{Doing, PostgresError, Tried};
use crate::leftover;

/// The prefix of temporary directories.
const PREFIX: &str = "engine-roles-postgres-";

/// The directory of a server, which the server's account can use.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    root: PathBuf,
    account: Account,
    temporary: bool,
}

impl Home {
    /// Creates a temporary directory, which is removed when the returned guard is dropped.
    pub(crate) fn temporary() -> Result<(Home, tempfile::TempDir), PostgresError> {
        let account = Account::for_data(None)?;
        let mut tried = Vec::new();
        for base in temporary_bases() {
            let mut skip = |reason: String| {
                tried.push(Tried {
                    place: base.display().to_string(),
                    reason,
                });
            };
            match tempfile::Builder::new().prefix(PREFIX).tempdir_in(&base) {
                Ok(directory) => {
                    account.own(directory.path())?;
                    if account.can_write(directory.path()) {
                        let home = Home {
                            root: directory.path().to_owned(),
                            account,
                            temporary: true,
                        };
                        return Ok((home, directory));
                    }
                    skip(format!("{account} can't use it"));
                }
                Err(error) => skip(error.to_string()),
            }
        }
        Err(PostgresError::Unreachable {
            account: account.to_string(),
            tried,
        })
    }

    /// Returns the directory at `requested`. If the server's account can't use it, returns one
    /// under the temporary directories, which is always the same for the same `requested`.
    pub(crate) fn kept(requested: &Path) -> Result<Home, PostgresError> {
        let requested = std::path::absolute(requested).doing("find", requested)?;
        let mut places = vec![requested.clone()];
        if rustix::process::geteuid().is_root() {
            places.extend(fallbacks(&requested));
        }
        // A directory that already has data comes first, even if a better place is available now.
        places.sort_by_key(|place| !place.join("pgdata").exists());
        let mut account = Account::Current;
        let mut tried = Vec::new();
        for root in places {
            account = Account::for_data(Some(&root.join("pgdata")))?;
            let home = Home {
                root,
                account: account.clone(),
                temporary: false,
            };
            match home.prepare(home.root == requested) {
                Ok(()) => return Ok(home),
                Err(Rejection::Final(error)) => return Err(error),
                Err(Rejection::TryNext(reason)) => {
                    tried.push(Tried {
                        place: home.root.display().to_string(),
                        reason,
                    });
                }
            }
        }
        Err(PostgresError::Unreachable {
            account: account.to_string(),
            tried,
        })
    }

    fn prepare(&self, requested: bool) -> Result<(), Rejection> {
        if let Some(parent) = self.root.parent() {
            fs::create_dir_all(parent).map_err(|error| Rejection::TryNext(error.to_string()))?;
        }
        let new = match DirBuilder::new().mode(0o700).create(&self.root) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(Rejection::TryNext(error.to_string())),
        };
        let metadata = fs::symlink_metadata(&self.root)
            .doing("read", &self.root)
            .map_err(Rejection::Final)?;
        // Anybody could guess the name of a fallback directory and create it first.
        let owner = match self.account {
            Account::Current => rustix::process::geteuid().as_raw(),
            Account::Other { uid, .. } => uid,
        };
        if !requested
            && !new
            && !(metadata.is_dir()
                && (metadata.uid() == owner || metadata.uid() == 0)
                && metadata.mode() & 0o022 == 0)
        {
            return Err(Rejection::TryNext("belongs to another account".to_owned()));
        }
        if !new && !self.has_only_known_files().map_err(Rejection::Final)? {
            return Err(Rejection::Final(PostgresError::NotOurs {
                path: self.root.clone(),
            }));
        }
        self.account.own(&self.root).map_err(Rejection::Final)?;
        if self.account.can_write(&self.root) {
            return Ok(());
        }
        if new {
            let _ = fs::remove_dir(&self.root);
        }
        Err(Rejection::TryNext(format!("{} can't use it", self.account)))
    }

    /// Whether the directory is empty or has only files of an earlier start.
    fn has_only_known_files(&self) -> Result<bool, PostgresError> {
        let known = |name: &str| {
            [
                "pgdata",
                "pgdata.new",
                "password",
                "password.new",
                "port",
                "log",
            ]
            .contains(&name)
        };
        let mut entries = fs::read_dir(&self.root).doing("read", &self.root)?;
        Ok(entries
            .all(|entry| entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(known))))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    pub(crate) fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// The data directory of Postgres, inside this directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("pgdata")
    }

    /// The directory in which `initdb` works until it has finished.
    pub(crate) fn unfinished_data(&self) -> PathBuf {
        self.root.join("pgdata.new")
    }

    /// The major version of the data; `None` if there are no data.
    pub(crate) fn data_major(&self) -> Option<u32> {
        fs::read_to_string(self.data().join("PG_VERSION"))
            .ok()?
            .trim()
            .split('.')
            .next()?
            .parse()
            .ok()
    }

    /// The log of the server.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Reads the superuser's password.
    pub(crate) fn password(&self) -> Result<String, PostgresError> {
        let path = self.root.join("password");
        match open(&path, OpenOptions::new().read(true)) {
            Ok(mut file) => {
                let mut password = String::new();
                file.read_to_string(&mut password).doing("read", &path)?;
                Ok(password.trim().to_owned())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(PostgresError::NoPassword {
                    path: self.root.clone(),
                })
            }
            Err(error) => Err(error).doing("read", &path),
        }
    }

    /// Stores a new password and returns the path of the password file.
    pub(crate) fn set_password(&self, password: &str) -> Result<PathBuf, PostgresError> {
        self.write("password", password)
    }

    /// The port of the last start; `None` before the server was ever started.
    pub(crate) fn port(&self) -> Option<u16> {
        fs::read_to_string(self.root.join("port"))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    pub(crate) fn set_port(&self, port: u16) -> Result<(), PostgresError> {
        self.write("port", &port.to_string()).map(drop)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, PostgresError> {
        let path = self.root.join(name);
        let mut file = open(
            &path,
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600),
        )
        .doing("write", &path)?;
        writeln!(file, "{text}").doing("write", &path)?;
        self.account.own(&path)?;
        Ok(path)
    }

    /// Opens and locks the log. The server inherits the locked file, so the lock becomes free only
    /// when no process of an earlier server is left; waits for this.
    pub(crate) fn locked_log(&self, wait: Duration) -> Result<File, PostgresError> {
        let path = self.log_file();
        let log = open(
            &path,
            OpenOptions::new().append(true).create(true).mode(0o600),
        )
        .doing("open", &path)?;
        self.account.own(&path)?;
        let deadline = Instant::now() + wait;
        loop {
            match log.try_lock() {
                Ok(()) => return Ok(log),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => {
                    let pid = leftover::recorded_pid(&self.data());
                    return Err(PostgresError::InUse {
                        path: self.root.clone(),
                        pid,
                    });
                }
                Err(TryLockError::Error(error)) => return Err(error).doing("lock", &path),
            }
        }
    }

    /// Returns the last lines of the log that were written after `position`.
    pub(crate) fn log_since(&self, position: u64) -> String {
        let path = self.log_file();
        let mut text = Vec::new();
        if let Ok(mut log) = open(&path, OpenOptions::new().read(true)) {
            let _ = log
                .seek(SeekFrom::Start(position))
                .and_then(|_| log.read_to_end(&mut text));
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// Opens a file in a directory that another account may own, without following symbolic links.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// Why a directory can't be used.
enum Rejection {
    /// This directory can't be used, but another one may be usable.
    TryNext(String),
    /// An error that makes the search for a directory fail.
    Final(PostgresError),
}

fn temporary_bases() -> Vec<PathBuf> {
    let mut bases = vec![std::env::temp_dir()];
    for base in ["/tmp", "/var/tmp"].map(PathBuf::from) {
        if !bases.contains(&base) {
            bases.push(base);
        }
    }
    bases
}

/// Returns the directories to use instead of one that the server's account can't use. `/var/tmp`
/// comes first, because its files are kept longest.
fn fallbacks(requested: &Path) -> Vec<PathBuf> {
    let digest = HEXLOWER.encode(&Sha256::digest(requested.as_os_str().as_encoded_bytes()));
    let name = format!("{PREFIX}kept-{}", &digest[..16]);
    let mut bases = temporary_bases();
    bases.sort_by_key(|base| base != Path::new("/var/tmp"));
    bases.into_iter().map(|base| base.join(&name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fallback_directory_of_a_path_is_stable_and_differs_between_paths() {
        let of = |path: &str| fallbacks(Path::new(path));
        assert_eq!(of("/root/a"), of("/root/a"));
        assert_ne!(of("/root/a"), of("/root/b"));
        assert!(of("/root/a")[0].starts_with("/var/tmp"));
    }

    #[test]
    fn a_directory_with_unknown_files_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("thesis.tex"), "").unwrap();
        let error = Home::kept(directory.path()).unwrap_err();
        assert!(matches!(error, PostgresError::NotOurs { .. }), "{error}");
    }
}
