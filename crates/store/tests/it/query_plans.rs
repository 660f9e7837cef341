//! Every query of the store finds its rows by an index, also where there are a million bindings.
//!
//! A query that reads a whole table passes every other test, because their tables are small. This
//! test asks Postgres for the plan of each query, once for typical values and once for values that
//! the planner does not know, as it plans a statement that a connection has run several times.
//!
//! The plan for a page of a list must also be kept, because planning takes as long as reading the page.
//!
//! Statements inside database functions and triggers are not covered; Postgres has no command that
//! shows their plans.

use std::borrow::Borrow;

use engine_roles_store::DatabaseUsers;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::query_plans::offline_data::{Query, queries};
use crate::test_store::test_store;

mod offline_data;

/// The tables that grow with the number of bindings or of events, partitions included. All others
/// stay small: their rows are replicas, sweeps, accounts, prepared roles, orphans, counts, and changes
/// and events that await a background task.
const LARGE_TABLES: [&str; 8] = [
    "audit_entries",
    "audit_events",
    "audit_tiles",
    "audit_times",
    "bindings",
    "clusters",
    "schedule",
    "work",
];

/// What only statements that change something contain.
const WRITES: [&str; 8] = [
    "INSERT",
    "UPDATE",
    "DELETE",
    "pg_",
    "audit_maintain_partitions",
    "audit_extend_tree",
    "audit_record_checkpoint",
    "audit_expire_entries",
];

/// How many blocks of tables and indexes a read may use. The table of a million bindings has about
/// 50,000; a page of a sweep, which reads a thousand bindings, uses about 1,100.
const MOST_BLOCKS: u64 = 3_000;

/// How often a statement is executed before Postgres decides whether its plan is kept, and once more.
const EXECUTIONS: usize = 6;

/// How many bindings there are; `ENGINE_ROLES_PLAN_BINDINGS` changes the number. With fewer than
/// about 50,000, the planner rightly prefers to read whole tables.
fn bindings() -> u32 {
    match std::env::var("ENGINE_ROLES_PLAN_BINDINGS") {
        Ok(number) => number.parse().expect("a number of bindings"),
        Err(_) => 1_000_000,
    }
}

#[tokio::test]
async fn every_query_finds_its_rows_by_an_index_among_a_million_bindings() {
    let test = test_store().await;
    let fill = include_str!("query_plans/fill.sql");
    test.sql(&fill.replace("{bindings}", &bindings().to_string()))
        .await
        .expect("the database is filled");
    test.sql("VACUUM (ANALYZE)").await.expect("statistics");
    let mut connection = PgConnection::connect(test.database.url())
        .await
        .expect("a connection");
    let queries = queries();
    let mut found = Vec::new();
    for (number, query) in queries.iter().enumerate() {
        for mode in ["force_custom_plan", "force_generic_plan"] {
            let plan = plan(&mut connection, query, number, mode).await;
            let blocks = plan["Plan"]["Shared Hit Blocks"]
                .as_u64()
                .unwrap_or_default()
                + plan["Plan"]["Shared Read Blocks"]
                    .as_u64()
                    .unwrap_or_default();
            if blocks > MOST_BLOCKS {
                found.push(format!(
                    "{blocks} blocks, {mode}:\n{}\n{plan:#}",
                    query.text
                ));
            }
            for scan in whole_scans(&plan["Plan"]) {
                found.push(format!("{scan}, {mode}:\n{}\n{plan:#}", query.text));
            }
        }
        let is_page = query.text.contains("bindings_page");
        if is_page && !is_plan_kept(&mut connection, query, number).await {
            found.push(format!("planned at each execution:\n{}", query.text));
        }
    }
    assert!(queries.len() > 20, "{} queries", queries.len());
    assert!(
        found.is_empty(),
        "{} faults of plans:\n\n{}",
        found.len(),
        found.join("\n\n")
    );
}

#[tokio::test]
async fn every_query_is_permitted_to_the_user_that_serves() {
    let test = test_store().await;
    let user = format!("serving_{}", uuid::Uuid::new_v4().simple());
    let create = format!("CREATE ROLE {user}");
    test.sql(&create).await.expect("created");
    let granted = test
        .store
        .migrate_and_grant(DatabaseUsers {
            serving: Some(&user),
            ..DatabaseUsers::default()
        })
        .await;
    granted.expect("granted");
    let mut connection = PgConnection::connect(test.database.url())
        .await
        .expect("a connection");
    let set = AssertSqlSafe(format!("SET ROLE {user}"));
    let set = sqlx::raw_sql(set).execute(&mut connection).await;
    set.expect("the role is taken");
    // Postgres checks the rights on all tables of a query before it shows the plan.
    for (number, query) in queries().iter().enumerate() {
        plan(&mut connection, query, number, "force_custom_plan").await;
    }
    let update = "EXPLAIN UPDATE audit_events SET actor = 'x'";
    let refused = sqlx::raw_sql(update).execute(&mut connection).await;
    assert!(refused.is_err(), "plans show rights");
    connection.close().await.expect("closed");
    let drop_user = format!("DROP OWNED BY {user}; DROP ROLE {user}");
    test.sql(&drop_user).await.expect("dropped");
}

/// Returns whether Postgres keeps the plan of a query, instead of planning it anew at each execution.
async fn is_plan_kept(connection: &mut PgConnection, query: &Query, number: usize) -> bool {
    plan(connection, query, number, "auto").await;
    let (name, values) = (name(number, "auto"), in_parentheses(&query.values));
    for _ in 0..EXECUTIONS {
        let execute = AssertSqlSafe(format!("EXECUTE {name} {values}"));
        let executed = sqlx::raw_sql(execute).execute(&mut *connection).await;
        executed.expect("the query is executed");
    }
    let kept = "SELECT generic_plans > 0 FROM pg_prepared_statements WHERE name = $1";
    let kept = sqlx::query_scalar(kept).bind(name).fetch_one(connection);
    kept.await.expect("the statement is prepared")
}

fn name(number: usize, mode: &str) -> String {
    format!("query_{number}_{mode}")
}

fn in_parentheses<S: Borrow<str>>(list: &[S]) -> String {
    match list.join(", ") {
        none if none.is_empty() => none,
        list => format!("({list})"),
    }
}

/// Returns Postgres's plan of a query.
async fn plan(connection: &mut PgConnection, query: &Query, number: usize, mode: &str) -> Value {
    let (types, values) = (in_parentheses(&query.types), in_parentheses(&query.values));
    let name = name(number, mode);
    let prepare = format!(
        "SET plan_cache_mode = {mode}; PREPARE {name} {types} AS {}",
        query.text
    );
    sqlx::raw_sql(AssertSqlSafe(prepare))
        .execute(&mut *connection)
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", query.text));
    // A statement that only reads is also run, to find one that skips most of what it reads.
    let options = if WRITES.iter().any(|word| query.text.contains(word)) {
        "FORMAT JSON, COSTS OFF"
    } else {
        "FORMAT JSON, COSTS OFF, ANALYZE, BUFFERS"
    };
    let explain = format!("EXPLAIN ({options}) EXECUTE {name} {values}");
    let plans: Value = sqlx::query_scalar(AssertSqlSafe(explain))
        .fetch_one(connection)
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", query.text));
    plans[0].clone()
}

/// Returns the nodes of a plan that read a whole large table, or all entries of one of its indexes
/// that belong to the installation.
fn whole_scans(node: &Value) -> Vec<String> {
    let text = |key: &str| node[key].as_str().unwrap_or_default();
    let (kind, relation) = (text("Node Type"), text("Relation Name"));
    let is_large = LARGE_TABLES
        .iter()
        .any(|large| relation.starts_with(large) || text("Index Name").starts_with(large));
    let is_whole = match kind {
        "Seq Scan" | "Sample Scan" => true,
        "Index Scan" | "Index Only Scan" | "Bitmap Index Scan" => {
            let conditions = text("Index Cond").split(" AND ");
            conditions
                .filter(|condition| !condition.is_empty())
                .all(|condition| condition.contains("namespace = "))
        }
        _ => false,
    };
    let mut scans = Vec::new();
    if is_large && is_whole {
        scans.push(format!("{kind} {relation} {}", text("Index Name")));
    }
    let children = node["Plans"].as_array().into_iter().flatten();
    scans.extend(children.flat_map(whole_scans));
    scans
}
