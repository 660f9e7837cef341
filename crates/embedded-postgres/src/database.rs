//! Creates and drops databases over a connection to the server.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::error::PostgresError;
use crate::url;

/// Creates a database unless it exists, and returns its URL.
pub(crate) async fn create(server: &str, name: &str) -> Result<String, PostgresError> {
    let quoted = quote(name)?;
    let action = || format!("create the database {name}");
    let client = connect_to_any(server).await?;
    // template0 has no connections that would prevent the copy, and no objects that somebody added.
    let create = format!(
        "CREATE DATABASE {quoted} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
    );
    match client.batch_execute(&create).await {
        Ok(()) => {}
        Err(error) if error.code() == Some(&SqlState::DUPLICATE_DATABASE) => {}
        // Another client creates the same database at the same time.
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {}
        Err(source) => {
            return Err(PostgresError::Sql {
                action: action(),
                source,
            });
        }
    }
    client
        .batch_execute(&format!("ALTER DATABASE {quoted} SET timezone TO 'UTC'"))
        .await
        .map_err(|source| PostgresError::Sql {
            action: action(),
            source,
        })?;
    url::with_database(server, name)
}

/// Drops a database together with the connections to it.
pub(crate) async fn drop_with_force(server: &str, name: &str) -> Result<(), PostgresError> {
    let client = connect_to_any(server).await?;
    client
        .batch_execute(&format!(
            "DROP DATABASE IF EXISTS {} WITH (FORCE)",
            quote(name)?
        ))
        .await
        .map_err(|source| PostgresError::Sql {
            action: format!("drop the database {name}"),
            source,
        })
}

/// Connects to the database of the URL; if it does not exist yet, to the database `postgres`, which
/// always exists.
async fn connect_to_any(server: &str) -> Result<Client, PostgresError> {
    match connect(server).await {
        Err(PostgresError::Sql { source, .. })
            if source.code() == Some(&SqlState::INVALID_CATALOG_NAME) =>
        {
            connect(&url::with_database(server, "postgres")?).await
        }
        connected => connected,
    }
}

/// Connects to a database. The connection runs on the caller's runtime and ends with the client.
pub(crate) async fn connect(url: &str) -> Result<Client, PostgresError> {
    let failed = |source| PostgresError::Sql {
        action: "connect to Postgres".to_owned(),
        source,
    };
    let (client, connection) = tokio_postgres::connect(&url::for_tokio_postgres(url)?, NoTls)
        .await
        .map_err(failed)?;
    // The client's calls return the errors of the connection too.
    tokio::spawn(connection);
    Ok(client)
}

fn quote(name: &str) -> Result<String, PostgresError> {
    if name.is_empty() || name.len() > 63 || name.contains('\0') {
        return Err(PostgresError::DatabaseName {
            name: name.to_owned(),
        });
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}
