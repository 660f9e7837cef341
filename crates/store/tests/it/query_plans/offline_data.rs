//! The queries of the store, as sqlx recorded them when it checked them, with typical values.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// A query of the store.
pub(crate) struct Query {
    /// The statement, with parameters `$1`, `$2`, and so on.
    pub(crate) text: String,
    /// The SQL types of the parameters.
    pub(crate) types: Vec<&'static str>,
    /// A value for each parameter, as an SQL literal.
    pub(crate) values: Vec<String>,
}

/// Returns every query that sqlx checks at compile time.
pub(crate) fn queries() -> Vec<Query> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.sqlx");
    let files = fs::read_dir(&folder).expect("the offline data of sqlx");
    let mut queries: Vec<Query> = files
        .map(|file| {
            let text = fs::read_to_string(file.expect("a file").path()).expect("a text");
            query(&serde_json::from_str(&text).expect("a JSON document"))
        })
        .collect();
    queries.sort_by(|one, other| one.text.cmp(&other.text));
    queries
}

fn query(recorded: &Value) -> Query {
    let text = recorded["query"].as_str().expect("a text").to_owned();
    let parameters = &recorded["describe"]["parameters"]["Left"];
    let parameters = parameters.as_array().expect("a list of types");
    let types: Vec<_> = parameters.iter().map(sql_type).collect();
    let places = types.iter().zip(1..);
    let values = places.map(|(kind, place)| typical(kind, comparison(&text, place)));
    let mut values: Vec<_> = values.collect();
    if text.contains("AS class (state, live, mode, drifted)") {
        let classes = [
            "'{active,active,deleted,blocked}'",
            "'{t,t,f,t}'",
            "'{create,pass_through,create,create}'",
            "'{f,t,f,f}'",
        ];
        values.splice(1..5, classes.map(str::to_owned));
    }
    Query {
        text,
        types,
        values,
    }
}

fn sql_type(recorded: &Value) -> &'static str {
    match recorded.as_str() {
        Some("Bool") => "boolean",
        Some("BoolArray") => "boolean[]",
        Some("Bytea") => "bytea",
        Some("ByteaArray") => "bytea[]",
        Some("Float8") => "float8",
        Some("Float8Array") => "float8[]",
        Some("Int4") => "integer",
        Some("Int4Array") => "integer[]",
        Some("Int8") => "bigint",
        Some("Int8Array") => "bigint[]",
        Some("Interval") => "interval",
        Some("Jsonb") => "jsonb",
        Some("JsonbArray") => "jsonb[]",
        Some("Text") => "text",
        Some("TextArray") => "text[]",
        Some("Timestamptz") => "timestamptz",
        Some("TimestamptzArray") => "timestamptz[]",
        Some("Uuid") => "uuid",
        Some("UuidArray") => "uuid[]",
        _ => panic!("add the SQL name of the type {recorded} and a typical value"),
    }
}

/// Returns the column and the operator with which a statement first compares a parameter, as in
/// `b.cluster = $2` and `id = ANY($1)`.
fn comparison(text: &str, place: usize) -> Option<(&str, &str)> {
    let parameter = format!("${place}");
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.match_indices(&parameter).find_map(|(at, _)| {
        if text[at + parameter.len()..].starts_with(|next: char| next.is_ascii_digit()) {
            return None;
        }
        let before = text[..at].trim_end_matches(['(', ' ']);
        let before = before.trim_end_matches("COALESCE").trim_end_matches("ANY");
        let before = before.trim_end_matches(['(', ' ']);
        let column = before.trim_end_matches(['=', '<', '>']);
        let operator = &before[column.len()..];
        let name = column.trim_end().rsplit(|letter| !is_name(letter)).next();
        name.filter(|name| !name.is_empty() && !operator.is_empty())
            .map(|name| (name, operator))
    })
}

/// Returns a typical value. A common one is worse for a plan than a rare one, because an index then
/// seems to help less.
fn typical(sql_type: &str, compared: Option<(&str, &str)>) -> String {
    let (column, operator) = compared.unwrap_or_default();
    let value = match (sql_type, column) {
        ("text", "namespace") => "test",
        ("text", "cluster") => "cluster-500",
        ("text", "state" | "to_state" | "from_state") => "active",
        ("text", "mode") => "create",
        ("text", "account_id") => "123456789012",
        ("text", "aws_partition") => "aws",
        ("text", "role_name") => "engine",
        ("text", "actor") => "reconciler",
        ("text[]", "action") => "{provisioned}",
        ("text[]", "resource_name") => "{td-1,td-2,td-3}",
        ("text" | "bytea", _) => "",
        ("text[]", _) => "{active,deleted,create,create}",
        ("boolean", _) => "true",
        ("boolean[]", _) => "{t,f,f,t}",
        ("integer" | "bigint", _) => "100",
        ("integer[]" | "bigint[]", _) => "{3,3,3,3}",
        ("float8", _) => "30",
        ("float8[]", _) => "{1,2}",
        ("interval", _) => "30 seconds",
        ("bytea[]", _) => "{}",
        // An event, which `audit_append` takes.
        ("jsonb", _) => {
            r#"{"id": "00000000-0000-0000-0000-000000000001", "action": "a", "actor": "a",
                "detail": {}, "aws_request_ids": []}"#
        }
        ("jsonb[]", _) => "{}",
        // A long time, in which most rows were written.
        ("timestamptz", _) if operator.starts_with('<') => "2030-01-01",
        ("timestamptz", _) => "2026-01-02",
        ("timestamptz[]", _) => "{2026-01-02}",
        ("uuid", _) => "00000000-0000-0000-0000-0000000001f4",
        ("uuid[]", _) => return many_ids(),
        _ => panic!("add a typical value of the type {sql_type}"),
    };
    format!("'{value}'")
}

/// As many ids as a sweep names in one statement.
fn many_ids() -> String {
    let ids = (1..=1_000).map(|number| format!("{number:032x}"));
    format!("'{{{}}}'", ids.collect::<Vec<_>>().join(","))
}
