//! The rights of the database users that own no tables: the one that serves, and an auditor's.

use sqlx::{Executor, PgConnection};

use crate::StoreError;
use crate::connection::Statements;
use crate::database::Pooler;

/// What the user that serves may do with each table. Without the rights of an owner it can't change a
/// table, disable a trigger, or change or delete an event of the audit log.
const TABLES: [(&str, &str); 24] = [
    ("clusters", "SELECT, INSERT, UPDATE"),
    ("bindings", "SELECT, INSERT, UPDATE, DELETE"),
    ("work", "SELECT, INSERT, UPDATE, DELETE"),
    ("schedule", "SELECT, INSERT, UPDATE, DELETE"),
    ("replicas", "SELECT, INSERT, UPDATE, DELETE"),
    ("sweeps", "SELECT, INSERT, UPDATE"),
    ("orphans", "SELECT, INSERT, DELETE"),
    ("prepared_roles", "SELECT, INSERT, UPDATE, DELETE"),
    ("call_budgets", "SELECT, INSERT, UPDATE"),
    ("binding_counts", "SELECT, INSERT, UPDATE"),
    // UPDATE for the lock with which changes are taken.
    ("binding_count_changes", "SELECT, INSERT, UPDATE, DELETE"),
    // DELETE for tokens that have expired.
    ("api_keys", "SELECT, INSERT, UPDATE, DELETE"),
    ("api_key_versions", "SELECT, INSERT, UPDATE"),
    ("console_sessions", "SELECT, INSERT, DELETE"),
    // Written by functions of the owner.
    ("audit_pending", "SELECT"),
    ("audit_events", "SELECT"),
    ("audit_heads", "SELECT"),
    ("audit_times", "SELECT"),
    ("audit_partitions", "SELECT"),
    ("audit_entries", "SELECT"),
    ("audit_tiles", "SELECT"),
    ("audit_trees", "SELECT"),
    ("audit_checkpoints", "SELECT"),
    ("schema_versions", "SELECT"),
];

/// The functions that only their owner and this user may call.
const FUNCTIONS: [&str; 6] = [
    "audit_append(jsonb, timestamptz, text, text, uuid, bigint, text, text)",
    "audit_sequence(text, bigint)",
    "audit_maintain_partitions(interval)",
    "audit_extend_tree(text, bigint, bytea, bytea[], bytea, integer[], bigint[], bytea[])",
    "audit_record_checkpoint(text, text, bigint, text)",
    "audit_expire_entries(text, bigint)",
];

/// The columns of the API keys that an auditor reads: all but the hash.
const AUDITED_KEY_COLUMNS: &str = "id, namespace, name, scopes, cluster_prefix, created_at, \
                                   expires_at, revoked_at, last_used_at, version, principal";

/// The columns of the console's sessions that an auditor reads: all but the hashes.
const AUDITED_SESSION_COLUMNS: &str =
    "id, namespace, key_id, scopes, cluster_prefix, created_at, expires_at";

/// The database users, besides the owner of the tables, to which `migrate` gives rights. A user that
/// does not exist is created, without a password.
#[derive(Clone, Copy, Debug, Default)]
pub struct DatabaseUsers<'a> {
    /// The user that serves; none where the owner does.
    pub serving: Option<&'a str>,
    /// The user that only reads, for an auditor; none where there is none.
    pub auditing: Option<&'a str>,
}

impl DatabaseUsers<'_> {
    /// Gives each user exactly the rights that it needs, and takes all other rights on these tables from
    /// it.
    ///
    /// # Errors
    /// When both are one user, when a user owns tables (revoking an owner's rights would break the triggers
    /// and functions that run with them), when a user does not exist and can't be created, or when a user
    /// may create objects in the schema: the owner's functions would find its operators and functions.
    pub(crate) async fn grant(self, connection: &mut PgConnection) -> Result<(), StoreError> {
        if let (Some(serving), Some(auditing)) = (self.serving, self.auditing)
            && serving == auditing
        {
            let user = serving.to_owned();
            return Err(StoreError::OneUserForBoth { user });
        }
        if let Some(user) = self.serving {
            let (user, mut grants) = begin(connection, user).await?;
            for (table, rights) in TABLES {
                grants.push(format!("GRANT {rights} ON {table} TO {user};"));
            }
            for function in FUNCTIONS {
                grants.push(format!("GRANT EXECUTE ON FUNCTION {function} TO {user};"));
            }
            run(connection, &grants).await?;
        }
        if let Some(user) = self.auditing {
            let (user, mut grants) = begin(connection, user).await?;
            grants.push(format!("GRANT SELECT ON _sqlx_migrations TO {user};"));
            for (table, _) in TABLES {
                let read = match table {
                    "api_keys" => format!("SELECT ({AUDITED_KEY_COLUMNS})"),
                    "console_sessions" => format!("SELECT ({AUDITED_SESSION_COLUMNS})"),
                    _ => "SELECT".to_owned(),
                };
                grants.push(format!("GRANT {read} ON {table} TO {user};"));
            }
            run(connection, &grants).await?;
        }
        Ok(())
    }
}

/// Creates a user if it does not exist. Returns its quoted name, and the statements that leave it no right
/// but to find the tables.
async fn begin(
    connection: &mut PgConnection,
    user: &str,
) -> Result<(String, Vec<String>), StoreError> {
    let found = sqlx::query_as(
        "SELECT quote_ident($1), quote_ident(current_schema()),
                to_regrole(quote_ident($1)) IS NOT NULL,
                EXISTS (SELECT FROM pg_class
                        WHERE relnamespace = current_schema()::regnamespace
                          AND relkind IN ('r', 'p')
                          AND relowner = to_regrole(quote_ident($1)))",
    );
    let found = found
        .bind(user)
        .fetch_one(Statements::on(connection, Pooler::Transaction));
    let (quoted, schema, exists, is_owner): (String, String, bool, bool) = found.await?;
    if is_owner {
        let user = user.to_owned();
        return Err(StoreError::GrantToOwner { user });
    }
    if !exists {
        let create = format!("CREATE ROLE {quoted} LOGIN");
        let created = run(connection, &[create]).await;
        created.map_err(|error| match error {
            StoreError::NoRights(source) => StoreError::NoUser {
                user: user.to_owned(),
                source,
            },
            other => other,
        })?;
    }
    let rights = sqlx::query_as(
        "SELECT has_schema_privilege($1, current_schema(), 'CREATE'),
                has_schema_privilege($1, current_schema(), 'USAGE')",
    );
    let rights = rights
        .bind(user)
        .fetch_one(Statements::on(connection, Pooler::Transaction));
    let (may_create, may_use): (bool, bool) = rights.await?;
    if may_create {
        let user = user.to_owned();
        return Err(StoreError::MayCreate { user, schema });
    }
    let mut grants = Vec::new();
    if !may_use {
        grants.push(format!("GRANT USAGE ON SCHEMA {schema} TO {quoted};"));
    }
    for (table, _) in TABLES {
        grants.push(format!("REVOKE ALL ON {table} FROM {quoted}, PUBLIC;"));
    }
    for function in FUNCTIONS {
        grants.push(format!(
            "REVOKE ALL ON FUNCTION {function} FROM {quoted}, PUBLIC;"
        ));
    }
    Ok((quoted, grants))
}

async fn run(connection: &mut PgConnection, statements: &[String]) -> Result<(), StoreError> {
    let statements = sqlx::AssertSqlSafe(statements.join("\n"));
    connection.execute(statements).await?;
    Ok(())
}
