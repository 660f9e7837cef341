//! Checks of the database.

use std::time::Duration;

use engine_roles_store::{Durability, Pooler, Readiness, Store, StoreError};
use tokio::time::timeout;

use super::finding::{Finding, Verdict};
use crate::config::Migrate;
use crate::error_chain::chain;
use crate::setting_names::Named;

/// How long the database may take for its answers.
const LIMIT: Duration = Duration::from_secs(5);

/// What was found about the database.
pub(super) struct DatabaseReport {
    /// A word of `/readyz`, or why the database could not be asked.
    pub(super) status: String,
    /// Whether the service can work with the database.
    pub(super) is_usable: bool,
    /// What the database may lose.
    pub(super) risks: Vec<&'static str>,
    pub(super) findings: Vec<Finding>,
}

/// Asks the database. `url` is the flag of the setting that says the URL, and `migrate` whether `serve`
/// migrates.
pub(super) async fn report(
    store: &Store,
    pooler: Pooler,
    url: &str,
    migrate: Migrate,
) -> DatabaseReport {
    let answered = timeout(LIMIT, async {
        let readiness = store.readiness().await?;
        Ok::<_, StoreError>((readiness, store.durability().await?))
    });
    match answered.await {
        Ok(Ok((readiness, durability))) => answered_report(readiness, &durability, pooler, migrate),
        Ok(Err(error)) => unusable(chain(&error), url),
        Err(_) => unusable("no answer in time".to_owned(), url),
    }
}

fn unusable(reason: String, url: &str) -> DatabaseReport {
    let not_asked = "the database could not be asked";
    let findings = vec![
        Finding::new("database", Verdict::Failed, reason.clone()).with_advice(format!(
            "correct {}, the database's users, its max_connections or the network; see docs/database.md",
            Named(url)
        )),
        Finding::new("migrations", Verdict::Unknown, not_asked),
        Finding::new("durability", Verdict::Unknown, not_asked),
        Finding::new("pooler", Verdict::Unknown, not_asked),
    ];
    DatabaseReport {
        status: reason,
        is_usable: false,
        risks: Vec::new(),
        findings,
    }
}

fn answered_report(
    readiness: Readiness,
    durability: &Durability,
    pooler: Pooler,
    migrate: Migrate,
) -> DatabaseReport {
    let version = format!("Postgres {}", durability.server_version);
    let (status, database, migrations) = match readiness {
        Readiness::Ready => (
            "ok",
            Finding::new("database", Verdict::Ok, version),
            Finding::new("migrations", Verdict::Ok, "the schema is up to date"),
        ),
        Readiness::MigrationsPending => (
            "the schema is not up to date: run migrate",
            Finding::new("database", Verdict::Ok, version),
            pending(migrate),
        ),
        Readiness::SchemaTooNew => (
            "a newer release has changed the schema",
            Finding::new("database", Verdict::Ok, version),
            Finding::new(
                "migrations",
                Verdict::Failed,
                "a newer release has changed the schema",
            )
            .with_advice("run that release, or restore a backup from before the migration"),
        ),
        Readiness::ReadOnly => (
            "the server accepts no writes",
            Finding::new(
                "database",
                Verdict::Failed,
                format!("{version}; the server accepts no writes"),
            )
            .with_advice("wait for the failover, or give the URL of the primary server"),
            Finding::new(
                "migrations",
                Verdict::Unknown,
                "a read-only server was asked",
            ),
        ),
    };
    let risks = durability.risks();
    let durable = if risks.is_empty() {
        Finding::new("durability", Verdict::Ok, "commits are kept")
    } else {
        Finding::new("durability", Verdict::Warning, risks.join("; "))
            .with_advice("see docs/database.md, \"what can be lost\"")
    };
    DatabaseReport {
        status: status.to_owned(),
        is_usable: readiness == Readiness::Ready,
        risks,
        findings: vec![database, migrations, durable, of_pooler(pooler)],
    }
}

/// Returns the finding about a schema that is not up to date. Whether the database user may migrate is known
/// only when it does.
fn pending(migrate: Migrate) -> Finding {
    let (verdict, found) = match migrate {
        Migrate::Auto => (
            Verdict::Warning,
            "the schema is not up to date; `serve` migrates it at its start, if its database user may",
        ),
        Migrate::Never => (Verdict::Failed, "the schema is not up to date"),
    };
    let advice = "run `engine-roles migrate` as the owner of the tables";
    Finding::new("migrations", verdict, found).with_advice(advice)
}

fn of_pooler(pooler: Pooler) -> Finding {
    let (verdict, found) = match pooler {
        // A pooler refuses the parameters with which a direct connection begins.
        Pooler::None => (
            Verdict::Ok,
            "none; the connection took the service's parameters",
        ),
        Pooler::Session => (
            Verdict::Unknown,
            "session; whether the pooler has this mode was not tested",
        ),
        Pooler::Transaction => (
            Verdict::Unknown,
            "transaction; whether the pooler has this mode was not tested",
        ),
    };
    Finding::new("pooler", verdict, found)
}
