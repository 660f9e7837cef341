//! Readiness, migrations, and connection errors.

use std::time::Duration;

use engine_roles_domain::resources::Namespace;
use engine_roles_embedded_postgres::test_database;
use engine_roles_store::{Readiness, Schema, Store, StoreConfig, StoreError, needed_version};

use crate::test_store::{cluster, config, has_heartbeat, store_of, test_store};

#[tokio::test]
async fn a_database_is_ready_once_it_is_migrated() {
    let database = test_database().await;
    let store = store_of(&database, "test");
    let before = store.readiness().await.expect("an answer");
    assert_eq!(before, Readiness::MigrationsPending);
    store.migrate().await.expect("migrated");
    assert_eq!(
        store.readiness().await.expect("an answer"),
        Readiness::Ready
    );
    store
        .migrate()
        .await
        .expect("a second migration changes nothing");
}

#[tokio::test]
async fn replicas_can_migrate_at_the_same_time() {
    let database = test_database().await;
    let (one, two) = (store_of(&database, "test"), store_of(&database, "test"));
    let (one, two) = tokio::join!(one.migrate(), two.migrate());
    one.and(two).expect("both replicas migrate");
}

#[tokio::test]
async fn the_schema_of_another_release_is_reported() {
    let test = test_store().await;
    let newest = needed_version();
    for (version, oldest, expected) in [
        (newest - 1, newest - 1, Readiness::MigrationsPending),
        (newest + 1, newest, Readiness::Ready),
        (newest + 1, newest + 1, Readiness::SchemaTooNew),
    ] {
        let sql = format!(
            "DELETE FROM schema_versions;
             INSERT INTO schema_versions (version, oldest_reader) VALUES ({version}, {oldest})"
        );
        test.sql(&sql).await.expect("inserted");
        let found = test.store.readiness().await.expect("an answer");
        assert_eq!(found, expected, "version {version}, oldest reader {oldest}");
        let usable = test.store.schema().await.expect("an answer") == Schema::Usable;
        assert_eq!(usable, expected == Readiness::Ready);
        let migrated = test.store.migrate().await;
        let is_refused = matches!(migrated, Err(StoreError::SchemaTooNew { .. }));
        assert_eq!(
            is_refused,
            expected == Readiness::SchemaTooNew,
            "{migrated:?}"
        );
    }
}

#[tokio::test]
async fn the_newest_migration_inserts_its_version() {
    let test = test_store().await;
    let version = test
        .number("SELECT max(version) FROM schema_versions")
        .await;
    assert_eq!(version, needed_version());
}

#[tokio::test]
async fn a_server_that_accepts_no_writes_is_reported_and_left() {
    let test = test_store().await;
    test.provision("one").await;
    let name = test.database.name();
    let set = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    test.sql(&set).await.expect("set");
    let terminate_others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    test.sql(terminate_others).await.expect("terminated");
    assert_eq!(
        test.store.readiness().await.expect("an answer"),
        Readiness::ReadOnly
    );
    let refused = test.store.lease_due(1).await;
    // The first connection may still be one of those that were terminated.
    let refused = match refused {
        Err(StoreError::Unanswered(_)) => test.store.lease_due(1).await,
        other => other,
    };
    let error = refused.expect_err("nothing can be written");
    assert!(matches!(error, StoreError::ReadOnly(_)), "{error:?}");
    assert!(error.is_transient());
    let reset = format!(
        "BEGIN READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only; COMMIT"
    );
    test.sql(&reset).await.expect("reset");
    // New connections are opened, whose transactions may write.
    assert_eq!(
        test.store.readiness().await.expect("an answer"),
        Readiness::Ready
    );
    test.store.lease_due(1).await.expect("an answer");
}

fn unreachable_store() -> Store {
    let config = StoreConfig {
        acquire_timeout: Duration::from_millis(500),
        // Nothing listens on port 1 of the loopback interface.
        ..config("postgres://nobody@127.0.0.1:1/nothing")
    };
    let namespace = Namespace::parse("test").expect("a namespace");
    let store = Store::new(&config, namespace).expect("no connection yet");
    has_heartbeat(&store);
    store
}

#[tokio::test]
async fn every_call_to_a_database_that_is_down_returns_a_transient_error() {
    let store = unreachable_store();
    let cluster = cluster("one");
    for error in [
        store
            .readiness()
            .await
            .map(drop)
            .expect_err("the database is down"),
        store.migrate().await.expect_err("the database is down"),
        store
            .latest(&cluster)
            .await
            .map(drop)
            .expect_err("the database is down"),
        store
            .lease_due(1)
            .await
            .map(drop)
            .expect_err("the database is down"),
        store
            .sequence_audit()
            .await
            .map(drop)
            .expect_err("the database is down"),
    ] {
        let original = error.original();
        assert!(matches!(original, StoreError::Unavailable(_)), "{error:?}");
        assert!(error.is_transient());
    }
}

#[tokio::test]
async fn many_readers_of_a_database_that_is_down_wait_no_longer_than_one() {
    let store = unreachable_store();
    let readers = (0..2_000).map(|number| {
        let store = store.clone();
        async move { store.latest(&cluster(&format!("c{number}"))).await }
    });
    // One after another, statements of a hundred readers each would take five seconds.
    let limit = Duration::from_secs(4);
    let answers = tokio::time::timeout(limit, futures::future::join_all(readers)).await;
    for answer in answers.expect("every reader has an answer") {
        let error = answer.expect_err("the database is down");
        assert!(
            matches!(error.original(), StoreError::Unavailable(_)),
            "{error:?}"
        );
        assert!(error.to_string().contains("can't be reached"), "{error}");
    }
}

#[tokio::test]
async fn a_terminated_connection_is_replaced() {
    let test = test_store().await;
    test.provision("one").await;
    let terminate_others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    test.sql(terminate_others).await.expect("terminated");
    let cluster = cluster("one");
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(test.store.latest(&cluster).await);
    }
    for answer in &answers {
        if let Err(error) = answer {
            assert!(error.is_transient(), "{error:?}");
        }
    }
    assert!(answers.last().is_some_and(Result::is_ok));
}

#[tokio::test]
async fn the_error_for_an_invalid_url_does_not_contain_the_url() {
    let config = config("postgres://user:sesame@host:port/db");
    let namespace = Namespace::parse("test").expect("a namespace");
    let Err(error) = Store::new(&config, namespace) else {
        panic!("the port is not a number");
    };
    assert!(matches!(error, StoreError::Url(_)));
    assert!(!error.to_string().contains("sesame"));
}

#[tokio::test]
async fn an_error_about_a_value_or_a_constraint_is_never_transient() {
    let test = test_store().await;
    for (statement, is_transient) in [
        ("SELECT 1 / 0", false),
        ("SELECT timestamptz '4714-01-01 BC'", false),
        ("SELECT 9223372036854775807 + 1", false),
        ("INSERT INTO bindings DEFAULT VALUES", false),
        ("SELECT * FROM nothing", true),
    ] {
        let error = test.sql(statement).await.expect_err(statement);
        let error = StoreError::from(error);
        let is_known = matches!(error, StoreError::Query(_) | StoreError::NoTables(_));
        assert!(is_known, "{error:?}");
        assert_eq!(error.is_transient(), is_transient, "{statement}");
    }
}
