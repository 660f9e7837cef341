//! The system account that Postgres runs as, because Postgres does not run as root.

use std::fmt;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Doing, PostgresError};

/// The environment variables that are passed on to Postgres and its tools. The `PG…` variables of
/// the person who runs the tests must not reach Postgres.
const PASSED_ON: [&str; 3] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// The system account that Postgres and its tools run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Account {
    /// The account that runs this program.
    Current,
    /// Another account, because this program runs as root.
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    /// Returns the owner of existing data, or otherwise an account without privileges.
    pub(crate) fn for_data(data: Option<&Path>) -> Result<Account, PostgresError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Account::Current);
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let owner = data
            .and_then(|data| fs::metadata(data).ok())
            .filter(|data| data.uid() != 0);
        if let Some(owner) = owner {
            let (uid, gid) = (owner.uid(), owner.gid());
            let name = accounts(&passwd)
                .find_map(|account| match account {
                    Account::Other {
                        name, uid: theirs, ..
                    } if theirs == uid => Some(name),
                    _ => None,
                })
                .unwrap_or_else(|| format!("uid {uid}"));
            return Ok(Account::Other { name, uid, gid });
        }
        unprivileged(&passwd).ok_or(PostgresError::NoAccount)
    }

    /// Returns a command that runs as this account, in a directory that every account can reach.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .current_dir("/")
            .stdin(Stdio::null());
        for name in PASSED_ON {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        if let Account::Other { uid, gid, .. } = self {
            // The standard library drops supplementary groups when root sets a uid.
            command.uid(*uid).gid(*gid);
        }
        command
    }

    /// Makes the account the owner of a path that this program created for it.
    pub(crate) fn own(&self, path: &Path) -> Result<(), PostgresError> {
        match self {
            Account::Current => Ok(()),
            Account::Other { uid, gid, .. } => {
                chown(path, Some(*uid), Some(*gid)).doing("change the owner of", path)
            }
        }
    }

    /// Whether the account can write in the directory. The test runs as the account itself,
    /// so modes, access lists and mounts are all considered.
    pub(crate) fn can_write(&self, directory: &Path) -> bool {
        self.shell_test(
            "test -d \"$1\" && test -w \"$1\" && test -x \"$1\"",
            directory,
        )
    }

    /// Whether the account can enter the directory.
    pub(crate) fn can_enter(&self, directory: &Path) -> bool {
        self.shell_test("cd \"$1\"", directory)
    }

    fn shell_test(&self, test: &str, path: &Path) -> bool {
        self.command(Path::new("/bin/sh"))
            .args(["-c", test, "sh"])
            .arg(path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::Current => write!(f, "this account"),
            Account::Other { name, .. } => write!(f, "the account {name}"),
        }
    }
}

/// Returns the account to use instead of root: `postgres`, otherwise `nobody`, otherwise any other
/// account. The account must be in `/etc/passwd`, because `initdb` looks up its name.
fn unprivileged(passwd: &str) -> Option<Account> {
    let named = |wanted: &str| {
        accounts(passwd)
            .find(|account| matches!(account, Account::Other { name, .. } if name == wanted))
    };
    named("postgres")
        .or_else(|| named("_postgres"))
        .or_else(|| named("nobody"))
        .or_else(|| accounts(passwd).next())
}

/// Returns the accounts other than root in the text of `/etc/passwd`.
fn accounts(passwd: &str) -> impl Iterator<Item = Account> + '_ {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, _, uid, gid) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        // macOS writes the uid of `nobody` as -2.
        let number = |text: &str| {
            text.parse::<u32>()
                .ok()
                .or_else(|| Some(text.parse::<i32>().ok()?.cast_unsigned()))
        };
        let (uid, gid) = (number(uid)?, number(gid)?);
        (uid != 0 && !name.is_empty()).then(|| Account::Other {
            name: name.to_owned(),
            uid,
            gid,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(name: &str, uid: u32, gid: u32) -> Account {
        Account::Other {
            name: name.to_owned(),
            uid,
            gid,
        }
    }

    #[test]
    fn the_account_is_postgres_or_nobody_or_the_first_that_is_not_root() {
        let root = "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\n";
        let bin = "bin:x:2:3:bin:/bin:/usr/sbin/nologin\n";
        let nobody = "nobody:x:65534:65534::/:/sbin/nologin\n";
        let postgres = "postgres:x:101:104::/var/lib/postgresql:/bin/bash\n";
        assert_eq!(
            unprivileged(&[root, bin, nobody, postgres].concat()),
            Some(other("postgres", 101, 104))
        );
        assert_eq!(
            unprivileged(&[root, bin, nobody].concat()),
            Some(other("nobody", 65534, 65534))
        );
        assert_eq!(
            unprivileged(&[root, bin].concat()),
            Some(other("bin", 2, 3))
        );
        assert_eq!(unprivileged(root), None);
        assert_eq!(unprivileged("nonsense\n:x:1:1\nx:y:z:w\n"), None);
        assert_eq!(
            unprivileged("nobody:*:-2:-2:x:/:/bin/false"),
            Some(other("nobody", u32::MAX - 1, u32::MAX - 1))
        );
    }
}
