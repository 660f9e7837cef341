//! The database as production has it: users with few rights, standbys, other releases' schemas,
//! networks that go silent, and locks that somebody holds.

use std::os::unix::fs::PermissionsExt;

use engine_roles_e2e::{Database, Installation, eventually};
use engine_roles_iam_sandbox::Call;
use futures::future::join_all;
use serde_json::json;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until the log says what the service waits for.
async fn log_names_the_command(installation: &Installation) {
    eventually("the log names the command", async || {
        let text = installation.replicas[0].log().text();
        text.contains("engine-roles migrate").then_some(())
    })
    .await;
}

#[tokio::test]
async fn migrate_brings_an_empty_database_up_to_date_and_says_so() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_MIGRATE", "never")
        .not_yet_ready()
        .start()
        .await;
    installation.database_is(0, "migrations_pending").await;
    log_names_the_command(&installation).await;
    for _ in 0..2 {
        let migrated = installation.run(&["migrate"], &[]);
        assert!(migrated.status.success(), "{migrated:?}");
        assert!(
            text(&migrated.stdout).contains("up to date"),
            "{migrated:?}"
        );
    }
    // The service that waited continues by itself.
    installation.ready().await;
    installation.client().provision("one").await.expect(201);
}

#[tokio::test]
async fn migrate_names_what_is_wrong_with_the_database() {
    let installation = Installation::start().await;
    for (url, words) in [
        ("mysql://host/database", "postgres://"),
        ("postgres://a,b/database", "several hosts"),
        (
            "postgres://nobody@127.0.0.1:1/none?sslmode=disable",
            "can't be reached",
        ),
    ] {
        let failed = installation.run(&["migrate"], &[("DATABASE_URL", url)]);
        assert_eq!(failed.status.code(), Some(1), "{url}: {failed:?}");
        assert!(text(&failed.stderr).contains(words), "{url}: {failed:?}");
        assert!(!text(&failed.stderr).contains("panicked"), "{failed:?}");
    }
}

#[tokio::test]
async fn the_service_runs_as_a_database_user_that_owns_nothing() {
    let mut installation = Installation::build().rarely_checked().start().await;
    let user = format!("app_{}", uuid::Uuid::new_v4().simple());
    let database = &installation.database;
    database
        .execute(&format!("CREATE ROLE {user} LOGIN PASSWORD 'serving'"))
        .await;
    let migrated = installation.run(&["migrate", "--grant-to", &user], &[]);
    assert!(migrated.status.success(), "{migrated:?}");
    let (_, place) = database.url().split_once('@').expect("the URL has a user");
    let url = format!("postgres://{user}:serving@{place}");
    installation.set_env("DATABASE_URL", &url);
    installation.restart(0).await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    let change = json!({"tags": {"team": "x"}});
    client.put("one", change).await.expect(200);
    assert_eq!(client.delete("one").await.expect(200)["state"], "deleted");
    installation.assert_sound_when_idle("as another user").await;
    let log = installation.replicas[0].log().text();
    assert!(!log.contains("lacks a right"), "{log}");
    // A newer release waits for its migration, and does not end.
    let older = "DELETE FROM schema_versions";
    installation.database.execute(older).await;
    installation.restart_listening(0).await;
    installation.database_is(0, "migrations_pending").await;
    log_names_the_command(&installation).await;
    drop(installation.replicas.remove(0));
    let drop_user = format!("DROP OWNED BY {user}; DROP ROLE {user}");
    installation.database.execute(&drop_user).await;
}

#[tokio::test]
async fn a_changed_password_is_read_again_from_the_password_file() {
    let file = |user: &str, _: &str, password: &str| format!("*:*:*:{user}:{password}\n");
    a_changed_password_is_read_again("PGPASSFILE", file).await;
}

#[tokio::test]
async fn a_changed_password_is_read_again_from_the_file_of_the_url() {
    let url =
        |user: &str, place: &str, password: &str| format!("postgres://{user}:{password}@{place}\n");
    a_changed_password_is_read_again("DATABASE_URL_FILE", url).await;
}

/// Changes the password of the database user while the service runs. `contents` returns what the file
/// that the variable names contains, for a user, the place of the database, and a password.
async fn a_changed_password_is_read_again(
    variable: &str,
    contents: impl Fn(&str, &str, &str) -> String,
) {
    let mut installation = Installation::build().rarely_checked().start().await;
    let user = format!("app_{}", uuid::Uuid::new_v4().simple());
    let create = format!("CREATE ROLE {user} LOGIN PASSWORD 'one'");
    installation.database.execute(&create).await;
    let migrated = installation.run(&["migrate", "--grant-to", &user], &[]);
    assert!(migrated.status.success(), "{migrated:?}");
    let url = installation.database.url().to_owned();
    let (_, place) = url.split_once('@').expect("the URL has a user");
    let file = std::env::temp_dir().join(format!("pgpass-{user}"));
    let write = |password: &str| {
        std::fs::write(&file, contents(&user, place, password)).expect("written");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&file, private).expect("the file is ours");
    };
    write("one");
    let without_password = format!("postgres://{user}@{place}");
    let is_url = variable == "DATABASE_URL_FILE";
    installation.set_env("DATABASE_URL", if is_url { "" } else { &without_password });
    installation.set_env(variable, &file.to_string_lossy());
    installation.restart(0).await;
    installation.client().provision("one").await.expect(201);
    let rotate = format!(
        "ALTER ROLE {user} PASSWORD 'two';
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'"
    );
    installation.database.execute(&rotate).await;
    installation.database_is(0, "login_refused").await;
    let refused = installation.client().provision("two").await;
    refused.expect_problem(503, "database_unavailable");
    write("two");
    installation.database_is(0, "ok").await;
    eventually("a request is carried out", async || {
        let answer = installation.client().provision("two").await;
        (answer.status < 202).then_some(())
    })
    .await;
    drop(installation.replicas.remove(0));
    std::fs::remove_file(&file).expect("removed");
    let drop_user = format!("DROP OWNED BY {user}; DROP ROLE {user}");
    installation.database.execute(&drop_user).await;
}

/// The page, whose commands the next test runs.
const PAGE: &str = include_str!("../../../docs/database.md");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_for_two_database_users_work_as_documented() {
    // Users belong to a whole server.
    let mut installation = Installation::build()
        .own_postgres()
        .env("ENGINE_ROLES_MIGRATE", "never")
        .not_yet_ready()
        .start()
        .await;
    let (_, rest) = PAGE.split_once("```sql\n").expect("the page has SQL");
    let (sql, rest) = rest.split_once("```").expect("the SQL ends");
    installation.database.execute(sql).await;
    let url = |user: &str, password: &str| {
        let (_, place) = installation.database.url().split_once('@').expect("a user");
        format!("postgres://{user}:{}@{place}", password.replace(' ', "%20"))
    };
    let owner = url("engine_roles_owner", "a password");
    let serving = url("engine_roles_app", "another password");
    let auditing = Database::new(url("engine_roles_auditor", "a third password"));
    let documented =
        "engine-roles migrate --grant-to engine_roles_app --grant-audit-to engine_roles_auditor";
    assert!(rest.contains(documented));
    let arguments: Vec<&str> = documented.split(' ').skip(1).collect();
    let migrated = installation.run(&arguments, &[("DATABASE_URL", &owner)]);
    assert!(migrated.status.success(), "{migrated:?}");
    installation.set_env("DATABASE_URL", &serving);
    installation.restart(0).await;
    assert!(auditing.events().await.is_empty());
    let client = installation.client();
    client.provision("one").await.expect(201);
    assert_eq!(client.delete("one").await.expect(200)["state"], "deleted");
    let checked = installation.run(&["check"], &[]);
    assert!(
        text(&checked.stdout).contains("\nok       database "),
        "{checked:?}"
    );
    // The server of this test is not durable.
    assert!(text(&checked.stdout).contains("fsync"), "{checked:?}");
    let log = installation.replicas[0].log().text();
    assert!(
        log.contains("database may forget committed records"),
        "{log}"
    );
}

#[tokio::test]
async fn a_release_ends_on_a_schema_that_it_does_not_understand_and_runs_on_one_that_admits_it() {
    let mut installation = Installation::start().await;
    let newer = "INSERT INTO schema_versions (version, oldest_reader)
                 SELECT max(version) + 1, max(version) FROM schema_versions";
    installation.database.execute(newer).await;
    installation.restart(0).await;
    installation.client().provision("one").await.expect(201);
    let too_new = "UPDATE schema_versions SET oldest_reader = version
                   WHERE version = (SELECT max(version) FROM schema_versions)";
    installation.database.execute(too_new).await;
    installation.database_is(0, "schema_too_new").await;
    // Nothing is written into what this release does not understand.
    let writes = || {
        let calls = installation.calls(0).into_iter();
        let writes = ["Create", "Put", "Add", "Tag", "Delete", "Remove"];
        let is_write = |call: &Call| writes.iter().any(|verb| call.action.starts_with(verb));
        calls.filter(is_write).count()
    };
    let before = writes();
    let client = installation.client();
    eventually("a heartbeat has seen it", async || {
        (client.get("one").await.status == 503).then_some(())
    })
    .await;
    let refused = client.provision("two").await;
    let problem = refused.expect_problem(503, "database_unavailable");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("a newer release"), "{detail}");
    client.delete("one").await.expect(503);
    assert_eq!(writes(), before);
    let served = installation.run(&["serve"], &[]);
    assert_eq!(served.status.code(), Some(1));
    let stderr = text(&served.stderr);
    assert!(stderr.contains("this release can't work on it"), "{stderr}");
    let admits = "UPDATE schema_versions SET oldest_reader = version - 1
                  WHERE version = (SELECT max(version) FROM schema_versions)";
    installation.database.execute(admits).await;
    installation.database_is(0, "ok").await;
    client.provision("two").await.expect(201);
    client.delete("one").await.expect(200);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_read_only_database_makes_the_service_unready_until_a_writable_one_answers() {
    let mut installation = Installation::start().await;
    installation.client().provision("one").await.expect(201);
    let database = |change: &str| {
        let url = installation.database.url();
        let name = url.rsplit('/').next().unwrap_or_default();
        let name = name.split('?').next().unwrap_or_default();
        // A transaction that may write, also where those of other sessions may not.
        format!(
            "BEGIN READ WRITE; ALTER DATABASE {name} {change} default_transaction_read_only {};
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid(); COMMIT",
            if change == "SET" { "= on" } else { "" },
        )
    };
    let (read_only, writable) = (database("SET"), database("RESET"));
    installation.database.execute(&read_only).await;
    installation.database_is(0, "read_only").await;
    eventually("a request is refused", async || {
        let refused = installation.client().provision("two").await;
        (refused.code() == Some("database_unavailable")).then_some(())
    })
    .await;
    // A service that starts meanwhile waits too.
    installation.add_replica().await;
    installation.database_is(1, "read_only").await;
    installation.database.execute(&writable).await;
    installation.database_is(0, "ok").await;
    installation.database_is(1, "ok").await;
    eventually("a request is carried out", async || {
        let answer = installation.client().provision("two").await;
        (answer.status < 202).then_some(())
    })
    .await;
    assert!(
        installation
            .replicas
            .iter_mut()
            .all(engine_roles_e2e::Service::runs)
    );
}

#[tokio::test]
async fn while_a_network_is_silent_requests_are_answered_and_the_service_recovers() {
    let installation = Installation::build()
        .rarely_checked()
        .proxied()
        .start()
        .await;
    installation.client().provision("one").await.expect(201);
    installation.proxy().freeze();
    let requests = (0..6).map(|number| {
        let client = installation.client().with("prefer", "wait=1");
        async move { client.provision(&format!("c{number}")).await }
    });
    for answer in join_all(requests).await {
        answer.expect_problem(503, "database_unavailable");
    }
    installation.database_is(0, "unreachable").await;
    installation.proxy().thaw();
    installation.proxy().cut();
    installation.database_is(0, "ok").await;
    for number in 0..6 {
        let answer = installation.client().provision(&format!("c{number}")).await;
        assert!(answer.status < 202, "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_says_what_is_wrong_with_the_database() {
    let mut installation = Installation::build().proxied().start().await;
    let checked = |installation: &Installation, changes: &[(&str, &str)]| {
        let output = installation.run(&["check", "--format", "json"], changes);
        let report: serde_json::Value =
            serde_json::from_slice(&output.stdout).expect("the report is JSON");
        // The identity is reported whatever the database does.
        assert!(report["identity"].is_string(), "{report}");
        let is_usable = report["database"]["status"] == "ok";
        assert_eq!(output.status.success(), is_usable, "{output:?}");
        // What AWS permits does not depend on the database.
        assert_eq!(report["features"][0]["status"], "works", "{report}");
        report["database"].to_string()
    };
    assert!(checked(&installation, &[]).contains("\"ok\""));
    let url = installation.environment()["DATABASE_URL"].clone();
    let (_, place) = url.split_once('@').expect("the URL has a user");
    let wrong = format!("postgres://nobody:x@{place}");
    for (url, words) in [
        (wrong.as_str(), "refused the login"),
        ("postgres://nobody@127.0.0.1:1/none", "refused"),
    ] {
        let database = checked(&installation, &[("DATABASE_URL", url)]);
        assert!(database.contains(words), "{url}: {database}");
        // Of the source code of Postgres.
        assert!(!database.contains(" at line "), "{url}: {database}");
    }
    let off = "DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database());
    END $$";
    installation.database.execute(off).await;
    let database = checked(&installation, &[]);
    assert!(database.contains("synchronous_commit is off"), "{database}");
    installation.restart(0).await;
    let log = installation.replicas[0].log().text();
    assert!(log.contains("synchronous_commit is off"), "{log}");
    installation
        .database
        .execute("DELETE FROM schema_versions")
        .await;
    // With `auto`, `serve` migrates by itself, and it is a warning.
    let database = checked(&installation, &[("ENGINE_ROLES_MIGRATE", "never")]);
    assert!(database.contains("run migrate"), "{database}");
    installation.proxy().freeze();
    let database = checked(&installation, &[]);
    assert!(database.contains("can't be reached"), "{database}");
    assert!(database.contains("in time"), "{database}");
    installation.proxy().thaw();
}
