//! A watchdog process that starts the server, and ends it when this process has ended.
//!
//! A parent-death signal would not be enough: it is bound to the thread that spawned the child, and
//! a change of uid clears it. A pipe is bound to the process, and the kernel closes it however the
//! process ends.

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

/// How long the watchdog waits after its first signal, and again after SIGQUIT, before it sends a
/// stronger signal.
const SIGNAL_INTERVAL: Duration = Duration::from_secs(5);

/// The first signal that ends a server when this process has ended, named as the modes of `pg_ctl
/// stop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// SIGINT: an orderly shutdown, which writes everything to disk.
    Fast,
    /// SIGQUIT: an immediate exit without a checkpoint.
    Immediate,
}

/// A server that a watchdog process has started.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
    /// The pipe to the watchdog. Closing the pipe ends the server.
    pipe: Option<ChildStdin>,
    server: Pid,
    ended: Arc<OnceLock<String>>,
}

impl Watchdog {
    /// Starts a program through a watchdog. `log` becomes the program's standard output and error.
    /// The watchdog removes `to_remove` when the program and this process have ended.
    pub(crate) fn start(
        program: &Command,
        account: &Account,
        log: &File,
        stop_signal: StopSignal,
        to_remove: Option<&Path>,
    ) -> Result<Watchdog, PostgresError> {
        let shell = Path::new("/bin/sh");
        let log = log.try_clone().doing("open the log for", shell)?;
        let mut command = account.command(shell);
        command
            .args(["-c", SCRIPT, "sh"])
            .arg(to_remove.unwrap_or(Path::new("")))
            .arg(match stop_signal {
                StopSignal::Fast => "INT",
                StopSignal::Immediate => "QUIT",
            })
            .arg((SIGNAL_INTERVAL.as_millis() / 100).to_string())
            .arg(program.get_program())
            .args(program.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C at the terminal must not reach the server: this process stops the server, or
            // the watchdog does when this process ends.
            .process_group(0);
        for (name, value) in program.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let mut child = command.spawn().doing("run", shell)?;
        let pipe = child.stdin.take();
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
        let status_cell = Arc::clone(&ended);
        // The thread waits for a pipe, not for a child process. It may outlive this value, and ends
        // when the shell ends.
        std::thread::spawn(move || {
            let status = lines.next().and_then(Result::ok);
            let _ = status_cell.set(status.unwrap_or_else(|| "unknown".to_owned()));
        });
        Ok(Watchdog {
            shell: child,
            pipe,
            server,
            ended,
        })
    }

    /// Returns the server's process id.
    pub(crate) fn server(&self) -> Pid {
        self.server
    }

    /// Returns the server's process id; `None` if the server has ended.
    pub(crate) fn running(&self) -> Option<u32> {
        let pid = u32::try_from(self.server.as_raw_nonzero().get()).ok();
        pid.filter(|_| self.ended().is_none())
    }

    /// Returns the server's exit status; `None` until the server has ended.
    pub(crate) fn ended(&self) -> Option<&str> {
        self.ended.get().map(String::as_str)
    }

    /// Sends the server a signal, unless the server has ended, because its process id may then
    /// belong to another process.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.ended().is_none() {
            // The server can still end at this moment; the signal is then not needed, so an error
            // is ignored.
            let _ = kill_process(self.server, signal);
        }
    }

    /// Waits until the server ends by itself, and returns its exit status.
    pub(crate) fn wait_for_end(&self) -> String {
        self.ended.wait().clone()
    }

    /// Waits until the program ends by itself, then ends the watchdog without removing anything.
    pub(crate) fn finish(mut self) -> String {
        let status = self.wait_for_end();
        self.keep();
        self.close();
        let _ = self.shell.wait();
        status
    }

    /// Tells the watchdog to remove nothing when the pipe is closed.
    pub(crate) fn keep(&mut self) {
        if let Some(pipe) = &mut self.pipe {
            // An error means that the watchdog has already ended; it then removes nothing either.
            let _ = pipe.write_all(b"keep\n");
        }
    }

    /// Closes the pipe: the watchdog stops the server and removes `to_remove`.
    pub(crate) fn close(&mut self) {
        drop(self.pipe.take());
    }

    /// Closes the pipe and waits until the watchdog has ended. Returns `false` on timeout.
    pub(crate) fn close_and_wait(&mut self) -> bool {
        self.close();
        let deadline = Instant::now() + SIGNAL_INTERVAL * 6;
        while Instant::now() < deadline {
            match self.shell.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) | Err(_) => return true,
            }
        }
        false
    }
}
