//! Makes a dump of today's release: the files of `tests/releases/VERSION/`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::stages::{at_rest, delayed, leased, unreadable};
use super::{AUDIT_KEY, Contents, PASS_THROUGH_ROLES};
use crate::{Installation, eventually};

/// The key named `expired` is valid for so long.
const SHORTLY: &str = "1s";

/// Runs the service until there are bindings in every state, kills it, and writes the files to a
/// directory.
///
/// # Panics
/// When a step does not come out as expected, or `pg_dump` is not in `PATH`.
pub async fn make(directory: &Path) {
    let files = tempfile::tempdir().expect("a directory");
    let path = |name: &str| files.path().join(name).to_string_lossy().into_owned();
    std::fs::write(path("key.pem"), AUDIT_KEY).expect("written");
    std::fs::create_dir(path("checkpoints")).expect("made");
    let unfit = ("PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess");
    let mut installation = Installation::build()
        .unpooled()
        .env("ENGINE_ROLES_RECONCILE_INTERVAL", "1s")
        .env("ENGINE_ROLES_AUDIT_KEY_FILE", path("key.pem"))
        .env("ENGINE_ROLES_AUDIT_CHECKPOINTS", path("checkpoints"))
        .prepared("fit")
        .prepared("unfit")
        .prepared("unreadable")
        .prepared("declared")
        .administrators_call("AttachRolePolicy", &[("RoleName", "unfit"), unfit])
        .prepared_profile("declared-profile", "declared")
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", PASS_THROUGH_ROLES)
        .faults(Value::Array(unreadable()))
        .start()
        .await;
    let keys = keys(&installation);
    let orphans = at_rest(&mut installation).await;
    let answer = installation.client().fetch("/v1/pass-through-roles").await;
    let pass_through_roles = items(answer.expect(200));
    delayed(&installation).await;
    installation.events_are_numbered().await;
    let checkpoint = checkpoint(&installation).await;
    // Holds up the numbering of events, and nothing else.
    let lock = LockedLog::lock(installation.database.url()).await;
    leased(&installation).await;
    let bindings = installation.client().list("limit=500").await;
    let bindings = items(bindings.expect(200));
    installation.replicas[0].kill().await;
    let taken_at = installation.database.now().await;
    let contents = Contents {
        release: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at,
        bindings,
        pass_through_roles,
        keys,
        checkpoint,
        orphans,
        account: installation.sandbox.state(),
    };
    let url = installation.database.url();
    let dump = dump(url, &contents.release, &taken_at.to_string());
    // A statement of the killed replica may still wait for the lock, and would run then.
    drop(lock);
    std::fs::create_dir_all(directory).expect("made");
    std::fs::write(directory.join("database.sql"), dump).expect("written");
    let text = serde_json::to_string_pretty(&contents).expect("it is JSON");
    std::fs::write(directory.join("contents.json"), text + "\n").expect("written");
}

fn items(answer: &Value) -> Vec<Value> {
    answer["items"].as_array().cloned().expect("a list")
}

/// Makes keys that are valid, revoked and expired. Returns their names and texts.
fn keys(installation: &Installation) -> Vec<(String, String)> {
    let run = |arguments: &[&str]| {
        let output = installation.run(arguments, &[]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        text
    };
    let create = |name: &str, more: &[&str]| {
        let scopes = ["keys", "create", name, "--scopes", "provision,read,audit"];
        let text = run(&[&scopes[..], more].concat());
        let mut words = text.split_whitespace();
        let is_key = |word: &&str| word.len() == 64 && word.chars().all(char::is_alphanumeric);
        let key = words.find(is_key).expect("the key is printed");
        (name.to_owned(), key.to_owned())
    };
    let keys = vec![
        create("valid", &[]),
        create("limited", &["--cluster-prefix", "active-"]),
        create("expired", &["--valid-for", SHORTLY]),
        create("revoked", &[]),
    ];
    run(&["keys", "revoke", "revoked"]);
    keys
}

async fn checkpoint(installation: &Installation) -> String {
    let events = installation.database.events().await.len();
    eventually("all events are signed", async || {
        let answer = installation.client().fetch("/v1/audit/checkpoint").await;
        let size = answer.text.lines().nth(1)?.parse::<usize>().ok()?;
        (answer.status == 200 && size >= events).then_some(answer.text)
    })
    .await
}

/// A session that holds a lock on `audit_events` until it is dropped. Reads go on.
struct LockedLog {
    _client: tokio_postgres::Client,
}

impl LockedLog {
    async fn lock(url: &str) -> Self {
        let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
        let (client, connection) = connected.expect("connected");
        tokio::spawn(connection);
        let lock = "BEGIN; LOCK TABLE audit_events IN SHARE MODE";
        client.batch_execute(lock).await.expect("locked");
        Self { _client: client }
    }
}

/// Returns the database as SQL that any Postgres from version 15 can run in an empty database.
fn dump(url: &str, release: &str, taken_at: &str) -> String {
    let output = Command::new("pg_dump")
        .args(["--column-inserts", "--no-owner", "--no-privileges"])
        .args(["--no-comments", "--schema=public", url])
        .output();
    let output = output.expect("pg_dump is in PATH");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut dump = format!(
        "-- A database as release {release} left it: see tests/releases/README.md.\n\
         -- Taken at {taken_at}.\n\n"
    );
    let mut was_empty = true;
    for line in text.lines() {
        // Commands of psql, settings of newer servers, and the schema, which exists already.
        let skipped = [
            "--",
            "\\",
            "SET transaction_timeout",
            "CREATE SCHEMA public",
        ];
        if skipped.iter().any(|start| line.starts_with(start)) || (was_empty && line.is_empty()) {
            continue;
        }
        was_empty = line.is_empty();
        writeln!(dump, "{}", line.trim_end()).expect("writing to a String can't fail");
    }
    dump
}
