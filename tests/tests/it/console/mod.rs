//! The console, as a browser sees it.

mod browser;
mod documented;
mod hostile_texts;
mod lists;
mod pages;
mod parameters;
mod rights;
mod sessions;
mod signing_in;

use engine_roles_e2e::Installation;
use serde_json::Value;

/// Runs `engine-roles keys` and returns its standard output.
fn keys(installation: &Installation, arguments: &[&str]) -> String {
    let output = installation.run(&[&["keys"], arguments].concat(), &[]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Returns a number about the sessions in the database.
async fn count(installation: &Installation, what: &str) -> i64 {
    let query = format!("SELECT {what} AS number FROM console_sessions");
    let rows: Vec<Value> = installation.database.rows(&query).await;
    let number = rows.first().and_then(|row| row["number"].as_i64());
    number.expect("a number")
}
