//! The command `policy`, which needs neither a database nor AWS.

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

use crate::config::optional;
use crate::config_error::{ConfigError, invalid_in};
use crate::list::list;
use crate::print;
use crate::role_list::pass_through_roles;

/// The arguments of `policy`.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    action: PolicyAction,
}

#[derive(Debug, Subcommand)]
enum PolicyAction {
    /// Print the name, kind and purpose of each policy document
    List,
    /// Print a policy document with its placeholders replaced
    Render(Box<RenderArgs>),
    /// Check a policy document; exits with 1 when the document has an error
    Lint(LintArgs),
}

/// The values that replace the placeholders. An empty variable counts as not set.
#[derive(Debug, Args)]
struct RenderArgs {
    /// Name of the document, as `policy list` prints it
    name: String,
    /// Region in which engines run
    #[arg(long, env = "ENGINE_ROLES_DEFAULT_REGION")]
    region: Option<String>,
    /// AWS account id
    #[arg(long, env = "ENGINE_ROLES_ACCOUNT_ID")]
    account_id: Option<String>,
    /// AWS partition: aws, aws-cn, aws-us-gov or aws-eusc [default: the region's]
    #[arg(long)]
    partition: Option<String>,
    /// Name of this installation, [a-z0-9-]{1,32}
    #[arg(long, env = "ENGINE_ROLES_NAMESPACE", default_value = "default")]
    namespace: String,
    /// Limit the document to this cluster; for ai-unlimited-engine and engine-boundary only
    #[arg(long)]
    cluster: Option<String>,
    /// ARN of a permissions boundary that created roles may have; can be repeated [default:
    /// ai-unlimited-engine-boundary]
    #[arg(long, env = "ENGINE_ROLES_PERMISSIONS_BOUNDARY")]
    permissions_boundary: Vec<String>,
    /// ARNs of more permissions boundaries that created roles may have, separated by commas
    #[arg(long, env = "ENGINE_ROLES_ALLOWED_BOUNDARIES")]
    allowed_boundaries: Option<String>,
    /// ARN of a prepared role that may be passed, or its name if the role has no path; can be
    /// repeated
    #[arg(long = "pass-through-role", env = "ENGINE_ROLES_PASS_THROUGH_ROLES")]
    pass_through_roles: Vec<String>,
    /// Prepared role that is passed where a request names no role
    #[arg(long, env = "ENGINE_ROLES_DEFAULT_IAM_ROLE")]
    default_iam_role: Option<String>,
    /// ARN of a role that the service itself runs under; can be repeated
    #[arg(long = "service-role")]
    service_roles: Vec<String>,
    /// ARN of the KMS key that encrypts the engines' secrets
    #[arg(long, env = "ENGINE_ROLES_KMS_KEY_ARN")]
    kms_key_arn: Option<String>,
}

#[derive(Debug, Args)]
struct LintArgs {
    /// JSON file with the policy; `-` for standard input
    file: String,
    /// Kind of the policy [default: trust if a statement has a Principal, else identity]
    #[arg(long)]
    kind: Option<KindWord>,
    /// Format of the output
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
    /// The command succeeded.
    Done,
    /// The checked document has an error.
    Invalid,
}

/// Lists, renders or checks policy documents.
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
                    "no policy document is called {:?}; engine-roles policy list prints the names",
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
        let flag = "--pass-through-role";
        let lists = self.pass_through_roles.iter();
        let lists = lists.map(|text| pass_through_roles(flag, Some(text)));
        let roles = lists.collect::<Result<Vec<_>, _>>()?.into_iter().flatten();
        let roles = roles.map(|entry| Ok(entry.role));
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

// The values of a repeated flag, or of its variable, which is a list separated by commas.
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
        Format::Text => findings.iter().try_for_each(print_finding)?,
    }
    let invalid = findings
        .iter()
        .any(|found| found.severity == Severity::Error);
    Ok(if invalid {
        Outcome::Invalid
    } else {
        Outcome::Done
    })
}

fn print_finding(found: &Finding) -> std::io::Result<()> {
    let severity = match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Notice => "notice",
    };
    print::line(format_args!(
        "{severity}: {} at {}: {}",
        found.rule, found.place, found.reason
    ))?;
    for example in &found.counterexample {
        print::line(format_args!("    allows {example}"))?;
    }
    if let Some(source) = found.source {
        print::line(format_args!("    see {source}"))?;
    }
    Ok(())
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

/// Only a trust policy has principals. A boundary can't be told from an identity policy.
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
