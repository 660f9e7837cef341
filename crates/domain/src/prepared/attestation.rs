//! The attestation of a pass-through role: whether the role is fit for engines, and how much it can
//! access.

use std::collections::BTreeSet;

use engine_roles_policy::{Decision, Document, Grant, Kind, Principal, Request, evaluate_trust};
use serde::{Deserialize, Serialize};

use crate::account::{Region, Scope};
use crate::cluster::name::ClusterName;
use crate::cluster::spec::RoleSpec;
use crate::grant::key_access::DECRYPT;
use crate::grant::kms_key::KmsKeyArn;
use crate::grant::reach::{
    Access, Documents, Wanted, WideGrant, node_context, not_known, wanted_secrets,
};
use crate::grant::role_policy::session_manager_limits;
use crate::grant::secrets::{READ_SECRET, engines_secrets, secrets_arn};
use crate::prepared::held::{HeldRole, PolicyName};

/// The verdict of an attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fitness {
    /// EC2 may assume the role, and the role can read the secrets.
    Fit,
    /// The role does not exist, EC2 may not assume the role, or the role can't read a secret.
    Unfit,
    /// The verdict depends on something that our identity can't find out.
    Indeterminate,
    /// IAM was never read: the administrator declared the role fit.
    Declared,
}

impl Fitness {
    /// All verdicts.
    pub const ALL: [Self; 4] = [Self::Fit, Self::Unfit, Self::Indeterminate, Self::Declared];

    /// Returns the word on the wire and in the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fit => "fit",
            Self::Unfit => "unfit",
            Self::Indeterminate => "indeterminate",
            Self::Declared => "declared",
        }
    }
}

/// How much a role can access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "width", rename_all = "snake_case")]
pub enum Width {
    /// No engine's secrets.
    Nothing,
    /// The secrets of these clusters only.
    Clusters {
        /// The clusters' names as the policies write them, possibly with wildcards.
        clusters: BTreeSet<String>,
    },
    /// Every cluster's secrets.
    AllClusters,
    /// More than engines' secrets.
    Beyond,
    /// Not known, because a policy could not be read.
    Unknown,
}

/// One finding about a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The kind of finding.
    pub code: FindingCode,
    /// A sentence for the administrator.
    pub detail: String,
}

/// The kinds of findings about a prepared role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingCode {
    /// The role does not exist.
    RoleAbsent,
    /// The role could not be read.
    RoleUnread,
    /// The administrator's instance profile does not exist.
    ProfileAbsent,
    /// The administrator's instance profile contains no role.
    ProfileEmpty,
    /// The administrator's instance profile contains another role than the listed one.
    ProfileContainsAnotherRole,
    /// The administrator's instance profile could not be read.
    ProfileUnread,
    /// The trust policy does not let EC2 assume the role.
    #[serde(rename = "trust_refuses_ec2")]
    TrustDeniesEc2,
    /// Whether EC2 may assume the role depends on something that is not known.
    TrustUncertain,
    /// The role's policies don't let it read a secret.
    #[serde(rename = "secret_refused")]
    SecretDenied,
    /// Whether the role can read a secret depends on something that is not known.
    SecretUncertain,
    /// The role's policies don't let it use the KMS key that encrypts the secrets.
    #[serde(rename = "key_refused")]
    KeyDenied,
    /// One of the role's policies could not be read, or was not completely understood.
    PolicyUnread,
    /// The role can read every cluster's secrets, as a role for any cluster has to.
    ReachesAllClusters,
    /// The role can access more than engines' secrets.
    ReachesBeyond,
}

/// The verdict about a prepared role, with the reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// Whether the role is fit.
    pub fitness: Fitness,
    /// How much the role can access.
    #[serde(flatten)]
    pub width: Width,
    /// The ARN of the permissions boundary; none where the role has none or was not read.
    pub boundary: Option<String>,
    /// The reasons for the verdict, and warnings.
    pub findings: Vec<Finding>,
    /// The role's grants beyond engines' secrets. Empty in an attestation that was read back from
    /// the database.
    #[serde(default, skip_deserializing)]
    pub beyond: Vec<WideGrant>,
}

impl Attestation {
    /// Returns the attestation of a role that does not exist: unfit.
    pub fn absent(name: &str) -> Self {
        let detail = format!("role {name} does not exist");
        Self::bare(Fitness::Unfit, FindingCode::RoleAbsent, detail)
    }

    /// Returns the attestation of a role that could not be read: indeterminate.
    pub fn unread(reason: String) -> Self {
        Self::bare(Fitness::Indeterminate, FindingCode::RoleUnread, reason)
    }

    /// Returns the attestation of a role that the administrator declared fit and IAM never showed.
    pub fn declared(reason: String) -> Self {
        Self::bare(Fitness::Declared, FindingCode::RoleUnread, reason)
    }

    fn bare(fitness: Fitness, code: FindingCode, detail: String) -> Self {
        Self {
            fitness,
            width: Width::Unknown,
            boundary: None,
            findings: vec![Finding { code, detail }],
            beyond: Vec::new(),
        }
    }

    /// Returns a stale attestation: the role could not be read again, so the verdict becomes
    /// indeterminate. `reason` is why the read failed.
    #[must_use]
    pub fn stale(mut self, reason: &str) -> Self {
        let detail =
            format!("the role could not be read again since its last attestation: {reason}");
        let code = FindingCode::RoleUnread;
        self.findings.insert(0, Finding { code, detail });
        self.fitness = Fitness::Indeterminate;
        self
    }

    /// Returns the details of all findings in one line.
    pub fn reasons(&self) -> String {
        let details = self.findings.iter().map(|finding| finding.detail.as_str());
        details.collect::<Vec<_>>().join("; ")
    }
}

/// What a prepared role is attested for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// The engine of this cluster, with this spec.
    Cluster(&'a ClusterName, &'a RoleSpec),
    /// Any engine in this region.
    Any(&'a Region),
}

/// Attests a role by the policies that it holds. `key` is the customer's KMS key that encrypts
/// engines' secrets; none where AWS's own key does.
///
/// A secret's resource policy may allow what the role's policies don't. Resource policies are not
/// read, so "denied" here means: by the role's own policies.
pub fn attest(
    role: &HeldRole,
    scope: &Scope,
    purpose: Purpose<'_>,
    key: Option<&KmsKeyArn>,
) -> Attestation {
    let mut documents = Documents::of(role);
    let (width, beyond) = width(&mut documents, scope, key);
    let mut findings = vec![];
    let mut worst = Fitness::Fit;
    let mut add_finding = |fitness, code, detail: String| {
        worst = worse(worst, fitness);
        findings.push(Finding { code, detail });
    };
    trust_findings(role, scope, &mut add_finding);
    for (arn, access) in secrets(&documents, role, scope, purpose, &width) {
        match access {
            Access::Allowed { .. } => {}
            Access::Denied { by } => {
                let by = by.map_or_else(
                    || "no policy of the role allows it".to_owned(),
                    |by| format!("{by} denies it"),
                );
                let detail = format!("{READ_SECRET} on {arn} is denied: {by}");
                add_finding(Fitness::Unfit, FindingCode::SecretDenied, detail);
            }
            Access::Indeterminate { because } => {
                let because = because.join("; ");
                let detail =
                    format!("it is not known whether {READ_SECRET} on {arn} is allowed: {because}");
                add_finding(Fitness::Indeterminate, FindingCode::SecretUncertain, detail);
            }
        }
    }
    if let Some(key) = key {
        key_findings(&documents, role, scope, key, &mut add_finding);
    }
    for reason in documents.unread.iter().chain(&documents.not_understood) {
        add_finding(Fitness::Fit, FindingCode::PolicyUnread, reason.clone());
    }
    match &width {
        Width::AllClusters => {
            let detail =
                "the role can read every cluster's secrets, as a role for any cluster has to";
            add_finding(
                Fitness::Fit,
                FindingCode::ReachesAllClusters,
                detail.to_owned(),
            );
        }
        Width::Beyond => {
            let first = beyond.first();
            let detail = first.map_or_else(String::new, |grant| {
                format!(
                    "the role can access more than engines' secrets: {} grants {} on {}",
                    grant.by, grant.action, grant.resource
                )
            });
            add_finding(Fitness::Fit, FindingCode::ReachesBeyond, detail);
        }
        Width::Nothing | Width::Clusters { .. } | Width::Unknown => {}
    }
    Attestation {
        fitness: worst,
        width,
        boundary: role.boundary.as_ref().map(|held| match &held.name {
            PolicyName::Inline(name) | PolicyName::Managed(name) => name.clone(),
        }),
        findings,
        beyond,
    }
}

pub(super) fn worse(one: Fitness, other: Fitness) -> Fitness {
    match (one, other) {
        (Fitness::Unfit, _) | (_, Fitness::Unfit) => Fitness::Unfit,
        (Fitness::Indeterminate, _) | (_, Fitness::Indeterminate) => Fitness::Indeterminate,
        _ => Fitness::Fit,
    }
}

fn trust_findings(
    role: &HeldRole,
    scope: &Scope,
    add_finding: &mut impl FnMut(Fitness, FindingCode, String),
) {
    let principal = scope.partition.ec2_principal();
    let text = role.trust.as_deref().unwrap_or_default();
    let trust = match Document::read(Kind::Trust, text) {
        Ok(trust) => trust,
        Err(error) => {
            let detail = format!("the trust policy can't be parsed: {error}");
            return add_finding(Fitness::Indeterminate, FindingCode::TrustUncertain, detail);
        }
    };
    let request = Request::assume_role(Principal::service(principal))
        .in_context(engine_roles_policy::Context::partial());
    match evaluate_trust(&request, &trust) {
        Decision::Allowed { .. } => {}
        Decision::Denied { .. } | Decision::NotAllowed => {
            let detail =
                format!("the role's trust policy does not let {principal} assume the role");
            add_finding(Fitness::Unfit, FindingCode::TrustDeniesEc2, detail);
        }
        Decision::Indeterminate { missing, doubts } => {
            let because = not_known(missing, doubts).join("; ");
            let detail =
                format!("it is not known whether {principal} may assume the role: {because}");
            add_finding(Fitness::Indeterminate, FindingCode::TrustUncertain, detail);
        }
    }
}

/// Returns the role's access to the secrets that the purpose needs. For any engine these are all
/// engines' secrets, or the secrets of certain clusters where the role is limited to these.
fn secrets(
    documents: &Documents<'_>,
    role: &HeldRole,
    scope: &Scope,
    purpose: Purpose<'_>,
    width: &Width,
) -> Vec<(String, Access)> {
    let (region, wanted) = match purpose {
        Purpose::Cluster(cluster, spec) => (&spec.region, wanted_secrets(spec, scope, cluster)),
        Purpose::Any(region) => {
            let all = secrets_arn(scope.partition, region, &scope.account, None);
            let below = |cluster: &String| {
                let area = all.trim_end_matches('*');
                Wanted::below(format!("{area}{cluster}/*"))
            };
            let wanted = match width {
                Width::Clusters { clusters } => clusters.iter().map(below).collect(),
                _ => vec![Wanted::below(all)],
            };
            (region, wanted)
        }
    };
    let context = node_context(role, scope, region.as_str());
    let decide = |wanted: Wanted| {
        let access = documents.decide_all(READ_SECRET, &wanted, &context);
        (wanted.area, access)
    };
    wanted.into_iter().map(decide).collect()
}

/// Adds a finding where the role's policies don't certainly allow the KMS key that encrypts the
/// secrets. The key's own policy, which is not read, may allow it, so the verdict becomes indeterminate.
fn key_findings(
    documents: &Documents<'_>,
    role: &HeldRole,
    scope: &Scope,
    key: &KmsKeyArn,
    add_finding: &mut impl FnMut(Fitness, FindingCode, String),
) {
    let region = key.region();
    let service = format!("secretsmanager.{region}.{}", scope.partition.dns_suffix());
    let secrets = secrets_arn(scope.partition, &region, &scope.account, None);
    let secret = Wanted::below(secrets).sample;
    let context = node_context(role, scope, region.as_str())
        .with("kms:ViaService", service)
        .with("kms:EncryptionContext:SecretARN", secret);
    let (code, detail) = match documents.decide(DECRYPT, key.as_str(), context) {
        Access::Allowed { .. } => return,
        Access::Denied { .. } => (
            FindingCode::KeyDenied,
            format!(
                "the role's policies don't let it use {key} for an engine's secret; the key's own policy may"
            ),
        ),
        Access::Indeterminate { because } => (
            FindingCode::SecretUncertain,
            format!(
                "it is not known whether the role may use {key}, which encrypts the secrets: {}",
                because.join("; ")
            ),
        ),
    };
    add_finding(Fitness::Indeterminate, code, detail);
}

fn width(
    documents: &mut Documents<'_>,
    scope: &Scope,
    key: Option<&KmsKeyArn>,
) -> (Width, Vec<WideGrant>) {
    if documents.is_other_role_possible() {
        return (Width::Unknown, Vec::new());
    }
    let mut limits = session_manager_limits();
    limits.extend(key.map(|key| Grant::new(DECRYPT, key.as_str())));
    limits.push(Grant::new(READ_SECRET, engines_secrets(scope)));
    let beyond: Vec<WideGrant> = documents
        .beyond(&limits)
        .into_iter()
        .map(|(_, grant)| grant)
        .collect();
    if !beyond.is_empty() {
        return (Width::Beyond, beyond);
    }
    if !documents.unread.is_empty() {
        return (Width::Unknown, beyond);
    }
    let readable = documents.readable_secrets();
    let clusters: BTreeSet<String> = readable.iter().map(|arn| cluster_of(arn)).collect();
    let width = if clusters.is_empty() {
        Width::Nothing
    } else if clusters
        .iter()
        .any(|name| name.bytes().all(|byte| byte == b'*'))
    {
        Width::AllClusters
    } else {
        Width::Clusters { clusters }
    };
    (width, beyond)
}

// Returns the cluster part of a secret's ARN pattern, as the pattern writes it.
fn cluster_of(pattern: &str) -> String {
    let below = pattern.split_once(":secret:compute-engine/");
    let below = below.map_or("*", |(_, below)| below);
    below.split('/').next().unwrap_or(below).to_owned()
}
