//! A process between us and the server, which outlives us for just as long as it takes to end the
//! server.
//!
//! A parent-death signal would not do: it belongs to the thread that spawned, and a change of uid
//! clears it. The end of a pipe belongs to the process, and the kernel closes it in every case.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::account::Account;
use crate::error::{Doing, PostgresError};

const SCRIPT: &str = include_str!("watchdog.sh");

/// How long a server has for each of three ways to end: asked, told, killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a server is asked to end when we are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// Writes everything down first.
    Fast,
    /// Leaves at once.
    Immediate,
}

/// A server under guard.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
    /// Closing it ends the server.
    leash: Option<ChildStdin>,
    server: Pid,
    ended: Arc<OnceLock<String>>,
}

impl Watchdog {
    /// Starts a program under guard. `log` becomes its standard output and error; `doomed` is
    /// removed once the program and we are gone.
    pub(crate) fn start(
        program: &Command,
        account: &Account,
        log: &File,
        farewell: Farewell,
        doomed: Option<&Path>,
    ) -> Result<Watchdog, PostgresError> {
        let shell = Path::new("/bin/sh");
        let log = log.try_clone().doing("open the log for", shell)?;
        let mut guarded = account.command(shell);
        guarded
            .args(["-c", SCRIPT, "sh"])
            .arg(doomed.unwrap_or(Path::new("")))
            .arg(match farewell {
                Farewell::Fast => "INT",
                Farewell::Immediate => "QUIT",
            })
            .arg((PATIENCE.as_millis() / 100).to_string())
            .arg(program.get_program())
            .args(program.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C at the terminal is for us; we or the end of us then stop the server.
            .process_group(0);
        for (name, value) in program.get_envs() {
            if let Some(value) = value {
                guarded.env(name, value);
            }
        }
        let mut child = guarded.spawn().doing("run", shell)?;
        let leash = child.stdin.take();
        let mut lines =
            BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
        let server = lines
            .next()
            .and_then(Result::ok)
            .and_then(|pid| Pid::from_raw(pid.parse().ok()?));
        let Some(server) = server else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))
                .doing("start a server with", shell);
        };
        let ended = Arc::new(OnceLock::new());
        let news = Arc::clone(&ended);
        // Waits on a pipe, not on a child: it may outlast this value, and ends with the shell.
        std::thread::spawn(move || {
            let status = lines.next().and_then(Result::ok);
            let _ = news.set(status.unwrap_or_else(|| "unknown".to_owned()));
        });
        Ok(Watchdog {
            shell: child,
            leash,
            server,
            ended,
        })
    }

    /// The server's process id.
    pub(crate) fn server(&self) -> Pid {
        self.server
    }

    /// The server's process id, as long as it has not ended.
    pub(crate) fn running(&self) -> Option<u32> {
        let pid = u32::try_from(self.server.as_raw_nonzero().get()).ok();
        pid.filter(|_| self.ended().is_none())
    }

    /// The server's exit status, once it has ended.
    pub(crate) fn ended(&self) -> Option<&str> {
        self.ended.get().map(String::as_str)
    }

    /// Sends the server a signal, unless it has ended: then its process id may be somebody else's.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.ended().is_none() {
            // It can still end in this moment; then there is nobody to hear, which is as well.
            let _ = kill_process(self.server, signal);
        }
    }

    /// Waits for the server to end by itself.
    pub(crate) fn wait_for_end(&self) -> String {
        self.ended.wait().clone()
    }

    /// Waits for the server to end by itself, then lets go of it without removing anything.
    pub(crate) fn finish(mut self) -> String {
        let status = self.wait_for_end();
        self.keep();
        self.let_go();
        let _ = self.shell.wait();
        status
    }

    /// The next end of the leash will remove nothing.
    pub(crate) fn keep(&mut self) {
        if let Some(leash) = &mut self.leash {
            // The watchdog may be gone already; then nothing is removed either.
            let _ = leash.write_all(b"keep\n");
        }
    }

    /// Lets go of the leash: the server is stopped, and what is doomed is removed.
    pub(crate) fn let_go(&mut self) {
        drop(self.leash.take());
    }

    /// Lets go and waits until the watchdog is done. `false` if that takes longer than it may.
    pub(crate) fn let_go_and_wait(&mut self) -> bool {
        self.let_go();
        let deadline = Instant::now() + PATIENCE * 6;
        while Instant::now() < deadline {
            match self.shell.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) | Err(_) => return true,
            }
        }
        false
    }
}
