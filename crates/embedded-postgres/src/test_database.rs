//! A fresh database for every test, on one server for all tests of a process.

use tokio::sync::OnceCell;

use crate::{Postgres, PostgresConfig, PostgresError, database};

/// The server of this process's tests. It belongs to no runtime and to no thread, and is never
/// dropped: it ends when the process does.
static SERVER: OnceCell<Postgres> = OnceCell::const_new();

/// An empty database of a test's own.
#[derive(Debug)]
pub struct TestDatabase {
    server: &'static Postgres,
    name: String,
    url: String,
}

/// A new, empty database with a random name, on the server that all tests of this process share.
///
/// # Panics
/// Where no Postgres can be had; the message says what to install.
pub async fn test_database() -> TestDatabase {
    let made = async {
        let server = SERVER
            .get_or_try_init(|| Postgres::start(PostgresConfig::default()))
            .await?;
        let name = random_name();
        let url = server.create_database(&name).await?;
        Ok::<_, PostgresError>(TestDatabase { server, name, url })
    };
    match made.await {
        Ok(database) => database,
        Err(error) => panic!("tests need Postgres: {}", crate::error::chain(&error)),
    }
}

/// A name that no other test, process or machine has taken.
pub(crate) fn random_name() -> String {
    format!("test_{}", uuid::Uuid::new_v4().simple())
}

impl TestDatabase {
    /// Its URL, for sqlx as for tokio-postgres.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.url().to_owned(), self.name.clone());
        let is_own = self.server.data_dir().is_some();
        // A thread with a runtime of its own: this one's may be about to end.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                // Nothing to tell anybody: at worst an empty database stays.
                let _ = runtime.block_on(database::drop_with_force(&server, &name));
            }
        });
        // Our own server goes with everything on it. Somebody's server is left as it was.
        if !is_own {
            let _ = thread.join();
        }
    }
}
