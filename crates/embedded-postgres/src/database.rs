//! Databases on a server, made over its wire.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::error::PostgresError;
use crate::url;

/// Makes a database unless it exists, and returns its URL.
pub(crate) async fn create(server: &str, name: &str) -> Result<String, PostgresError> {
    let quoted = quote(name)?;
    let action = || format!("create the database {name}");
    let client = connect_to_any(server).await?;
    // template0 has no connections that would stand in the way, and nothing that somebody added.
    let create = format!(
        "CREATE DATABASE {quoted} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
    );
    match client.batch_execute(&create).await {
        Ok(()) => {}
        Err(error) if error.code() == Some(&SqlState::DUPLICATE_DATABASE) => {}
        // Two that make it at the same time.
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

/// Removes a database, whoever is connected to it.
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

/// Connects to the URL's database; or, where it does not exist yet, to the one that always does.
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

/// Connects; the connection runs on the runtime of the caller and ends with the client.
pub(crate) async fn connect(url: &str) -> Result<Client, PostgresError> {
    let failed = |source| PostgresError::Sql {
        action: "connect to Postgres".to_owned(),
        source,
    };
    let (client, connection) = tokio_postgres::connect(&url::for_tokio_postgres(url)?, NoTls)
        .await
        .map_err(failed)?;
    // Its errors come out of the client's calls as well.
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
