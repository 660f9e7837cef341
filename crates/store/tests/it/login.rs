//! Logins to the database: passwords that change, tokens, and the rights of the user that serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine_roles_domain::resources::Namespace;
use engine_roles_store::{DatabaseUrl, Store, StoreConfig, StoreError};
use sqlx::Connection;
use uuid::Uuid;

use crate::test_store::{TestStore, has_heartbeat, tear_down, test_store};

/// A database user of its own, which is deleted with the test's database.
struct User<'a> {
    test: &'a TestStore,
    name: String,
}

impl<'a> User<'a> {
    async fn new(test: &'a TestStore, password: &str) -> Self {
        let name = format!("user_{}", Uuid::new_v4().simple());
        let sql = format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'");
        test.sql(&sql).await.expect("created");
        Self { test, name }
    }

    fn url(&self, password: &str) -> String {
        let url = self.test.database.url();
        let (_, place) = url.split_once('@').expect("the URL has a user");
        format!("postgres://{}:{password}@{place}", self.name)
    }

    /// Changes the password, and ends the connections that were opened with the old one.
    async fn change_password(&self, password: &str) {
        let name = &self.name;
        let sql = format!(
            "ALTER ROLE {name} PASSWORD '{password}';
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'"
        );
        self.test.sql(&sql).await.expect("changed");
    }

    async fn delete(self) {
        let name = &self.name;
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}';
             DROP OWNED BY {name}; DROP ROLE {name}"
        );
        self.test.sql(&sql).await.expect("deleted");
    }
}

fn store(config: &StoreConfig) -> Store {
    let namespace = Namespace::parse("test").expect("a namespace");
    let store = Store::new(config, namespace).expect("a valid configuration");
    has_heartbeat(&store);
    store
}

/// Waits until the store can use the database again. Connections that were ended are found one by one,
/// and the password is read at most once per second.
async fn works_again(store: &Store) {
    for _ in 0..100 {
        if store.now().await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    store.now().await.expect("the database can be used");
}

#[tokio::test]
async fn a_changed_password_is_read_from_the_file_of_the_url() {
    let test = test_store().await;
    let user = User::new(&test, "one").await;
    let file = std::env::temp_dir().join(format!("url-{}", Uuid::new_v4()));
    std::fs::write(&file, format!("{}\n", user.url("one"))).expect("written");
    let config = StoreConfig {
        url: DatabaseUrl::File(file.clone()),
        ..StoreConfig::new("")
    };
    let running = store(&config);
    running.now().await.expect("the first password works");
    user.change_password("two").await;
    let error = loop {
        match running.now().await {
            Err(error @ StoreError::Refused(_)) => break error,
            _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    };
    assert!(error.is_transient());
    // A pipe that nobody writes to, in the place of the file, stops nothing.
    std::fs::remove_file(&file).expect("removed");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let pipe = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &file, pipe, mode, 0).expect("a pipe");
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let refused = tokio::time::timeout(std::time::Duration::from_secs(20), running.now()).await;
    refused
        .expect("an answer")
        .expect_err("the login is refused");
    std::fs::remove_file(&file).expect("removed");
    std::fs::write(&file, user.url("two")).expect("written");
    works_again(&running).await;
    std::fs::remove_file(&file).expect("removed");
    running.close().await;
    user.delete().await;
}

#[tokio::test]
async fn a_token_is_made_for_new_connections_and_again_when_one_is_refused() {
    let test = test_store().await;
    let user = User::new(&test, "token-1").await;
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let config = StoreConfig {
        tokens: Some(Arc::new(move |request| {
            assert_eq!(request.host, "127.0.0.1");
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            Box::pin(async move { Ok(format!("token-{number}")) })
        })),
        ..StoreConfig::new(user.url("unused"))
    };
    let running = store(&config);
    running.now().await.expect("the first token works");
    assert_eq!(made.load(Ordering::SeqCst), 1);
    user.change_password("token-2").await;
    works_again(&running).await;
    assert_eq!(made.load(Ordering::SeqCst), 2);
    running.close().await;
    user.delete().await;
}

#[tokio::test]
async fn the_user_that_serves_can_do_its_work_and_change_no_table_and_no_event() {
    let test = test_store().await;
    let user = User::new(&test, "serving").await;
    let granted = test.store.migrate_and_grant(Some(&user.name)).await;
    granted.expect("migrated");
    let serving = TestStore {
        store: store(&StoreConfig::new(user.url("serving"))),
        database: engine_roles_embedded_postgres::test_database().await,
    };
    serving.provision("one").await;
    tear_down(&serving.store, "one").await;
    serving.store.sequence_audit().await.expect("numbered");
    serving
        .store
        .maintain_audit_partitions(None)
        .await
        .expect("the partitions are maintained");
    let refused = serving.store.migrate().await.expect_err("it may not");
    assert!(matches!(refused, StoreError::Forbidden(_)), "{refused:?}");
    let mut connection = sqlx::PgConnection::connect(&user.url("serving"))
        .await
        .expect("connected");
    for forbidden in [
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "DELETE FROM audit_events",
        "UPDATE audit_events SET actor = 'x'",
        "TRUNCATE audit_events",
        "DROP TABLE audit_events",
        "UPDATE audit_pending SET actor = 'x'",
        "ALTER TABLE bindings ADD COLUMN x int",
        "CREATE TABLE x (y int)",
        "CREATE OR REPLACE FUNCTION service_now() RETURNS timestamptz LANGUAGE sql
             AS 'SELECT now()'",
        "INSERT INTO schema_versions (version, oldest_reader) VALUES (1, 1)",
    ] {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(forbidden));
        let error = done.execute(&mut connection).await.expect_err(forbidden);
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        assert_eq!(code.as_deref(), Some("42501"), "{forbidden}: {error}");
    }
    serving.store.close().await;
    user.delete().await;
}

#[tokio::test]
async fn the_owner_is_not_given_the_rights_of_serving_because_it_would_lose_its_own() {
    let test = test_store().await;
    let owner = "SELECT current_user::text";
    let mut connection = sqlx::PgConnection::connect(test.database.url())
        .await
        .expect("connected");
    let owner: String = sqlx::query_scalar(owner)
        .fetch_one(&mut connection)
        .await
        .expect("a user");
    let refused = test.store.migrate_and_grant(Some(&owner)).await;
    let refused = refused.expect_err("the owner has every right");
    assert!(
        matches!(refused, StoreError::GrantToOwner { .. }),
        "{refused:?}"
    );
    test.store
        .maintain_audit_partitions(None)
        .await
        .expect("the owner kept its rights");
}
