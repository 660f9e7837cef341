//! Whether a role that the administrator prepared serves, and how wide it is.

use std::collections::BTreeSet;

use engine_roles_policy::{Decision, Document, Grant, Kind, Principal, Request, evaluate_trust};
use serde::{Deserialize, Serialize};

use crate::account::{Region, Scope};
use crate::cluster::name::ClusterName;
use crate::cluster::spec::RoleSpec;
use crate::grant::key_access::DECRYPT;
use crate::grant::kms_key::KmsKeyArn;
use crate::grant::reach::{Access, Documents, Wanted, WideGrant, node_context, wanted_secrets};
use crate::grant::role_policy::session_manager_limits;
use crate::grant::secrets::{READ_SECRET, engines_secrets, secrets_arn};
use crate::prepared::held::{HeldRole, PolicyName};

/// Whether a role serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fitness {
    /// EC2 can carry it, and it can read the secrets.
    Fit,
    /// It certainly does not serve.
    Unfit,
    /// Something that matters can't be known by this identity.
    Indeterminate,
    /// IAM was not asked: the administrator's word counts.
    Declared,
}

/// How wide a role is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "width", rename_all = "snake_case")]
pub enum Width {
    /// It can read no engine's secrets.
    Nothing,
    /// The secrets of these clusters alone.
    Clusters {
        /// Their names, as the policies write them: a wildcard may be in one.
        clusters: BTreeSet<String>,
    },
    /// Every cluster's secrets.
    AllClusters,
    /// More than engines' secrets.
    Beyond,
    /// It is not known.
    Unknown,
}

/// One thing found out about a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind.
    pub code: FindingCode,
    /// A sentence for the administrator.
    pub detail: String,
}

/// The kinds of what is found out about a prepared role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingCode {
    /// It is not there.
    RoleAbsent,
    /// It could not be read.
    RoleUnread,
    /// EC2 may not assume it.
    TrustRefusesEc2,
    /// Whether EC2 may assume it hangs on something unknown.
    TrustUncertain,
    /// A secret can't be read.
    SecretRefused,
    /// Whether a secret can be read hangs on something unknown.
    SecretUncertain,
    /// Its policies do not let it use the key under which the secrets are encrypted.
    KeyRefused,
    /// One of its policies could not be read.
    PolicyUnread,
    /// It reaches every cluster's secrets, as a role for any cluster has to.
    ReachesAllClusters,
    /// It reaches more than engines' secrets.
    ReachesBeyond,
}

/// What is said about a prepared role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// Whether it serves.
    pub fitness: Fitness,
    /// How wide it is.
    #[serde(flatten)]
    pub width: Width,
    /// Its permissions boundary.
    pub boundary: Option<String>,
    /// Why, each in a sentence.
    pub findings: Vec<Finding>,
    /// What it grants beyond engines' secrets.
    #[serde(default, skip_deserializing)]
    pub beyond: Vec<WideGrant>,
}

impl Attestation {
    /// Of a role that IAM says is not there.
    pub fn absent(name: &str) -> Self {
        let detail = format!("role {name} is not there");
        Self::bare(Fitness::Unfit, FindingCode::RoleAbsent, detail)
    }

    /// Of a role that could not be read.
    pub fn unread(reason: String) -> Self {
        Self::bare(Fitness::Indeterminate, FindingCode::RoleUnread, reason)
    }

    /// Of a role by the administrator's word alone.
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

    /// The same, of a reading that is old and could not be had again: nothing is certain by it.
    #[must_use]
    pub fn stale(mut self, reason: &str) -> Self {
        let detail = format!("it was last read a while ago, and not since: {reason}");
        let code = FindingCode::RoleUnread;
        self.findings.insert(0, Finding { code, detail });
        self.fitness = Fitness::Indeterminate;
        self
    }

    /// Its reasons in one line.
    pub fn reasons(&self) -> String {
        let details = self.findings.iter().map(|finding| finding.detail.as_str());
        details.collect::<Vec<_>>().join("; ")
    }
}

/// What a prepared role is to serve.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// The engine of this cluster, with this spec.
    Cluster(&'a ClusterName, &'a RoleSpec),
    /// Any engine of this region.
    Any(&'a Region),
}

/// Attests a role from the documents that it holds; `key` is the one under which engines' secrets
/// are encrypted, where they are.
///
/// A secret's own resource policy may allow what the role's policies do not say; that is not
/// looked at, so "refused" here means by the role's own documents.
pub fn attest(
    role: &HeldRole,
    scope: &Scope,
    purpose: Purpose<'_>,
    key: Option<&KmsKeyArn>,
) -> Attestation {
    let documents = Documents::of(role);
    let (width, beyond) = width(&documents, scope, key);
    let mut findings = vec![];
    let mut worst = Fitness::Fit;
    let mut find = |fitness, code, detail: String| {
        worst = worse(worst, fitness);
        findings.push(Finding { code, detail });
    };
    trust_findings(role, scope, &mut find);
    for (arn, access) in secrets(&documents, role, scope, purpose, &width) {
        match access {
            Access::Allowed { .. } => {}
            Access::Denied { by } => {
                let by = by.map_or_else(
                    || "no policy of the role allows it".to_owned(),
                    |by| format!("{by} denies it"),
                );
                let detail = format!("{READ_SECRET} on {arn} is refused: {by}");
                find(Fitness::Unfit, FindingCode::SecretRefused, detail);
            }
            Access::Indeterminate { because } => {
                let because = because.join("; ");
                let detail =
                    format!("whether {READ_SECRET} on {arn} is allowed is not known: {because}");
                find(Fitness::Indeterminate, FindingCode::SecretUncertain, detail);
            }
        }
    }
    if let Some(key) = key {
        key_findings(&documents, role, scope, key, &mut find);
    }
    for reason in &documents.unread {
        find(Fitness::Fit, FindingCode::PolicyUnread, reason.clone());
    }
    match &width {
        Width::AllClusters => {
            let detail = "it reaches every cluster's secrets, as a role for any cluster has to";
            find(
                Fitness::Fit,
                FindingCode::ReachesAllClusters,
                detail.to_owned(),
            );
        }
        Width::Beyond => {
            let first = beyond.first();
            let detail = first.map_or_else(String::new, |grant| {
                format!(
                    "it reaches more than engines' secrets: {} grants {} on {}",
                    grant.by, grant.action, grant.resource
                )
            });
            find(Fitness::Fit, FindingCode::ReachesBeyond, detail);
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

fn worse(one: Fitness, other: Fitness) -> Fitness {
    match (one, other) {
        (Fitness::Unfit, _) | (_, Fitness::Unfit) => Fitness::Unfit,
        (Fitness::Indeterminate, _) | (_, Fitness::Indeterminate) => Fitness::Indeterminate,
        _ => Fitness::Fit,
    }
}

fn trust_findings(
    role: &HeldRole,
    scope: &Scope,
    find: &mut impl FnMut(Fitness, FindingCode, String),
) {
    let principal = scope.partition.ec2_principal();
    let text = role.trust.as_deref().unwrap_or_default();
    let trust = match Document::parse(Kind::Trust, text) {
        Ok(trust) => trust,
        Err(error) => {
            let detail = format!("the trust policy is not understood: {error}");
            return find(Fitness::Indeterminate, FindingCode::TrustUncertain, detail);
        }
    };
    let request = Request::assume_role(Principal::service(principal))
        .in_context(engine_roles_policy::Context::partial());
    match evaluate_trust(&request, &trust) {
        Decision::Allowed { .. } => {}
        Decision::Denied { .. } | Decision::NotAllowed => {
            let detail = format!("its trust policy does not let {principal} assume it");
            find(Fitness::Unfit, FindingCode::TrustRefusesEc2, detail);
        }
        Decision::Indeterminate { missing } => {
            let missing: Vec<String> = missing.into_iter().collect();
            let detail = format!(
                "whether {principal} may assume it hangs on {}",
                missing.join(", ")
            );
            find(Fitness::Indeterminate, FindingCode::TrustUncertain, detail);
        }
    }
}

/// Access to the secrets that the purpose needs. For any engine: to all, or, where the role is for
/// certain clusters, to theirs.
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

/// Whether the role may use the key under which the secrets are encrypted.
fn key_findings(
    documents: &Documents<'_>,
    role: &HeldRole,
    scope: &Scope,
    key: &KmsKeyArn,
    find: &mut impl FnMut(Fitness, FindingCode, String),
) {
    let region = key.region();
    let service = format!("secretsmanager.{region}.{}", scope.partition.dns_suffix());
    let secrets = secrets_arn(scope.partition, &region, &scope.account, None);
    let secret = Wanted::below(secrets).sample;
    let context = node_context(role, scope, region.as_str())
        .with("kms:ViaService", service)
        .with("kms:EncryptionContext:SecretARN", secret);
    if documents.decide(DECRYPT, key.as_str(), context).is_denied() {
        let detail = format!(
            "its policies do not let it use {key} for an engine's secret; the key's own policy may"
        );
        find(Fitness::Indeterminate, FindingCode::KeyRefused, detail);
    }
}

fn width(
    documents: &Documents<'_>,
    scope: &Scope,
    key: Option<&KmsKeyArn>,
) -> (Width, Vec<WideGrant>) {
    let mut limits = session_manager_limits();
    limits.extend(key.map(|key| Grant::new(DECRYPT, key.as_str())));
    limits.push(Grant::new(READ_SECRET, engines_secrets(scope)));
    let beyond: Vec<WideGrant> = documents
        .beyond(&limits)
        .into_iter()
        .map(|(_, told)| told)
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

// The cluster whose secrets the pattern is about, as the pattern writes it.
fn cluster_of(pattern: &str) -> String {
    let below = pattern.split_once(":secret:compute-engine/");
    let below = below.map_or("*", |(_, below)| below);
    below.split('/').next().unwrap_or(below).to_owned()
}
