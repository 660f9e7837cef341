//! The command `check`: reports whether the database can be used, what the service's AWS identity may
//! do, and which permissions it lacks.

use std::time::Duration;

use clap::{Args, ValueEnum};
use engine_roles_domain::account::Scope;
use engine_roles_domain::identity::{Feature, Status};
use engine_roles_provisioner::Capabilities;
use engine_roles_store::{Readiness, Store, StoreError};
use serde_json::json;
use tokio::time::timeout;

use crate::config::{Config, ServeArgs};
use crate::print;
use crate::serve::assemble;

/// How long the database may take for its answers.
const DATABASE_LIMIT: Duration = Duration::from_secs(5);

/// How long a connection to the database may take.
const CONNECTION_LIMIT: Duration = Duration::from_secs(2);

/// The arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Format of the output
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    pub(crate) serve: Box<ServeArgs>,
}

/// The format of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: the JSON that `GET /v1/capabilities` returns, and a member `database`
    Json,
}

/// Finds out what the identity may do, without changing anything, and prints it.
///
/// # Errors
/// When STS does not answer, neither creating nor passing roles works, the identity belongs to another
/// account than the configured one, or the database can't be used.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<()> {
    args.serve.start_logging();
    let mut config = Config::for_command(&args.serve)?;
    // The call budget is in the database, too, so that each part of the report would wait for it.
    config.database.acquire_timeout = CONNECTION_LIMIT;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let configured = config.account.clone();
    let (database, found) = runtime.block_on(async {
        let (store, provisioner) = assemble(config).await?;
        let database = database_report(&store).await;
        let provisioner = if database.is_usable {
            provisioner
        } else {
            // The call budget is in the database, and each call would wait for it.
            let mut config = Config::for_command(&args.serve)?;
            config.database.acquire_timeout = Duration::from_millis(100);
            assemble(config).await?.1
        };
        let found = Box::pin(provisioner.capabilities()).await?;
        Ok::<_, anyhow::Error>((database, found))
    })?;
    match args.format {
        Format::Text => print::line(text(&database, &found))?,
        Format::Json => {
            let json = as_json(&database, &found);
            print::line(serde_json::to_string_pretty(&json)?)?;
        }
    }
    let identity = found.identity.as_deref().and_then(Scope::of_arn);
    if let (Some(configured), Some(identity)) = (configured, identity)
        && identity.account != configured
    {
        anyhow::bail!(
            "this identity belongs to account {}, but --account-id is {configured}: the service would \
             provision nothing",
            identity.account
        );
    }
    let is_missing = |feature| {
        let report = found
            .features
            .iter()
            .find(|report| report.feature == feature);
        report.is_none_or(|report| matches!(report.status, Status::Missing | Status::Unused))
    };
    let creates = !is_missing(Feature::Create) && !is_missing(Feature::Teardown);
    if !creates && is_missing(Feature::PassThrough) {
        anyhow::bail!("this identity may neither create roles nor pass a prepared role");
    }
    if !database.is_usable {
        anyhow::bail!("the database can't be used: {}", database.status);
    }
    Ok(())
}

/// What was found about the database.
struct DatabaseReport {
    /// A word of `/readyz`, or why the database could not be asked.
    status: String,
    /// Whether the service can work with the database.
    is_usable: bool,
    /// What the database may lose.
    risks: Vec<&'static str>,
}

async fn database_report(store: &Store) -> DatabaseReport {
    let unusable = |status: String| DatabaseReport {
        status,
        is_usable: false,
        risks: Vec::new(),
    };
    let answered = timeout(DATABASE_LIMIT, async {
        let readiness = store.readiness().await?;
        let risks = match readiness {
            Readiness::Ready => store.durability().await?.risks(),
            _ => Vec::new(),
        };
        Ok::<_, StoreError>((readiness, risks))
    });
    match answered.await {
        Ok(Ok((readiness, risks))) => DatabaseReport {
            status: match readiness {
                Readiness::Ready => "ok",
                Readiness::MigrationsPending => "the schema is not up to date: run migrate",
                Readiness::SchemaTooNew => "a newer release has changed the schema",
                Readiness::ReadOnly => "the server accepts no writes",
            }
            .to_owned(),
            is_usable: readiness == Readiness::Ready,
            risks,
        },
        Ok(Err(error)) => unusable(format!("{:#}", anyhow::Error::new(error))),
        Err(_) => unusable("no answer in time".to_owned()),
    }
}

fn found_by(found: &Capabilities) -> Vec<&'static str> {
    found.found_by.iter().map(|how| how.as_str()).collect()
}

fn text(database: &DatabaseReport, found: &Capabilities) -> String {
    let mut lines = vec![format!("database: {}", database.status)];
    lines.extend(database.risks.iter().map(|risk| format!("    {risk}")));
    lines.extend([
        format!(
            "identity: {}",
            found.identity.as_deref().unwrap_or("not known")
        ),
        format!("found by: {}", found_by(found).join(", ")),
        String::new(),
    ]);
    for report in &found.features {
        let status = json!(report.status);
        lines.push(format!(
            "{:<16} {}",
            report.feature.as_str(),
            status.as_str().unwrap_or_default()
        ));
        for (word, actions) in [("missing", &report.missing), ("not known", &report.unknown)] {
            if !actions.is_empty() {
                lines.push(format!("    {word}: {}", actions.join(", ")));
            }
        }
        let denied_by = report.denied_by.iter();
        lines.extend(denied_by.map(|(action, by)| format!("    {action} is denied by {by}")));
        lines.extend(report.reasons.iter().map(|reason| format!("    {reason}")));
        let statements = report.statements.iter();
        lines.extend(statements.map(|statement| format!("    add: {statement}")));
    }
    lines.push(String::new());
    lines.push(found.recommendation.advice.clone());
    lines.join("\n")
}

/// Returns the JSON that `GET /v1/capabilities` answers, with a member `database`.
fn as_json(database: &DatabaseReport, found: &Capabilities) -> serde_json::Value {
    let features = found.features.iter().map(|report| {
        json!({
            "feature": report.feature,
            "status": report.status,
            "missing_permissions": report.missing,
            "denied_by": report.denied_by,
            "unknown_permissions": report.unknown,
            "statements": report.statements,
            "reasons": report.reasons,
        })
    });
    json!({
        "database": {"status": database.status, "risks": database.risks},
        "identity": found.identity,
        "found_by": found_by(found),
        "found_at": found.found_at,
        "features": features.collect::<Vec<_>>(),
        "recommendation": found.recommendation,
    })
}
