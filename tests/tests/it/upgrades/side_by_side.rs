//! Replicas of two releases on one database, as during an upgrade without downtime.
//!
//! `ENGINE_ROLES_TEST_OTHER_BINARY` names the other release's binary; without it, today's binary takes
//! its place, so that the test itself is tested. See docs/operations.md.

use std::path::PathBuf;

use engine_roles_e2e::binary::service_binary;
use engine_roles_e2e::service::command;
use engine_roles_e2e::{Installation, eventually};
use reqwest::Method;
use serde_json::{Value, json};

/// The replicas by their places.
const OTHER: usize = 0;
const TODAYS: usize = 1;

fn other_binary() -> PathBuf {
    let named = std::env::var_os("ENGINE_ROLES_TEST_OTHER_BINARY");
    named.map_or_else(service_binary, PathBuf::from)
}

/// Sends a request to a replica. The answer is not compared with today's contract, because the other
/// release has another one.
async fn send(
    installation: &Installation,
    replica: usize,
    (method, path): (Method, &str),
    body: Option<Value>,
) -> (u16, Value) {
    let client = installation.client_of(replica);
    let request = client.typed().request(method, path);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let request = request.build().expect("the request is valid");
    let answer = client.typed().send(request).await;
    let answer = answer.expect("the replica answers");
    let body = serde_json::from_slice(&answer.body).unwrap_or_default();
    (answer.status.as_u16(), body)
}

async fn role(
    installation: &Installation,
    replica: usize,
    method: Method,
    cluster: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let path = format!("/v1/clusters/{cluster}/role");
    send(installation, replica, (method, &path), body).await
}

/// Starts the other release on an empty database, migrates to today's schema, and starts today's.
async fn upgraded() -> Installation {
    let other = Installation::build().binary(other_binary());
    let mut installation = other.unpooled().not_yet_ready().start().await;
    database_is_ok(&installation, OTHER).await;
    // What the other release wrote before the migration.
    let (status, _) = role(&installation, OTHER, Method::PUT, "before", Some(json!({}))).await;
    assert_eq!(status, 201);
    let environment = installation.environment().clone();
    let mut migrate = command(&["migrate"], &environment);
    let migrated = tokio::task::spawn_blocking(move || migrate.output()).await;
    let migrated = migrated.expect("the thread does not panic");
    let migrated = migrated.expect("the binary can be run");
    assert!(migrated.status.success(), "{migrated:?}");
    installation.add_replica_of(&service_binary()).await;
    database_is_ok(&installation, TODAYS).await;
    installation
}

async fn database(installation: &Installation, replica: usize) -> Value {
    let readyz = (Method::GET, "/readyz");
    let (_, ready) = send(installation, replica, readyz, None).await;
    ready["database"].clone()
}

async fn database_is_ok(installation: &Installation, replica: usize) {
    eventually("the database can be used", async || {
        (database(installation, replica).await == "ok").then_some(())
    })
    .await;
}

/// Whether today's schema admits the other release. A release that is not admitted becomes unready and
/// must have been stopped before the migration.
async fn is_admitted(installation: &Installation) -> bool {
    // It notices the new schema within a heartbeat.
    for _ in 0..20 {
        if database(installation, OTHER).await == "schema_too_new" {
            eprintln!("today's schema does not admit the other release");
            return false;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    true
}

/// Waits until a cluster is in a state, and advances the clocks meanwhile.
async fn reaches(installation: &Installation, cluster: &str, state: &str) {
    eventually(&format!("{cluster} is {state}"), async || {
        let binding = installation.database.binding(cluster).await?;
        if binding.state == state {
            return Some(());
        }
        if binding.lease_until.is_none() {
            installation
                .advance(std::time::Duration::from_secs(2))
                .await;
        }
        None
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_release_reads_changes_and_tears_down_what_the_other_provisioned() {
    let installation = upgraded().await;
    let made_before = role(&installation, TODAYS, Method::GET, "before", None).await;
    assert_eq!(made_before.1["state"], "active");
    if !is_admitted(&installation).await {
        let (status, _) = role(&installation, TODAYS, Method::DELETE, "before", None).await;
        assert_eq!(status, 200);
        return;
    }
    for (one, another) in [(OTHER, TODAYS), (TODAYS, OTHER)] {
        let cluster = format!("of-{one}");
        let put = |body| (Method::PUT, Some(body));
        let (method, body) = put(json!({}));
        let (status, made) = role(&installation, one, method, &cluster, body).await;
        assert_eq!(
            (status, &made["state"]),
            (201, &json!("active")),
            "{made:#}"
        );
        let (_, read) = role(&installation, another, Method::GET, &cluster, None).await;
        for field in ["binding_id", "state", "generation", "role", "policy"] {
            assert_eq!(read[field], made[field], "{cluster}: {field}");
        }
        let (method, body) = put(json!({"session_manager": true}));
        let (status, changed) = role(&installation, another, method, &cluster, body).await;
        assert_eq!(
            (status, &changed["generation"]),
            (200, &json!(2)),
            "{changed:#}"
        );
        let (_, read) = role(&installation, one, Method::GET, &cluster, None).await;
        assert_eq!(read["policy"], changed["policy"], "{cluster}");
        let (status, gone) = role(&installation, one, Method::DELETE, &cluster, None).await;
        assert_eq!(
            (status, &gone["state"]),
            (200, &json!("deleted")),
            "{gone:#}"
        );
        let (_, read) = role(&installation, another, Method::GET, &cluster, None).await;
        assert_eq!(read["receipt"], gone["receipt"], "{cluster}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_release_completes_what_the_other_began_when_it_was_killed() {
    let mut installation = upgraded().await;
    if !is_admitted(&installation).await {
        return;
    }
    let hang = json!([{
        "action": "AddRoleToInstanceProfile", "when": "before", "do": {"hang_ms": 3_600_000},
    }]);
    for killed in [OTHER, TODAYS] {
        let cluster = format!("of-{killed}");
        installation.set_faults(hang.clone());
        let since = installation.mark();
        let client = installation.client_of(killed).without_waiting();
        let path = format!("/v1/clusters/{cluster}/role");
        let request = client.request(Method::PUT, &path).json(&json!({}));
        let request = request.build().expect("the request is valid");
        let answer = client.typed().send(request).await;
        assert_eq!(answer.expect("an answer").status, 202);
        installation
            .reached("AddRoleToInstanceProfile", since)
            .await;
        installation.replicas[killed].kill().await;
        reaches(&installation, &cluster, "active").await;
        let survivor = 1 - killed;
        let (_, read) = role(&installation, survivor, Method::GET, &cluster, None).await;
        assert_eq!(read["state"], "active");
        if killed == OTHER {
            installation.start_again(OTHER, &other_binary()).await;
            database_is_ok(&installation, OTHER).await;
        }
    }
}
