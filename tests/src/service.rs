//! A replica: the real binary as a process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::binary::service_binary;
use crate::container::Container;
use crate::log::Log;
use crate::polling::eventually;
use crate::process_reaper;

/// Prefixes of environment variables that would change the service's behaviour if it inherited them
/// from a developer's shell.
const INHERITED: [&str; 4] = ["AWS_", "ENGINE_ROLES_", "DATABASE_URL", "OTEL_"];
const PROXIES: [&str; 4] = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];

/// A process that runs `engine-roles serve`. Dropping this value kills the process.
#[derive(Debug)]
pub struct Service {
    /// The process, or the command that runs its container.
    child: Child,
    container: Option<Container>,
    pid: u32,
    address: SocketAddr,
    log: Log,
}

/// Returns an `engine-roles` command with this environment, and without inherited settings of AWS,
/// proxies or the service.
pub fn command(arguments: &[&str], environment: &BTreeMap<String, String>) -> Command {
    command_of(&service_binary(), arguments, environment)
}

/// As [`command`], of another binary.
pub(crate) fn command_of(
    binary: &Path,
    arguments: &[&str],
    environment: &BTreeMap<String, String>,
) -> Command {
    command_in(
        Container::in_place_of(binary).as_ref(),
        binary,
        arguments,
        environment,
    )
}

fn command_in(
    container: Option<&Container>,
    binary: &Path,
    arguments: &[&str],
    environment: &BTreeMap<String, String>,
) -> Command {
    let mut command = if let Some(container) = container {
        container.command(arguments, environment)
    } else {
        let mut command = Command::new(binary);
        command.args(arguments);
        command
    };
    command.stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let proxy = PROXIES.iter().any(|proxy| text.eq_ignore_ascii_case(proxy));
        if proxy || INHERITED.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command.envs(environment);
    command
}

impl Service {
    /// Starts a replica and waits until it listens.
    ///
    /// # Panics
    /// When the process ends before it listens. The message has its log.
    pub async fn start(environment: &BTreeMap<String, String>) -> Self {
        Self::start_binary(&service_binary(), environment).await
    }

    /// As [`Service::start`], with another binary than the one that was built with this test.
    pub async fn start_binary(binary: &Path, environment: &BTreeMap<String, String>) -> Self {
        let container = Container::in_place_of(binary);
        let mut child = command_in(container.as_ref(), binary, &["serve"], environment)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be run");
        process_reaper::register(child.id());
        let log = Log::follow(child.stderr.take().expect("stderr is piped"));
        let mut starting = KilledOnDrop(Some((child, container)));
        let address = eventually("the service listens", async || {
            let ended = starting
                .child()
                .try_wait()
                .expect("the process is our child");
            if let Some(status) = ended {
                panic!("the service ended with {status}:\n{}", log.text());
            }
            let entry = log.find("listening for requests")?;
            let address = entry["address"].as_str().expect("the line has an address");
            Some(address.parse().expect("the field is an address"))
        })
        .await;
        let (child, container) = starting.0.take().expect("the child is taken once");
        let pid = container
            .as_ref()
            .map_or_else(|| child.id(), Container::pid);
        Self {
            child,
            container,
            pid,
            address,
            log,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How much memory the process uses, in kilobytes (`VmRSS` of proc(5)).
    pub fn resident_kilobytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("the process has memory")
    }

    /// How many files and sockets the process has open.
    pub fn open_files(&self) -> usize {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.pid()));
        files.expect("the process runs").count()
    }

    pub fn runs(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("the process is our child")
            .is_none()
    }

    /// Sends SIGTERM and does not wait.
    pub fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGTERM and waits for the end.
    pub async fn stop(&mut self) -> ExitStatus {
        self.ask_to_stop();
        self.ended().await
    }

    /// Sends SIGKILL and waits for the end.
    pub async fn kill(&mut self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.ended().await
    }

    /// Sends SIGSTOP: the process stops running, with all its connections open.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Waits until the process has ended and its whole log was read.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the service ends", async || {
            let status = self.child.try_wait().expect("the process is our child");
            status.filter(|_| self.log.has_ended())
        })
        .await
    }

    /// Sends SIGUSR1, which switches the log to debug and back.
    pub fn toggle_debug(&self) {
        self.signal(Signal::USR1);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).expect("process ids are small");
        let pid = Pid::from_raw(pid).expect("process ids are not 0");
        kill_process(pid, signal).expect("a child that was not waited for can be signalled");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        kill_and_reap(&mut self.child, self.container.as_ref());
    }
}

struct KilledOnDrop(Option<(Child, Option<Container>)>);

impl KilledOnDrop {
    fn child(&mut self) -> &mut Child {
        &mut self.0.as_mut().expect("the child was not taken yet").0
    }
}

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        if let Some((child, container)) = &mut self.0 {
            kill_and_reap(child, container.as_ref());
        }
    }
}

fn kill_and_reap(child: &mut Child, container: Option<&Container>) {
    if let Some(container) = container {
        container.remove();
    }
    // Both fail only when the process has ended already.
    let _ = child.kill();
    let _ = child.wait();
    process_reaper::forget(child.id());
}
