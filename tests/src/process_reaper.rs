//! Kills the services of a test process that was killed before it could end them itself.

use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

// Reads `+ PID` and `- PID` until this process is gone in whatever way, then kills what is left.
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

/// Kills this process when ours ends.
pub(crate) fn register(pid: u32) {
    tell('+', pid);
}

/// Says that this process has ended.
pub(crate) fn forget(pid: u32) {
    tell('-', pid);
}

fn tell(sign: char, pid: u32) {
    let Some(pipe) = PIPE.get_or_init(start) else {
        return;
    };
    let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
    // Without it a killed test leaves a process behind, and nothing else goes wrong.
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
