//! The rights of the database user that serves, where another one owns the tables.

use sqlx::{Executor, PgConnection};

use crate::StoreError;
use crate::connection::Statements;
use crate::database::Pooler;

/// What the user that serves may do with each table. Without the rights of an owner it can't change a
/// table, disable a trigger, or change or delete an event of the audit log.
const TABLES: [(&str, &str); 23] = [
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
    ("audit_pending", "SELECT, INSERT, DELETE"),
    ("audit_events", "SELECT, INSERT"),
    ("audit_heads", "SELECT, INSERT, UPDATE"),
    ("audit_times", "SELECT, INSERT"),
    ("audit_partitions", "SELECT"),
    // DELETE for tokens that have expired.
    ("api_keys", "SELECT, INSERT, UPDATE, DELETE"),
    ("api_key_versions", "SELECT, INSERT, UPDATE"),
    // Written by functions of the owner.
    ("audit_entries", "SELECT"),
    ("audit_tiles", "SELECT"),
    ("audit_trees", "SELECT"),
    ("audit_checkpoints", "SELECT"),
    ("schema_versions", "SELECT"),
];

/// The functions that only their owner and this user may call.
const FUNCTIONS: [&str; 4] = [
    "audit_maintain_partitions(interval)",
    "audit_extend_tree(text, bigint, bytea, bytea[], bytea, integer[], bigint[], bytea[])",
    "audit_record_checkpoint(text, text, bigint, text)",
    "audit_expire_entries(text, bigint)",
];

/// Gives a database user the rights that serving needs, and takes all other rights on these tables from
/// it.
///
/// # Errors
/// When there is no such user, or it owns tables: revoking an owner's rights would break the triggers
/// and functions that run with them.
pub(crate) async fn grant(connection: &mut PgConnection, user: &str) -> Result<(), StoreError> {
    let names = sqlx::query_as("SELECT quote_ident($1), quote_ident(current_schema())");
    let names = names
        .bind(user)
        .fetch_one(Statements::on(connection, Pooler::Transaction));
    let (quoted, schema): (String, String) = names.await?;
    let owned = sqlx::query_scalar(
        "SELECT count(*) > 0 FROM pg_class
         WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
           AND relowner = to_regrole(quote_ident($1))",
    );
    let owned = owned
        .bind(user)
        .fetch_one(Statements::on(connection, Pooler::Transaction));
    if owned.await? {
        let user = user.to_owned();
        return Err(StoreError::GrantToOwner { user });
    }
    let user = quoted;
    let mut grants = vec![format!("GRANT USAGE ON SCHEMA {schema} TO {user};")];
    for (table, rights) in TABLES {
        grants.push(format!("REVOKE ALL ON {table} FROM {user};"));
        grants.push(format!("GRANT {rights} ON {table} TO {user};"));
    }
    for function in FUNCTIONS {
        grants.push(format!("GRANT EXECUTE ON FUNCTION {function} TO {user};"));
    }
    let grants = sqlx::AssertSqlSafe(grants.join("\n"));
    connection.execute(grants).await?;
    Ok(())
}
