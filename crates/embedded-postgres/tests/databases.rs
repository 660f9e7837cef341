//! Test databases as tests see them.

use engine_roles_embedded_postgres::test_database;
use tokio_postgres::NoTls;

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn two_tests_get_two_databases() {
    let (one, two) = tokio::join!(test_database(), test_database());
    assert_ne!(one.url(), two.url());
    for database in [&one, &two] {
        let client = connect(database.url()).await;
        client
            .batch_execute("CREATE TABLE mine (id integer)")
            .await
            .unwrap();
        let name: String = client
            .query_one("SELECT current_database()::text", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(name, database.name());
    }
}

#[tokio::test]
async fn a_database_is_in_utf8_with_the_c_locale_and_utc() {
    let database = test_database().await;
    let client = connect(database.url()).await;
    let row = client
        .query_one(
            "SELECT current_setting('server_encoding'), datcollate::text, current_setting('timezone') \
             FROM pg_database WHERE datname = current_database()",
            &[],
        )
        .await
        .unwrap();
    let got: [String; 3] = [row.get(0), row.get(1), row.get(2)];
    assert_eq!(got, ["UTF8", "C", "UTC"]);
}

#[tokio::test]
async fn fifty_tests_at_once_get_fifty_databases() {
    let all = (0..50).map(|_| tokio::spawn(test_database()));
    let mut urls = std::collections::BTreeSet::new();
    for database in all.collect::<Vec<_>>() {
        urls.insert(database.await.unwrap().url().to_owned());
    }
    assert_eq!(urls.len(), 50);
}

#[test]
fn the_server_can_be_used_by_one_runtime_after_another() {
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let database = test_database().await;
            connect(database.url())
                .await
                .batch_execute("SELECT 1")
                .await
                .unwrap();
        });
    }
}
