//! Postgres behind a real `PgBouncer`, while another client runs statements through the same pooler.
//!
//! To run every test through one: see docs/development.md.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine_roles_e2e::installation::PAST_A_LEASE;
use engine_roles_e2e::kill_points::PREPARED_ROLE;
use engine_roles_e2e::pooler::{PoolMode, program};
use engine_roles_e2e::service::command;
use engine_roles_e2e::{Installation, eventually};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;
use tokio_postgres::types::Type;

/// Another program that uses the same pooler. Its statements have no name, as those of the service have
/// none, so the pooler may mix them up if one of the two programs lets it.
struct OtherProgram {
    answered: Arc<AtomicUsize>,
    running: Vec<JoinHandle<()>>,
}

impl OtherProgram {
    fn start(installation: &Installation) -> Self {
        let url = installation.pooler().expect("there is a pooler").url();
        let answered = Arc::new(AtomicUsize::new(0));
        let running = (0..3_i32).map(|number| {
            let (url, answered) = (url.to_owned(), Arc::clone(&answered));
            tokio::spawn(async move {
                let (mut client, connection) = tokio_postgres::connect(&url, NoTls)
                    .await
                    .expect("connected");
                tokio::spawn(connection);
                for turn in 0.. {
                    let transaction = client.transaction().await.expect("begun");
                    let rows = transaction
                        .query_typed("SELECT $1 + 1 AS sum", &[(&(number + turn), Type::INT4)])
                        .await
                        .expect("an answer");
                    assert_eq!(rows[0].get::<_, i32>("sum"), number + turn + 1);
                    transaction.commit().await.expect("committed");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Self {
            running: running.collect(),
            answered,
        }
    }

    fn end(self) -> usize {
        for program in &self.running {
            assert!(
                !program.is_finished(),
                "the other program got a wrong answer"
            );
            program.abort();
        }
        self.answered.load(Ordering::Relaxed)
    }
}

async fn works_through_a_pooler(mode: PoolMode) {
    if program().is_none() {
        return;
    }
    let mut installation = Installation::build()
        .rarely_checked()
        .prepared(PREPARED_ROLE)
        .replicas(2)
        .pooled(mode)
        .start()
        .await;
    let other = OtherProgram::start(&installation);
    let clients = [installation.client_of(0), installation.client_of(1)];
    for number in 0..12 {
        let name = format!("c{number}");
        clients[number % 2].provision(&name).await.expect(201);
        let change = json!({"tags": {"team": "x"}});
        clients[(number + 1) % 2]
            .put(&name, change)
            .await
            .expect(200);
    }
    let passed = json!({"mode": "pass_through", "iam_role": PREPARED_ROLE});
    clients[0].put("passed", passed).await.expect(201);
    let list = clients[1].fetch("/v1/clusters?state=active").await;
    assert_eq!(list.expect(200)["items"].as_array().map(Vec::len), Some(13));
    // What a killed replica leaves is done by the other one.
    installation.set_faults(
        json!([{"action": "DeleteRole", "when": "before", "times": 1,
                                    "do": {"error": "Throttling"}}]),
    );
    clients[1].without_waiting().delete("c0").await;
    installation.replicas[1].kill().await;
    installation.set_faults(json!([]));
    installation.advance(PAST_A_LEASE).await;
    installation.reaches_in_time("c0", "deleted").await;
    for number in 1..12 {
        let gone = clients[0].delete(&format!("c{number}")).await;
        assert_eq!(gone.expect(200)["state"], "deleted");
    }
    assert!(other.end() > 100);
    installation
        .assert_sound_when_idle("through a pooler")
        .await;
    installation.events_are_numbered().await;
    let log = clients[0].audit("limit=1000").await;
    let events = log.expect(200)["items"].as_array().cloned();
    let events = events.unwrap_or_default().into_iter();
    // Without those about no cluster, such as that of this very read.
    let events = events.filter(|event| event["cluster"].is_string()).count();
    let written = installation.database.events().await.into_iter();
    let written = written.filter(|event| !event.cluster.is_empty()).count();
    assert_eq!(events, written);
    let migrated = command(&["migrate"], installation.environment()).output();
    let migrated = migrated.expect("the binary can be run");
    assert!(migrated.status.success(), "{migrated:?}");
}

#[tokio::test]
async fn the_service_works_through_a_pooler_in_transaction_mode() {
    works_through_a_pooler(PoolMode::Transaction).await;
}

#[tokio::test]
async fn the_service_works_through_a_pooler_in_session_mode() {
    works_through_a_pooler(PoolMode::Session).await;
}

#[tokio::test]
async fn without_the_setting_the_log_says_what_to_set() {
    if program().is_none() {
        return;
    }
    let mut installation = Installation::build()
        .pooled(PoolMode::Transaction)
        .start()
        .await;
    installation.set_env("ENGINE_ROLES_DATABASE_POOLER", "none");
    installation.add_replica().await;
    eventually("the log names the setting", async || {
        let text = installation.replicas[1].log().text();
        text.contains("ENGINE_ROLES_DATABASE_POOLER").then_some(())
    })
    .await;
    assert!(installation.replicas[1].runs());
}
