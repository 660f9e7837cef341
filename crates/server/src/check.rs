//! The command `check`: reports whether the service could work here, and what to do where it could not.

mod aws;
mod configuration;
mod database;
mod finding;
mod keys;
mod tls;

use std::time::Duration;

use clap::{Args, ValueEnum};
use engine_roles_provisioner::Capabilities;
use serde_json::{Value, json};

use self::database::DatabaseReport;
use self::finding::{Finding, Verdict};
use self::keys::Others;
use crate::config::{Config, ServeArgs, authentication};
use crate::config_error::ConfigErrors;
use crate::database::flag_of_url;
use crate::error_chain::chain;
use crate::print;
use crate::serve::assemble;
use crate::settings::Setting;

/// How long a connection to the database may take.
const CONNECTION_LIMIT: Duration = Duration::from_secs(2);

/// The arguments of `check`. The report says what the log would say, so the log is off by default.
#[derive(Debug, Args)]
#[command(mut_arg("log", |log| log.default_value("off")))]
pub struct CheckArgs {
    /// Form of the output
    #[arg(long, alias = "format", value_enum, default_value = "table")]
    output: Format,
    /// What was set on the command line and in the environment.
    #[arg(skip)]
    pub(crate) given: Given,
    #[command(flatten)]
    pub(crate) serve: Box<ServeArgs>,
}

/// What was set on the command line and in the environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// The settings; none where they are not known.
    pub(crate) settings: Option<Vec<Setting>>,
    /// The variables that no setting has.
    pub(crate) unknown: Vec<String>,
    /// Why variables could not be read; each text names the variable and its rule.
    pub(crate) wrong: Vec<String>,
}

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[value(alias = "text")]
    Table,
    /// For programs: the lines as `checks`, and the members that `GET /v1/capabilities` returns
    Json,
}

/// Everything that was found.
#[derive(Default)]
struct Report {
    findings: Vec<Finding>,
    database: Option<DatabaseReport>,
    capabilities: Option<Capabilities>,
}

/// Checks everything that can be checked without a running service, without changing anything, and prints
/// it.
///
/// # Errors
/// When a line of the report has failed: the service can't start, or can't do its work.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<()> {
    args.serve.start_logging();
    let report = report(args)?;
    print_report(args, &report)?;
    let failed = report.findings.iter();
    let mut failed = failed.filter(|finding| finding.verdict == Verdict::Failed);
    match failed.next() {
        None => Ok(()),
        Some(first) => Err(anyhow::anyhow!("{}: {}", first.name, first.found)),
    }
}

/// Makes the checks. An invalid setting is a line of the report, and the checks that need all settings are
/// then left out.
fn report(args: &CheckArgs) -> anyhow::Result<Report> {
    let mut problems = args.given.wrong.clone();
    let mut errors = ConfigErrors::default();
    // Only the service needs a key, so these settings are checked here alone.
    let _ = authentication(&args.serve, &mut errors);
    let config = Config::for_command(&args.serve);
    let config = config.map_err(|error| problems.extend(error.texts())).ok();
    problems.extend(errors.texts());
    let examined = match config.filter(|_| problems.is_empty()) {
        Some(config) => examine(args, config)?,
        None => Ok(Report::default()),
    };
    let mut report = examined.unwrap_or_else(|error| {
        problems.extend(error.texts());
        Report::default()
    });
    let of_settings = [
        configuration::settings(&args.given, &problems),
        configuration::without_effect(&args.serve),
        configuration::unknown_variables(&args.given),
    ];
    report.findings.splice(0..0, of_settings);
    Ok(report)
}

/// Makes the checks that need a valid configuration.
fn examine(args: &CheckArgs, mut config: Config) -> anyhow::Result<Result<Report, ConfigErrors>> {
    // The call budget is in the database, too, so that each part of the report would wait for it.
    config.database.acquire_timeout = CONNECTION_LIMIT;
    let paths = config.tls.clone();
    let listen_address = configuration::listen_address(config.listen);
    let signing = config.audit_signing.as_ref();
    let signing = signing.map(|signing| signing.verifier_keys());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let asking = Box::pin(ask(args, config));
    Ok(runtime.block_on(asking).map(|mut report| {
        report.findings.push(listen_address);
        report.findings.extend(tls::findings(paths.as_ref()));
        let audit_key = configuration::audit_key(args, signing.as_deref());
        report.findings.push(audit_key);
        report.findings.push(configuration::traces());
        report
    }))
}

/// Asks the database and AWS.
///
/// # Errors
/// When a setting is invalid that is read only now.
async fn ask(args: &CheckArgs, config: Config) -> Result<Report, ConfigErrors> {
    let pooler = config.database.pooler;
    let url = flag_of_url(&config.database);
    let (configured, migrate) = (config.account.clone(), config.migrate);
    let (store, provisioner) = assemble(config).await?;
    let mut database = database::report(&store, pooler, url, migrate).await;
    let mut findings = std::mem::take(&mut database.findings);
    let provisioner = if database.is_usable {
        provisioner
    } else {
        // The call budget is in the database, and each call would wait for it.
        let mut config = Config::for_command(&args.serve)?;
        config.database.acquire_timeout = Duration::from_millis(100);
        assemble(config).await?.1
    };
    let found = Box::pin(provisioner.capabilities()).await;
    let found = found.map_err(|error| chain(&error));
    let identity = found.as_ref().map_err(String::clone);
    findings.push(aws::identity(identity, configured.as_ref()));
    let capabilities = found.ok();
    let is_known = |found: &Capabilities| found.identity.is_some();
    if capabilities.as_ref().is_some_and(is_known) {
        findings.extend(aws::unanswered(provisioner.health().aws.state));
    }
    findings.push(aws::clock(provisioner.clock_ahead()));
    findings.extend(aws::permissions(capabilities.as_ref(), database.is_usable));
    let others = Others::of(&args.serve.authentication);
    findings.push(if database.is_usable {
        keys::finding(&store, others).await
    } else {
        Finding::new(
            "api keys",
            Verdict::Unknown,
            "the database could not be asked",
        )
    });
    Ok(Report {
        findings,
        database: Some(database),
        capabilities,
    })
}

fn print_report(args: &CheckArgs, report: &Report) -> anyhow::Result<()> {
    match args.output {
        Format::Table => print::line(text(report))?,
        Format::Json => {
            let json = as_json(&args.given, report);
            print::line(serde_json::to_string_pretty(&json)?)?;
        }
    }
    Ok(())
}

fn found_by(found: &Capabilities) -> Vec<&'static str> {
    found.found_by.iter().map(|how| how.as_str()).collect()
}

fn worst(report: &Report) -> Verdict {
    let verdicts = report.findings.iter().map(|finding| finding.verdict);
    let worst = verdicts.max().unwrap_or(Verdict::Ok);
    worst.max(Verdict::Ok)
}

fn text(report: &Report) -> String {
    let lines = report.findings.iter().flat_map(Finding::lines);
    let mut lines: Vec<String> = lines.collect();
    if let Some(found) = &report.capabilities {
        lines.extend([
            String::new(),
            format!("permissions were found by: {}", found_by(found).join(", ")),
            found.recommendation.advice.clone(),
        ]);
    }
    lines.join("\n")
}

/// Returns the lines, and the JSON that `GET /v1/capabilities` answers, with a member `database`.
fn as_json(given: &Given, report: &Report) -> Value {
    let mut json = report.capabilities.as_ref().map_or_else(
        || json!({}),
        |found| {
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
                "identity": found.identity,
                "found_by": found_by(found),
                "found_at": found.found_at,
                "features": features.collect::<Vec<_>>(),
                "recommendation": found.recommendation,
            })
        },
    );
    if let Some(database) = &report.database {
        json["database"] = json!({"status": database.status, "risks": database.risks});
    }
    json["verdict"] = json!(worst(report));
    json["checks"] = json!(report.findings);
    json["settings"] = json!(given.settings);
    json["unknown_variables"] = json!(given.unknown);
    json
}
