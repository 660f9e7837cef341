//! A database and an AWS account as the last release left them, with bindings in every state.
//!
//! `tests/releases/README.md` says how the files are made ([`make`]) and what they contain. A test
//! restores them with [`crate::InstallationBuilder::last_release`].

mod make;
mod stages;

use chrono::{DateTime, Utc};
use engine_roles_iam_sandbox::Sandbox;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::database::Database;

pub use make::make;

const DATABASE: &str = include_str!("../releases/0.1.0/database.sql");
const CONTENTS: &str = include_str!("../releases/0.1.0/contents.json");

/// The private key with which the release signed its checkpoints, for tests only.
pub const AUDIT_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIEBBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5f\n\
    -----END PRIVATE KEY-----\n";

/// The pass-through roles that the release was configured with, one for each verdict.
pub const PASS_THROUGH_ROLES: &str = "fit,unfit,unreadable,absent,\
     arn:aws:iam::123456789012:role/declared=declared-profile";

/// What is known of a dump beside the database itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Contents {
    /// The version of the release.
    pub release: String,
    /// The database's time at which the replica had been killed.
    pub taken_at: DateTime<Utc>,
    /// The newest binding of each cluster, as the release answered.
    pub bindings: Vec<Value>,
    /// `GET /v1/pass-through-roles`, as the release answered.
    pub pass_through_roles: Vec<Value>,
    /// The API keys, by their names.
    pub keys: Vec<(String, String)>,
    /// The last checkpoint, as a signed note.
    pub checkpoint: String,
    /// The names of the roles that the release reported as orphans.
    pub orphans: Vec<String>,
    /// The AWS account, as the sandbox shows it.
    pub account: Value,
}

/// Returns what is known of the last release's dump.
///
/// # Panics
/// When the file is not what [`make`] writes.
pub fn contents() -> Contents {
    serde_json::from_str(CONTENTS).expect("the file is what `make` writes")
}

/// Fills an empty database and an account, and sets the database's clock to the time at which both were
/// taken.
///
/// # Panics
/// When the database is not empty.
pub async fn restore(database: &Database, sandbox: &Sandbox) {
    let contents = contents();
    sandbox.restore(&contents.account);
    database.execute(DATABASE).await;
    database.set_clock(contents.taken_at).await;
}
