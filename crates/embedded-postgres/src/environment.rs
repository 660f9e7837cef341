//! The inputs of the search for Postgres.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The places where Postgres is searched for. The default comes from the environment of this
/// process; tests build their own.
#[derive(Debug, Clone)]
pub struct Environment {
    /// `DATABASE_URL`: a running server. If it is set, no server is started.
    pub database_url: Option<String>,
    /// `PG_BIN`: the directory of `postgres` and `initdb`.
    pub pg_bin: Option<PathBuf>,
    /// Installed versions in Debian's layout: `/usr/lib/postgresql/*/bin`.
    pub installed: Vec<PathBuf>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// Directories for downloads, in order of preference. A directory that the server's account
    /// can't enter is skipped.
    pub caches: Vec<PathBuf>,
    /// The Python that downloads Postgres if no other place has it; `None` disables the download.
    pub python: Option<PathBuf>,
}

impl Environment {
    /// Returns the environment of this process.
    pub fn of_this_process() -> Environment {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Environment {
            database_url: set("DATABASE_URL").and_then(|url| url.into_string().ok()),
            pg_bin: set("PG_BIN").map(PathBuf::from),
            installed: installed(Path::new("/usr/lib/postgresql")),
            path: set("PATH"),
            caches: caches(
                set("XDG_CACHE_HOME").map(PathBuf::from),
                set("HOME").map(PathBuf::from),
                &std::env::temp_dir(),
                rustix::process::geteuid().as_raw(),
            ),
            python: Some(PathBuf::from("python3")),
        }
    }

    /// Returns an environment without any places.
    pub fn empty() -> Environment {
        Environment {
            database_url: None,
            pg_bin: None,
            installed: Vec::new(),
            path: None,
            caches: Vec::new(),
            python: None,
        }
    }
}

impl Default for Environment {
    fn default() -> Self {
        Environment::of_this_process()
    }
}

fn installed(versions: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(versions)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.is_dir())
        .collect()
}

/// Returns XDG's cache directory or `~/.cache`; for root also the system's cache directory, because
/// other accounts can't enter root's home; last, the directory for temporary files.
fn caches(xdg: Option<PathBuf>, home: Option<PathBuf>, temp: &Path, uid: u32) -> Vec<PathBuf> {
    let own = xdg.filter(|path| path.is_absolute()).or_else(|| {
        home.filter(|path| path.is_absolute())
            .map(|home| home.join(".cache"))
    });
    let mut caches: Vec<PathBuf> = own
        .map(|cache| cache.join("engine-roles"))
        .into_iter()
        .collect();
    if uid == 0 {
        caches.push(PathBuf::from("/var/cache/engine-roles"));
    }
    caches.push(temp.join(format!("engine-roles-cache-{uid}")));
    caches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_in_xdgs_directory_or_the_home_or_the_temporary_directory() {
        let temp = Path::new("/t");
        let path = |text: &str| Some(PathBuf::from(text));
        let of = |xdg, home, uid| -> Vec<String> {
            caches(xdg, home, temp, uid)
                .into_iter()
                .map(|path| path.display().to_string())
                .collect()
        };
        assert_eq!(
            of(path("/x"), path("/h"), 7),
            ["/x/engine-roles", "/t/engine-roles-cache-7"]
        );
        assert_eq!(
            of(None, path("/h"), 7),
            ["/h/.cache/engine-roles", "/t/engine-roles-cache-7"]
        );
        assert_eq!(
            of(path("relative"), path("/h"), 7),
            ["/h/.cache/engine-roles", "/t/engine-roles-cache-7"]
        );
        assert_eq!(of(None, None, 7), ["/t/engine-roles-cache-7"]);
        assert_eq!(
            of(None, path("/root"), 0),
            [
                "/root/.cache/engine-roles",
                "/var/cache/engine-roles",
                "/t/engine-roles-cache-0"
            ]
        );
    }
}
