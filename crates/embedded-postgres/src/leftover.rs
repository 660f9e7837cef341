//! The `postmaster.pid` that a killed server left behind.
//!
//! Postgres does not start while the process recorded in this file exists. The process also seems
//! to exist if it is a zombie that nobody waits for, or if its process id was reused by an
//! unrelated process.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// The time to wait for an earlier server that is about to end.
const END_LIMIT: Duration = Duration::from_secs(10);

/// The state of the process recorded in `postmaster.pid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// No process that would prevent a start.
    Nothing,
    /// A zombie or an unrelated process.
    Stale(u32),
    /// A server on the same data that this crate did not start.
    Server(u32),
}

/// Returns the process id in `postmaster.pid`.
pub(crate) fn recorded_pid(data: &Path) -> Option<u32> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok()
}

/// Determines the state of the recorded process; if it is a server, waits some time for its end.
pub(crate) fn recorded(data: &Path) -> Recorded {
    let deadline = Instant::now() + END_LIMIT;
    loop {
        let Some(pid) = recorded_pid(data) else {
            return Recorded::Nothing;
        };
        match process(pid, data) {
            Process::Absent => return Recorded::Nothing,
            Process::Zombie | Process::Unrelated => return Recorded::Stale(pid),
            Process::Server if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Process::Server => return Recorded::Server(pid),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    Absent,
    Zombie,
    Unrelated,
    Server,
}

fn process(pid: u32, data: &Path) -> Process {
    if Path::new("/proc/self/stat").exists() {
        return process_in_proc(Path::new("/proc"), pid, data);
    }
    let output = Command::new("ps")
        .args(["-o", "stat=", "-o", "args=", "-p", &pid.to_string()])
        .output();
    output.map_or(Process::Absent, |output| {
        process_in_ps(&String::from_utf8_lossy(&output.stdout), data)
    })
}

fn process_in_proc(proc: &Path, pid: u32, data: &Path) -> Process {
    let directory = proc.join(pid.to_string());
    let Ok(stat) = fs::read_to_string(directory.join("stat")) else {
        return Process::Absent;
    };
    // The name in parentheses may itself contain parentheses and spaces.
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim_start().chars().next());
    if matches!(state, Some('Z' | 'X')) {
        return Process::Zombie;
    }
    // The working directory of a postmaster is its data directory; no other process of this name
    // has it.
    let (Ok(work), Ok(data)) = (
        fs::canonicalize(directory.join("cwd")),
        fs::canonicalize(data),
    ) else {
        return Process::Unrelated;
    };
    let name = fs::read_to_string(directory.join("comm")).unwrap_or_default();
    if work == data && name.starts_with("postgres") {
        Process::Server
    } else {
        Process::Unrelated
    }
}

fn process_in_ps(line: &str, data: &Path) -> Process {
    let line = line.trim();
    let Some((state, args)) = line.split_once(char::is_whitespace) else {
        return if line.is_empty() {
            Process::Absent
        } else {
            Process::Zombie
        };
    };
    if state.starts_with('Z') {
        return Process::Zombie;
    }
    let is_server = args.contains("postgres") && args.contains(&*data.to_string_lossy());
    if is_server {
        Process::Server
    } else {
        Process::Unrelated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_ps_distinguishes_a_server_from_a_zombie_and_from_others() {
        let of = |line| process_in_ps(line, Path::new("/d/pgdata"));
        assert_eq!(of(""), Process::Absent);
        assert_eq!(of("Z    (postgres)\n"), Process::Zombie);
        assert_eq!(of("Z+"), Process::Zombie);
        assert_eq!(
            of("Ss   /opt/bin/postgres -D /d/pgdata -p 1\n"),
            Process::Server
        );
        assert_eq!(
            of("Ss   /opt/bin/postgres -D /other -p 1\n"),
            Process::Unrelated
        );
        assert_eq!(of("S    vi /d/pgdata\n"), Process::Unrelated);
    }

    #[test]
    fn proc_files_distinguish_a_server_from_a_zombie_and_from_others() {
        let made = tempfile::tempdir().unwrap();
        let (proc, data, other) = (
            made.path().join("proc"),
            made.path().join("data"),
            made.path().join("other"),
        );
        for directory in [&data, &other] {
            fs::create_dir(directory).unwrap();
        }
        let process = |pid: u32, stat: &str, name: &str, work: &Path| {
            let directory = proc.join(pid.to_string());
            fs::create_dir_all(&directory).unwrap();
            fs::write(
                directory.join("stat"),
                format!("{pid} ({name}) {stat} 1 2 3"),
            )
            .unwrap();
            fs::write(directory.join("comm"), format!("{name}\n")).unwrap();
            std::os::unix::fs::symlink(work, directory.join("cwd")).unwrap();
            process_in_proc(&proc, pid, &data)
        };
        assert_eq!(process(1, "S", "postgres", &data), Process::Server);
        assert_eq!(process(2, "S", "postgres", &other), Process::Unrelated);
        assert_eq!(process(3, "S", "bash", &data), Process::Unrelated);
        assert_eq!(process(4, "Z", "postgres", &data), Process::Zombie);
        assert_eq!(process(5, "S", "odd ) Z (", &other), Process::Unrelated);
        assert_eq!(process_in_proc(&proc, 6, &data), Process::Absent);
    }
}
