//! The end of servers, and their restart.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use engine_roles_embedded_postgres::{Environment, Postgres, PostgresConfig, PostgresError};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpgid, kill_process, test_kill_process, waitid,
};
use tokio_postgres::{Client, NoTls};

/// Set for the process that [`Parent`] starts: the data directory, or empty for a temporary one.
const PARENT: &str = "ENGINE_ROLES_TEST_PARENT";

/// Another process that started a server.
struct Parent {
    process: Child,
    server: Pid,
    data_dir: PathBuf,
    url: String,
}

impl Parent {
    /// Runs this test program as another process, which runs only [`a_parent_waits_to_be_killed`].
    fn start(data_dir: Option<&Path>) -> Parent {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "a_parent_waits_to_be_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(PARENT, data_dir.unwrap_or(Path::new("")))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let mut field = |name: &str| {
            lines
                .find_map(|line| Some(line.split_once(name)?.1.to_owned()))
                .unwrap_or_else(|| panic!("no {name}"))
        };
        let server = Pid::from_raw(field("pid=").parse().unwrap()).unwrap();
        Parent {
            process,
            server,
            data_dir: field("data_dir=").into(),
            url: field("url="),
        }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        // A test that failed may not have killed the process.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A process that is killed at the end of its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "only other tests start this, in a process that they kill"]
async fn a_parent_waits_to_be_killed() {
    let Some(data_dir) = std::env::var_os(PARENT) else {
        return;
    };
    let data_dir = Some(PathBuf::from(data_dir)).filter(|path| !path.as_os_str().is_empty());
    let postgres = start(data_dir.as_deref()).await;
    println!("\npid={}", postgres.pid().unwrap());
    println!("data_dir={}", postgres.data_dir().unwrap().display());
    println!("url={}", postgres.url());
    std::future::pending::<()>().await;
}

fn config(data_dir: Option<&Path>) -> PostgresConfig {
    PostgresConfig {
        data_dir: data_dir.map(Path::to_owned),
        own: true,
        ..PostgresConfig::default()
    }
}

async fn start(data_dir: Option<&Path>) -> Postgres {
    Postgres::start(config(data_dir)).await.unwrap()
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn remember(url: &str, word: &str) {
    let client = connect(url).await;
    let sql =
        format!("CREATE TABLE IF NOT EXISTS word (it text); INSERT INTO word VALUES ('{word}')");
    client.batch_execute(&sql).await.unwrap();
}

async fn words(url: &str) -> Vec<String> {
    let rows = connect(url)
        .await
        .query("SELECT it FROM word ORDER BY it", &[])
        .await
        .unwrap();
    rows.into_iter().map(|row| row.get(0)).collect()
}

/// Waits until a condition holds, and fails after a limit that only a defect can exceed.
fn until(what: &str, come: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_mins(1);
    while !come() {
        assert!(Instant::now() < limit, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_gone(process: Pid) -> bool {
    test_kill_process(process).is_err()
}

/// Creates a directory that Postgres's account can reach too.
fn reachable_directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let data_dir = directory.path().join("data");
    (directory, data_dir)
}

/// Returns a command that runs as the owner of the data, which is the account that Postgres runs
/// as.
fn as_owner_of(data_dir: &Path, program: &str) -> Command {
    let owner = std::fs::metadata(data_dir.join("pgdata")).unwrap();
    let mut command = Command::new(program);
    if rustix::process::geteuid().is_root() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    command
        .current_dir("/")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Replaces the process id in the `postmaster.pid` that a killed server left behind.
fn set_recorded_pid(data_dir: &Path, pid: u32) {
    let file = data_dir.join("pgdata/postmaster.pid");
    let text = std::fs::read_to_string(&file).expect("a killed server leaves its pid file behind");
    let (_, rest) = text.split_once('\n').unwrap();
    std::fs::write(&file, format!("{pid}\n{rest}")).unwrap();
}

#[test]
fn the_server_ends_when_its_parent_is_killed() {
    let mut parent = Parent::start(None);
    assert!(!is_gone(parent.server));
    parent.kill();
    until("the end of the server", || is_gone(parent.server));
    until("the removal of its directory", || !parent.data_dir.exists());
}

#[test]
fn a_server_with_kept_data_shuts_down_in_order_when_its_parent_is_killed() {
    let (_directory, data_dir) = reachable_directory();
    let mut parent = Parent::start(Some(&data_dir));
    parent.kill();
    until("the end of the server", || is_gone(parent.server));
    let log = std::fs::read_to_string(data_dir.join("log")).unwrap();
    assert!(log.contains("database system is shut down"), "{log}");
    assert!(data_dir.join("pgdata/PG_VERSION").exists());
}

#[tokio::test]
async fn a_server_can_be_started_after_parent_and_postmaster_were_both_killed() {
    let (_directory, data_dir) = reachable_directory();
    for word in ["a", "b"] {
        let mut parent = Parent::start(Some(&data_dir));
        remember(&parent.url, word).await;
        // The process of a connection still runs when the postmaster is killed.
        let _busy = connect(&parent.url).await;
        kill_process(parent.server, Signal::KILL).unwrap();
        parent.kill();
    }
    let postgres = start(Some(&data_dir)).await;
    assert_eq!(words(postgres.url()).await, ["a", "b"]);
    postgres.stop().await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_can_be_started_after_the_watchdog_was_killed_too() {
    let (_directory, data_dir) = reachable_directory();
    let mut parent = Parent::start(Some(&data_dir));
    remember(&parent.url, "a").await;
    let stat =
        std::fs::read_to_string(format!("/proc/{}/stat", parent.server.as_raw_nonzero())).unwrap();
    let watchdog = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    for process in [Pid::from_raw(watchdog).unwrap(), parent.server] {
        kill_process(process, Signal::KILL).unwrap();
    }
    parent.kill();
    let postgres = start(Some(&data_dir)).await;
    assert_eq!(words(postgres.url()).await, ["a"]);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_zombie_in_postmaster_pid_does_not_prevent_a_start() {
    let (_directory, data_dir) = reachable_directory();
    let mut postgres = start(Some(&data_dir)).await;
    remember(postgres.url(), "a").await;
    postgres.kill().await.unwrap();
    let zombie = Killed(as_owner_of(&data_dir, "true").spawn().unwrap());
    // The process ends, and nobody waits for it until the test is over, so it stays a zombie.
    let id = WaitId::Pid(Pid::from_raw(zombie.0.id().cast_signed()).unwrap());
    waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    set_recorded_pid(&data_dir, zombie.0.id());
    drop(postgres);

    let postgres = start(Some(&data_dir)).await;
    assert_eq!(words(postgres.url()).await, ["a"]);
    postgres.stop().await.unwrap();
    drop(zombie);
}

#[tokio::test]
async fn a_recorded_pid_that_another_process_reuses_does_not_prevent_a_start() {
    let (_directory, data_dir) = reachable_directory();
    let mut postgres = start(Some(&data_dir)).await;
    remember(postgres.url(), "a").await;
    postgres.kill().await.unwrap();
    let mut other = Killed(as_owner_of(&data_dir, "sleep").arg("600").spawn().unwrap());
    set_recorded_pid(&data_dir, other.0.id());

    postgres.start_again().await.unwrap();
    assert_eq!(words(postgres.url()).await, ["a"]);
    assert!(
        other.0.try_wait().unwrap().is_none(),
        "the other process is not killed"
    );
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn data_is_kept_between_runs() {
    let (_directory, data_dir) = reachable_directory();
    let postgres = start(Some(&data_dir)).await;
    let first = postgres.create_database("kept").await.unwrap();
    remember(&first, "a").await;
    postgres.stop().await.unwrap();

    let postgres = start(Some(&data_dir)).await;
    let second = postgres.create_database("kept").await.unwrap();
    assert_eq!(words(&second).await, ["a"]);
    assert_eq!(first, second, "the URL stays the same between runs");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_rejected() {
    let (_directory, data_dir) = reachable_directory();
    let first = start(Some(&data_dir)).await;
    let second = PostgresConfig {
        wait_for_earlier: Duration::ZERO,
        ..config(Some(&data_dir))
    };
    match Postgres::start(second).await {
        Err(PostgresError::InUse { pid, .. }) => assert_eq!(pid, first.pid()),
        other => panic!("{other:?}"),
    }
    first.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_or_stopped_server_can_be_started_again_under_the_same_url() {
    let mut postgres = start(None).await;
    let url = postgres.url().to_owned();
    remember(&url, "a").await;
    postgres.kill().await.unwrap();
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
    assert_eq!(postgres.pid(), None);
    postgres.start_again().await.unwrap();
    remember(&url, "b").await;
    postgres.stop_immediate().await.unwrap();
    postgres.start_again().await.unwrap();
    remember(&url, "c").await;
    postgres.restart().await.unwrap();
    assert_eq!(words(&url).await, ["a", "b", "c"]);
    assert_eq!(postgres.url(), url);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_temporary_directory_is_removed_with_its_server() {
    for killed in [false, true] {
        let mut postgres = start(None).await;
        let directory = postgres.data_dir().unwrap().to_owned();
        if killed {
            postgres.kill().await.unwrap();
        }
        assert!(directory.exists());
        postgres.stop().await.unwrap();
        assert!(!directory.exists());
    }
}

#[test]
fn a_dropped_server_ends() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let postgres = runtime.block_on(start(None));
    let server = Pid::from_raw(postgres.pid().unwrap().cast_signed()).unwrap();
    drop(postgres);
    until("the end of the server", || is_gone(server));
}

#[test]
fn the_server_outlives_the_runtime_and_the_thread_that_started_it() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let postgres = std::thread::spawn(move || runtime().block_on(start(None)))
        .join()
        .unwrap();
    runtime().block_on(async {
        remember(postgres.url(), "a").await;
        postgres.stop().await.unwrap();
    });
}

#[tokio::test]
async fn ctrl_c_at_the_terminal_does_not_reach_the_server() {
    let postgres = start(None).await;
    let server = Pid::from_raw(postgres.pid().unwrap().cast_signed());
    assert_ne!(getpgid(server).unwrap(), getpgid(None).unwrap());
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn with_a_database_url_no_server_is_started() {
    let own = start(None).await;
    // A .env file often names a database that does not exist yet.
    let url = own.url_of("not_yet").unwrap();
    let environment = Environment {
        database_url: Some(url.clone()),
        ..Environment::empty()
    };
    let mut postgres = Postgres::start(PostgresConfig {
        environment,
        ..PostgresConfig::default()
    })
    .await
    .unwrap();
    assert_eq!(
        (postgres.url(), postgres.pid(), postgres.data_dir()),
        (&*url, None, None)
    );
    let made = postgres.create_database("a \"b\"/c").await.unwrap();
    remember(&made, "a").await;
    assert!(matches!(
        postgres.kill().await,
        Err(PostgresError::NotStartedHere { .. })
    ));
    postgres.stop().await.unwrap();
    assert_eq!(words(&made).await, ["a"], "the server still runs");
    own.stop().await.unwrap();
}

#[tokio::test]
async fn if_postgres_cannot_reach_the_data_directory_the_data_are_in_a_fallback_directory() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can run Postgres as another account");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let requested = directory.path().join("data");
    let postgres = start(Some(&requested)).await;
    remember(postgres.url(), "a").await;
    let really = postgres.data_dir().unwrap().to_owned();
    assert!(!really.starts_with(directory.path()));
    postgres.stop().await.unwrap();

    let postgres = start(Some(&requested)).await;
    assert_eq!(postgres.data_dir().unwrap(), really);
    assert_eq!(words(postgres.url()).await, ["a"]);
    postgres.stop().await.unwrap();
    std::fs::remove_dir_all(&really).unwrap();
}
