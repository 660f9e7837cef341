//! The Postgres server of an installation.

use engine_roles_embedded_postgres::{Postgres, PostgresConfig, TestDatabase, test_database};

/// The server that the database is on.
#[derive(Debug)]
pub(super) enum PostgresServer {
    Shared(TestDatabase),
    Own { server: Box<Postgres>, url: String },
}

impl PostgresServer {
    pub(super) async fn new(own: bool) -> Self {
        if !own {
            return Self::Shared(test_database().await);
        }
        let config = PostgresConfig {
            own: true,
            ..PostgresConfig::default()
        };
        let server = Postgres::start(config).await.expect("Postgres starts");
        let url = server
            .create_database("engine_roles")
            .await
            .expect("a new server creates a database");
        Self::Own {
            server: Box::new(server),
            url,
        }
    }

    pub(super) fn url(&self) -> &str {
        match self {
            Self::Shared(database) => database.url(),
            Self::Own { url, .. } => url,
        }
    }
}
