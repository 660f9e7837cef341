//! The command `policy`. It needs neither a database nor AWS.

use std::io::Read;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use engine_roles_domain::account::{AccountId, Partition, Region};
use engine_roles_domain::cluster::{ClusterName, RoleReference};
use engine_roles_domain::grant::{
    BoundaryArn, CATALOGUE, CatalogueError, KmsKeyArn, Placeholders, PolicyTemplate,
};
use engine_roles_domain::resources::Namespace;
use engine_roles_policy::Kind;
use engine_roles_policy::lint::{Finding, Severity, lint_text};

use crate::config::{ConfigError, invalid_in, list, optional, pass_through_role};
use crate::print;

/// What `policy` needs.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    action: PolicyAction,
}

#[derive(Debug, Subcommand)]
enum PolicyAction {
    /// Print the names of the documents, and what each is for
    List,
    /// Print a document, filled
    Render(Box<RenderArgs>),
    /// Say what a person should look at in a policy; ends with 1 where there is an error in it
    Lint(LintArgs),
}

/// What a document is filled with. An empty variable counts as not set.
#[derive(Debug, Args)]
struct RenderArgs {
    /// A name that `policy list` prints
    name: String,
    /// Where engines run
    #[arg(long, env = "ENGINE_ROLES_DEFAULT_REGION")]
    region: Option<String>,
    /// The AWS account
    #[arg(long, env = "ENGINE_ROLES_ACCOUNT_ID")]
    account_id: Option<String>,
    /// aws, aws-cn, aws-us-gov or aws-eusc [default: the region's]
    #[arg(long)]
    partition: Option<String>,
    /// This installation, [a-z0-9-]{1,32}
    #[arg(long, env = "ENGINE_ROLES_NAMESPACE", default_value = "default")]
    namespace: String,
    /// The one cluster that an engine's document shall be about
    #[arg(long)]
    cluster: Option<String>,
    /// ARN of a boundary that created roles may have; can be given again [default:
    /// ai-unlimited-engine-boundary]
    #[arg(long, env = "ENGINE_ROLES_PERMISSIONS_BOUNDARY")]
    permissions_boundary: Vec<String>,
    /// Boundaries beside those, separated by commas
    #[arg(long, env = "ENGINE_ROLES_ALLOWED_BOUNDARIES")]
    allowed_boundaries: Option<String>,
    /// A role that may be passed, by ARN, or by name where it has no path; can be given again
    #[arg(long = "pass-through-role", env = "ENGINE_ROLES_PASS_THROUGH_ROLES")]
    pass_through_roles: Vec<String>,
    /// The role that is passed where none is named
    #[arg(long, env = "ENGINE_ROLES_DEFAULT_IAM_ROLE")]
    default_iam_role: Option<String>,
    /// A role that this service has, by ARN; can be given again
    #[arg(long = "service-role")]
    service_roles: Vec<String>,
    /// ARN of the KMS key under which the engines' secrets are encrypted
    #[arg(long, env = "ENGINE_ROLES_KMS_KEY_ARN")]
    kms_key_arn: Option<String>,
}

#[derive(Debug, Args)]
struct LintArgs {
    /// The policy, a JSON file; `-` for standard input
    file: String,
    /// What it is attached to [default: trust where a statement has a Principal, else identity]
    #[arg(long)]
    kind: Option<KindWord>,
    /// For whom it is written
    #[arg(long, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindWord {
    Identity,
    Trust,
    Boundary,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As it should.
    Done,
    /// What was looked at has an error in it.
    Faulty,
}

/// Lists, fills, or looks at policy documents.
pub(crate) fn run(args: &PolicyArgs) -> anyhow::Result<Outcome> {
    match &args.action {
        PolicyAction::List => {
            for template in CATALOGUE {
                let (name, kind) = (template.name, template.kind.name());
                print::line(format_args!("{name}\t{kind}\t{}", template.purpose))?;
            }
            Ok(Outcome::Done)
        }
        PolicyAction::Render(args) => {
            let template = PolicyTemplate::named(&args.name).with_context(|| {
                format!(
                    "there is no policy {:?}; see engine-roles policy list",
                    args.name
                )
            })?;
            let rendered = template.render(&args.values()?).map_err(by_flag)?;
            print::line(rendered.to_pretty_json())?;
            Ok(Outcome::Done)
        }
        PolicyAction::Lint(args) => lint(args),
    }
}

impl RenderArgs {
    fn values(&self) -> Result<Placeholders, ConfigError> {
        let partition = self.partition.as_deref().map(|text| {
            Partition::parse(text).ok_or(ConfigError::Form {
                flag: "--partition",
                rule: "must be aws, aws-cn, aws-us-gov or aws-eusc",
            })
        });
        let roles = entries(&self.pass_through_roles)
            .map(|entry| pass_through_role("--pass-through-role", entry).map(|listed| listed.role));
        let default = self.default_iam_role.as_deref();
        let default = optional("--default-iam-role", default, RoleReference::parse)?;
        let allowed = list(self.allowed_boundaries.as_deref())
            .map(|arn| invalid_in("--allowed-boundaries", BoundaryArn::parse(arn)));
        let named = entries(&self.permissions_boundary)
            .map(|arn| invalid_in("--permissions-boundary", BoundaryArn::parse(arn)));
        let service_roles = entries(&self.service_roles)
            .map(|role| invalid_in("--service-role", RoleReference::parse(role)));
        let key = self.kms_key_arn.as_deref();
        Ok(Placeholders {
            partition: partition.transpose()?,
            account: optional("--account-id", self.account_id.as_deref(), AccountId::parse)?,
            namespace: Some(invalid_in(
                "--namespace",
                Namespace::parse(&self.namespace),
            )?),
            region: optional("--region", self.region.as_deref(), Region::parse)?,
            cluster: optional("--cluster", self.cluster.as_deref(), ClusterName::parse)?,
            boundaries: named.chain(allowed).collect::<Result<_, _>>()?,
            pass_through_roles: roles.chain(default.map(Ok)).collect::<Result<_, _>>()?,
            service_roles: service_roles.collect::<Result<_, _>>()?,
            kms_key: optional("--kms-key-arn", key, KmsKeyArn::parse)?,
        })
    }
}

// A flag that is given again and its variable, which holds a list, come as one.
fn entries(given: &[String]) -> impl Iterator<Item = &str> {
    given.iter().flat_map(|text| list(Some(text)))
}

fn by_flag(failed: CatalogueError) -> anyhow::Error {
    let flag = failed
        .field()
        .map(|field| format!("--{}", field.replace('_', "-")));
    let error = anyhow::Error::new(failed);
    match flag {
        Some(flag) => error.context(flag),
        None => error,
    }
}

fn lint(args: &LintArgs) -> anyhow::Result<Outcome> {
    let text = if args.file == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("standard input can't be read")?;
        text
    } else {
        std::fs::read_to_string(&args.file)
            .with_context(|| format!("{} can't be read", args.file))?
    };
    let kind = args.kind.map_or_else(|| guess_kind(&text), Kind::from);
    let findings = lint_text(kind, &text);
    match args.format {
        Format::Json => print::line(serde_json::to_string_pretty(&findings)?)?,
        Format::Text => findings.iter().try_for_each(tell)?,
    }
    let faulty = findings
        .iter()
        .any(|found| found.severity == Severity::Error);
    Ok(if faulty {
        Outcome::Faulty
    } else {
        Outcome::Done
    })
}

fn tell(found: &Finding) -> std::io::Result<()> {
    let severity = match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Notice => "notice",
    };
    print::line(format_args!(
        "{severity}: {} at {}: {}",
        found.rule, found.place, found.reason
    ))
}

impl From<KindWord> for Kind {
    fn from(word: KindWord) -> Self {
        match word {
            KindWord::Identity => Self::Identity,
            KindWord::Trust => Self::Trust,
            KindWord::Boundary => Self::Boundary,
        }
    }
}

/// Only a trust policy names who it speaks of; a boundary is written like an identity policy.
fn guess_kind(text: &str) -> Kind {
    let document: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let statement = &document["Statement"];
    let mut statements = match statement.as_array() {
        Some(statements) => statements.as_slice(),
        None => std::slice::from_ref(statement),
    }
    .iter();
    let names = |statement: &serde_json::Value| {
        !statement["Principal"].is_null() || !statement["NotPrincipal"].is_null()
    };
    if statements.any(names) {
        Kind::Trust
    } else {
        Kind::Identity
    }
}
