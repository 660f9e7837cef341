//! Kills the services that a test process started, after that process was killed.

use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

// Reads `+ PID` and `- PID` until the pipe closes, which happens however the test process ends.
// Then kills the processes that are still on the list.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
left=' '
while read -r sign pid; do
    case $sign in
        +) left="$left$pid " ;;
        -) left=$(printf %s "$left" | sed "s/ $pid / /") ;;
    esac
done
for pid in $left; do kill -KILL "$pid" 2>/dev/null; done
"#;

static PIPE: OnceLock<Option<Mutex<ChildStdin>>> = OnceLock::new();

/// Adds a process that is killed when the test process ends.
pub(crate) fn register(pid: u32) {
    write('+', pid);
}

/// Removes a process that has ended.
pub(crate) fn forget(pid: u32) {
    write('-', pid);
}

fn write(sign: char, pid: u32) {
    let Some(pipe) = PIPE.get_or_init(start) else {
        return;
    };
    let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
    // If the reaper does not run, a killed test leaves a process behind, and nothing else is wrong.
    let _ = writeln!(pipe, "{sign} {pid}");
}

fn start() -> Option<Mutex<ChildStdin>> {
    let mut watching = Command::new("/bin/sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    watching.stdin.take().map(Mutex::new)
}
