//! Logins to the database: passwords that change, tokens, and the rights of the user that serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine_roles_domain::audit::{Cause, InstallationEvent};
use engine_roles_domain::resources::Namespace;
use engine_roles_store::{DatabaseUrl, DatabaseUsers, Store, StoreConfig, StoreError};
use sqlx::Connection;
use uuid::Uuid;

use crate::console_sessions::session;
use crate::test_store::{TestStore, has_heartbeat, number, tear_down, test_store};

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
            Box::pin(async move { Ok(format!("token-{number}").into()) })
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
    let granted = test
        .store
        .migrate_and_grant(DatabaseUsers {
            serving: Some(&user.name),
            ..DatabaseUsers::default()
        })
        .await;
    granted.expect("migrated");
    let serving = TestStore {
        store: store(&StoreConfig::new(user.url("serving"))),
        database: engine_roles_embedded_postgres::test_database().await,
    };
    serving.provision("one").await;
    tear_down(&serving.store, "one").await;
    let session = session(1);
    let begun = serving.store.begin_console_session(&session).await;
    begun.expect("the session begins");
    let ended = serving.store.end_console_session(&session.hash).await;
    assert!(ended.expect("an answer"));
    let deleted = serving.store.delete_expired_console_sessions().await;
    assert_eq!(deleted.expect("an answer"), 0);
    serving.store.sequence_audit().await.expect("numbered");
    serving
        .store
        .maintain_audit_partitions(None)
        .await
        .expect("the partitions are maintained");
    let refused = serving.store.migrate().await.expect_err("it may not");
    assert!(matches!(refused, StoreError::Forbidden(_)), "{refused:?}");
    must_be_forbidden(
        &user.url("serving"),
        &[
            "DROP TABLE audit_events",
            "ALTER TABLE bindings ADD COLUMN x int",
            "CREATE TABLE x (y int)",
            "CREATE OR REPLACE FUNCTION service_now() RETURNS timestamptz LANGUAGE sql
                 AS 'SELECT now()'",
            "CREATE OR REPLACE FUNCTION audit_events_are_append_only() RETURNS trigger
                 LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
            "SET session_replication_role = replica",
            "INSERT INTO schema_versions (version, oldest_reader) VALUES (1, 1)",
            "SELECT audit_make_partition(30000001, 40000001)",
        ],
    )
    .await;
    // Of the whole log, nothing can be written but by the functions.
    for table in LOG_TABLES {
        let writes = [
            format!("INSERT INTO {table} SELECT * FROM {table}"),
            format!("UPDATE {table} SET namespace = namespace"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table}"),
            format!("ALTER TABLE {table} DISABLE TRIGGER ALL"),
            format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"),
            format!(
                "CREATE TRIGGER x BEFORE INSERT ON {table} FOR EACH ROW
                     EXECUTE FUNCTION audit_events_are_append_only()"
            ),
            format!("DO 'BEGIN LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; END'"),
        ];
        let writes: Vec<&str> = writes.iter().map(String::as_str).collect();
        must_be_forbidden(&user.url("serving"), &writes).await;
    }
    serving.store.close().await;
    user.delete().await;
}

/// The tables of the audit log and of the tree over it.
const LOG_TABLES: [&str; 8] = [
    "audit_pending",
    "audit_events",
    "audit_heads",
    "audit_times",
    "audit_entries",
    "audit_tiles",
    "audit_trees",
    "audit_checkpoints",
];

/// Asserts that Postgres forbids each of these statements to a user.
async fn must_be_forbidden(url: &str, statements: &[&str]) {
    let mut connection = sqlx::PgConnection::connect(url).await.expect("connected");
    for forbidden in statements {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe((*forbidden).to_owned()));
        let error = done.execute(&mut connection).await.expect_err(forbidden);
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        assert_eq!(code.as_deref(), Some("42501"), "{forbidden}: {error}");
    }
}

#[tokio::test]
async fn an_auditor_reads_everything_but_the_hashes_of_keys_and_writes_nothing() {
    let test = test_store().await;
    test.provision("one").await;
    number(&test.store).await;
    let name = format!("auditor_{}", Uuid::new_v4().simple());
    let users = DatabaseUsers {
        auditing: Some(&name),
        ..DatabaseUsers::default()
    };
    // The user does not exist yet: it is created, without a password.
    test.store.migrate_and_grant(users).await.expect("granted");
    let password = format!("ALTER ROLE {name} PASSWORD 'audit'");
    test.sql(&password).await.expect("changed");
    let user = User { test: &test, name };
    let url = user.url("audit");
    let mut connection = sqlx::PgConnection::connect(&url).await.expect("connected");
    let all: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class
         WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v')
           AND NOT relispartition AND relname NOT IN ('_sqlx_migrations', 'api_keys', 'console_sessions')",
    )
    .fetch_all(&mut connection)
    .await
    .expect("the tables");
    assert!(all.len() > 20, "{all:?}");
    for table in &all {
        let read = sqlx::AssertSqlSafe(format!("SELECT * FROM {table}"));
        sqlx::raw_sql(read)
            .execute(&mut connection)
            .await
            .expect(table);
        if table != "audit_partitions" {
            must_be_forbidden(&url, &[&format!("DELETE FROM {table}")]).await;
        }
    }
    let page = "SELECT action FROM audit_page('test', 0, NULL, NULL, NULL, NULL, NULL, 10)";
    let actions: Vec<String> = sqlx::query_scalar(page)
        .fetch_all(&mut connection)
        .await
        .expect("a page");
    assert_eq!(actions, ["provision_requested"]);
    for read in [
        "SELECT name, scopes, last_used_at, principal FROM api_keys",
        "SELECT key_id, scopes, created_at FROM console_sessions",
    ] {
        let read = sqlx::raw_sql(read).execute(&mut connection).await;
        read.expect("the keys and the sessions");
    }
    must_be_forbidden(
        &url,
        &[
            "SELECT sha256 FROM api_keys",
            "SELECT sha256 FROM console_sessions",
            "SELECT key_sha256 FROM console_sessions",
            "DELETE FROM console_sessions",
            "UPDATE api_keys SET revoked_at = NULL",
            "SELECT audit_append('{}', now(), 'test', NULL, NULL, NULL, NULL, NULL)",
            "SELECT audit_sequence('test', 1)",
            "SELECT audit_maintain_partitions('1 day')",
            "SELECT audit_expire_entries('test', 1)",
            "SELECT audit_record_checkpoint('test', 'x', 1, 'x')",
        ],
    )
    .await;
    // A user with the rights of serving loses them, and none can have both.
    let both = DatabaseUsers {
        serving: Some(&user.name),
        auditing: Some(&user.name),
    };
    let refused = test.store.migrate_and_grant(both).await;
    let refused = refused.expect_err("one user can't be both");
    assert!(matches!(refused, StoreError::OneUserForBoth { .. }));
    connection.close().await.expect("closed");
    user.delete().await;
}

#[tokio::test]
async fn a_user_that_may_create_objects_in_the_schema_gets_no_rights() {
    let test = test_store().await;
    let user = User::new(&test, "serving").await;
    let serving = || DatabaseUsers {
        serving: Some(&user.name),
        ..DatabaseUsers::default()
    };
    // As in a database that was made before Postgres 15. The owner's functions would find its operators.
    test.sql("GRANT CREATE ON SCHEMA public TO PUBLIC")
        .await
        .expect("granted");
    let refused = test.store.migrate_and_grant(serving()).await;
    let refused = refused.expect_err("it could act with the rights of the owner");
    assert!(
        matches!(refused, StoreError::MayCreate { .. }),
        "{refused:?}"
    );
    assert!(
        refused
            .to_string()
            .contains("REVOKE CREATE ON SCHEMA public")
    );
    test.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        .await
        .expect("revoked");
    // What everybody was given by mistake is taken back.
    test.sql("GRANT INSERT ON audit_pending TO PUBLIC")
        .await
        .expect("granted");
    test.store
        .migrate_and_grant(serving())
        .await
        .expect("granted");
    let url = user.url("serving");
    must_be_forbidden(
        &url,
        &["INSERT INTO audit_pending SELECT * FROM audit_pending"],
    )
    .await;
    user.delete().await;
}

#[tokio::test]
async fn the_time_of_an_event_is_that_at_which_it_is_added() {
    let test = test_store().await;
    for at in [
        "'infinity'",
        "'2199-01-01'",
        "now() - interval '2 minutes'",
        "NULL",
    ] {
        let append = format!(
            "SELECT audit_append('{{\"id\": \"00000000-0000-0000-0000-000000000001\", \"action\": \"denied\",
                                   \"actor\": \"a\", \"detail\": {{}}, \"aws_request_ids\": []}}',
                                 {at}, 'test', NULL, NULL, NULL, NULL, NULL)"
        );
        test.sql(&append).await.expect_err(at);
    }
}

#[tokio::test]
async fn a_user_that_does_not_exist_and_can_not_be_created_is_named() {
    let test = test_store().await;
    let owner = User::new(&test, "owner").await;
    let name = &owner.name;
    let schema =
        format!("CREATE SCHEMA own AUTHORIZATION {name}; ALTER ROLE {name} SET search_path = own");
    test.sql(&schema).await.expect("created");
    let own = store(&StoreConfig::new(owner.url("owner")));
    let missing = DatabaseUsers {
        serving: Some("nobody_has_this_name"),
        ..DatabaseUsers::default()
    };
    let error = own
        .migrate_and_grant(missing)
        .await
        .expect_err("no such user");
    assert!(matches!(error, StoreError::NoUser { .. }), "{error:?}");
    own.close().await;
    owner.delete().await;
}

#[tokio::test]
async fn a_user_that_served_before_uses_the_functions_after_the_migration() {
    let test = test_store().await;
    let user = User::new(&test, "serving").await;
    let name = &user.name;
    // The rights that the release before gave, and the part of the migration that changes them.
    let before = format!(
        "GRANT USAGE ON SCHEMA public TO {name};
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name};
         GRANT INSERT, DELETE ON audit_pending TO {name};
         GRANT INSERT ON audit_events, audit_times TO {name};
         GRANT INSERT, UPDATE ON audit_heads TO {name}"
    );
    test.sql(&before).await.expect("granted");
    let migration = include_str!("../../../../migrations/20261126000070_audit_functions.sql");
    let (_, change) = migration
        .split_once("-- Users that could write the tables until now")
        .expect("the part");
    let (change, _) = change.split_once("$$;").expect("its end");
    test.sql(&format!("-- {change}$$;"))
        .await
        .expect("migrated");
    must_be_forbidden(
        &user.url("serving"),
        &[
            "DELETE FROM audit_pending",
            "INSERT INTO audit_events SELECT * FROM audit_events",
            "UPDATE audit_heads SET seq = 0",
        ],
    )
    .await;
    let serving = store(&StoreConfig::new(user.url("serving")));
    let event = InstallationEvent::LogRead {
        hour: chrono::DateTime::UNIX_EPOCH,
    };
    let events = [(Cause::reconciler(), event)];
    serving.append_events(&events).await.expect("added");
    assert_eq!(number(&serving).await, 1);
    serving.close().await;
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
    let refused = test
        .store
        .migrate_and_grant(DatabaseUsers {
            serving: Some(&owner),
            ..DatabaseUsers::default()
        })
        .await;
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
