//! The commands `engine-roles orphans adopt` and `remove`.

use engine_roles_e2e::service::command;
use engine_roles_e2e::{Installation, eventually};

use crate::documented::shell::blocks;

/// Provisions the cluster `one`, and makes its role an orphan: the database no longer knows it.
async fn with_an_orphan() -> (Installation, String) {
    let mut installation = Installation::build()
        .env("ENGINE_ROLES_RECONCILE_INTERVAL", "1s")
        .start()
        .await;
    let created = installation.client().provision("one").await;
    let name = created.expect(201)["role"]["name"].as_str();
    let name = name.expect("the role has a name").to_owned();
    installation.replicas[0].kill().await;
    let tables = [
        "audit_pending",
        "audit_events",
        "audit_heads",
        "audit_entries",
        "audit_tiles",
        "audit_trees",
        "work",
        "schedule",
        "bindings",
        "clusters",
    ];
    let restore = tables.map(|table| format!("DELETE FROM {table};")).concat();
    let restore = format!("SET session_replication_role = replica; {restore}");
    installation.database.execute(&restore).await;
    installation.restart(0).await;
    eventually("the orphan is found", async || {
        let text = orphans(&installation, &["list"]).await.0;
        text.contains(&name).then_some(())
    })
    .await;
    (installation, name)
}

/// Runs the command, and returns what it printed and whether it succeeded.
async fn orphans(installation: &Installation, arguments: &[&str]) -> (String, bool) {
    let arguments: Vec<&str> = [&["orphans"], arguments].concat();
    let mut command = command(&arguments, installation.environment());
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    let output = ran.expect("the task does not panic");
    let output = output.expect("the binary can be run");
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    (printed, output.status.success())
}

/// Asserts that the command has given up its id: beside the replica that runs, and the killed one,
/// the command has a row. The killed replica is declared dead some seconds after its end.
async fn assert_heartbeat_has_ended(installation: &Installation) {
    let running = installation.replica_id(0);
    let rows = installation.database.replicas().await;
    assert_eq!(rows.len(), 3, "{rows:?}");
    eventually("only the running replica is alive", async || {
        let rows = installation.database.replicas().await;
        let mut alive = rows.iter().filter(|row| row.dead_at.is_none());
        alive.all(|row| row.id == running).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_adopted_orphan_becomes_the_role_of_its_cluster() {
    let (installation, name) = with_an_orphan().await;
    let (printed, is_success) = orphans(&installation, &["adopt", &name]).await;
    assert!(
        is_success && printed.contains("cluster one: active"),
        "{printed}"
    );
    let adopted = installation.client().get("one").await;
    assert_eq!(adopted.expect(200)["role"]["name"], name.as_str());
    assert_heartbeat_has_ended(&installation).await;
}

#[tokio::test]
async fn a_removed_orphan_is_gone_from_aws() {
    let (installation, name) = with_an_orphan().await;
    let (printed, is_success) = orphans(&installation, &["remove", &name]).await;
    assert!(is_success && printed.contains("removed"), "{printed}");
    assert!(installation.role(&name).is_none());
    assert!(installation.instance_profile(&name).is_none());
    assert_heartbeat_has_ended(&installation).await;
}

#[tokio::test]
async fn without_its_database_the_command_says_that_it_has_no_heartbeat() {
    let (installation, name) = with_an_orphan().await;
    let mut environment = installation.environment().clone();
    let nowhere = "postgres://nobody@127.0.0.1:1/nothing".to_owned();
    environment.insert("DATABASE_URL".to_owned(), nowhere);
    let mut command = command(&["orphans", "remove", &name], &environment);
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    let output = ran.expect("the task does not panic");
    let output = output.expect("the binary can be run");
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        printed.contains("did not acknowledge a heartbeat"),
        "{printed}"
    );
    assert!(installation.role(&name).is_some());
}

#[test]
fn the_commands_of_the_runbook_are_those_of_these_tests() {
    let page = include_str!("../../../docs/runbook.md");
    let commands = blocks(page, "sh", "orphans_command.rs").concat();
    let expected = "engine-roles orphans list\n\
                    engine-roles orphans adopt NAME\n\
                    engine-roles orphans remove NAME\n";
    assert_eq!(commands, expected);
}
