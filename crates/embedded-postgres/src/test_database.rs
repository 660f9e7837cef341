//! A new database for every test, on one server for all tests of a process.

use tokio::sync::OnceCell;

use crate::{Postgres, PostgresConfig, PostgresError, database};

/// The server for the tests of this process. The server does not depend on any runtime or thread,
/// and is never dropped: the watchdog ends the server when the process ends.
static SERVER: OnceCell<Postgres> = OnceCell::const_new();

/// A database for one test, empty at the start. Dropping this value drops the database if the
/// server is that of `DATABASE_URL`.
#[derive(Debug)]
pub struct TestDatabase {
    server: &'static Postgres,
    name: String,
    url: String,
}

/// Creates an empty database with a random name, on the server that all tests of this process
/// share.
///
/// # Panics
/// Panics if no Postgres is available; the message says what to install.
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

/// Returns a name that no other test, process or machine uses.
pub(crate) fn random_name() -> String {
    format!("test_{}", uuid::Uuid::new_v4().simple())
}

impl TestDatabase {
    /// Returns the URL of the database, for both sqlx and tokio-postgres.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the name of the database, such as `test_` and 32 hexadecimal digits.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.url().to_owned(), self.name.clone());
        let is_own = self.server.data_dir().is_some();
        // A new thread with a new runtime, because the current runtime may be about to end.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                // Errors are ignored: at worst a database is left over.
                let _ = runtime.block_on(database::drop_with_force(&server, &name));
            }
        });
        // A server that this process started is removed with all its databases; on any other server
        // the database must be dropped.
        if !is_own {
            let _ = thread.join();
        }
    }
}
