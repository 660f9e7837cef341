//! What only a terminal shows.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Command;

use engine_roles_e2e::Installation;
use engine_roles_e2e::installation::fault;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use super::program::{engine_roles, operate};

/// Runs a command on a terminal, and returns its exit code and everything that the terminal got.
async fn on_a_terminal(mut command: Command) -> (Option<i32>, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&terminal).expect("our terminal");
    unlockpt(&terminal).expect("our terminal");
    let name = ptsname(&terminal, Vec::new()).expect("our terminal");
    let side = || -> OwnedFd {
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        rustix::fs::open(name.as_c_str(), flags, Mode::empty()).expect("the other side")
    };
    command.stdout(side()).stderr(side());
    let child = command.spawn();
    // The command holds the other side, too.
    drop(command);
    let mut child = child.expect("the binary can be run");
    let ran = tokio::task::spawn_blocking(move || {
        let mut shown = Vec::new();
        // Linux reports the end of a terminal whose other side is closed as an error.
        let _ = File::from(terminal).read_to_end(&mut shown);
        let status = child.wait().expect("the process is our child");
        (status.code(), String::from_utf8(shown).expect("text"))
    });
    ran.await.expect("the task does not panic")
}

#[tokio::test]
async fn a_terminal_shows_colours_and_a_line_of_progress_that_is_gone_at_the_end() {
    let installation = Installation::start().await;
    let slow = fault("PutRolePolicy", "before", json!({"hang_ms": 4_000}));
    installation.set_faults(slow);
    let put = engine_roles(&installation, &["role", "put", "one"]);
    let (code, shown) = on_a_terminal(put).await;
    assert_eq!(code, Some(0), "{shown}");
    let progress = "\r\x1b[Kprovisioning the role of cluster one … ";
    assert!(shown.matches(progress).count() >= 2, "{shown:?}");
    let (_, result) = shown.rsplit_once("\r\x1b[K").expect("progress");
    assert!(result.starts_with("cluster"), "{result:?}");
    assert!(result.contains("\x1b[32mactive\x1b[0m"), "{result:?}");

    let mut get = engine_roles(&installation, &["role", "get", "one"]);
    get.env("NO_COLOR", "1");
    let (_, plain) = on_a_terminal(get).await;
    assert!(
        plain.contains("active") && !plain.contains('\x1b'),
        "{plain:?}"
    );
    let json = engine_roles(&installation, &["role", "delete", "one", "--output=json"]);
    let (_, json) = on_a_terminal(json).await;
    assert!(json.starts_with('{') && !json.contains('\x1b'), "{json:?}");
    let piped = operate(&installation, &["role", "list"]).await;
    assert!(!piped.expect(0).contains('\x1b'), "{piped:#?}");
}
