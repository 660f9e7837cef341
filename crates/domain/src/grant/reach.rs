//! What a role can reach, evaluated from the documents that it holds.

use std::collections::BTreeSet;

use engine_roles_policy::{
    Beyond, Certainty, Context, Coverage, Decision, Document, Grant, Request, Source, StatementRef,
    coverage, evaluate, grants_beyond,
};
use serde::Serialize;

use crate::account::Scope;
use crate::cluster::name::ClusterName;
use crate::cluster::secret::Secrets;
use crate::cluster::spec::RoleSpec;
use crate::grant::key_access::{DECRYPT, KeyAccess};
use crate::grant::role_policy::engine_limits;
use crate::grant::secrets::{READ_SECRET, engines_secrets, secrets_arn};
use crate::prepared::held::{HeldRole, PolicyName};

/// A secret and the tail of its ARN, which stand for any of their kind.
const SOME_SECRET: &str = "some-secret";
const SOME_TAIL: &str = "AbCdEf";

/// Whether something can be reached, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Access {
    /// It can.
    Allowed {
        /// The statement that grants it.
        by: String,
    },
    /// It can't.
    Denied {
        /// The statement that denies it; none where nothing allows it.
        by: Option<String>,
    },
    /// It hangs on what is not known.
    Indeterminate {
        /// On what.
        because: Vec<String>,
    },
}

impl Access {
    /// Whether it is certain that it can be reached.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }

    /// Whether it is certain that it can't.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }
}

/// Access to one secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretAccess {
    /// The secret's ARN with question marks for the six characters that Secrets Manager appends,
    /// or the pattern of all secrets of the cluster.
    pub resource: String,
    /// Whether it can be read.
    #[serde(flatten)]
    pub access: Access,
}

/// Access to what lies beyond.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AreaAccess {
    /// Whether anything of it can be reached.
    #[serde(flatten)]
    pub access: Access,
    /// What is granted of it.
    pub grants: Vec<WideGrant>,
}

/// Actions on resources that one statement grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WideGrant {
    /// The statement.
    pub by: String,
    /// The actions, as it writes them.
    pub action: String,
    /// The resources, as it writes them.
    pub resource: String,
    /// Whether conditions, a boundary or a denial may narrow it.
    pub certainty: Certainty,
}

/// What a cluster's role can reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// The cluster's own secrets: each that its spec names, or all of them.
    pub own_secrets: Vec<SecretAccess>,
    /// Other clusters' secrets.
    pub other_secrets: AreaAccess,
    /// Anything else, beyond what the binding may have.
    pub anything_else: AreaAccess,
    /// What could not be read, each in a sentence.
    pub unread: Vec<String>,
}

/// The documents of a role, parsed once.
pub(crate) struct Documents<'a> {
    identity: Vec<(&'a PolicyName, Document)>,
    boundary: Option<(&'a PolicyName, Document)>,
    /// Why it is not certain what the role may do.
    pub(crate) unread: Vec<String>,
    /// There is a boundary that can't be read.
    boundary_unread: bool,
}

impl<'a> Documents<'a> {
    pub(crate) fn of(role: &'a HeldRole) -> Self {
        let (identity, mut unread) = role.identity();
        let mut boundary_unread = false;
        let boundary = role
            .boundary
            .as_ref()
            .and_then(|held| match held.document() {
                Ok(document) => Some((&held.name, document)),
                Err(reason) => {
                    boundary_unread = true;
                    unread.push(format!("the permissions boundary: {reason}"));
                    None
                }
            });
        Self {
            identity,
            boundary,
            unread,
            boundary_unread,
        }
    }

    /// Whether the role may do this, as far as its documents tell.
    pub(crate) fn decide(&self, action: &str, resource: &str, context: Context) -> Access {
        let request = Request::new(action, resource).in_context(context);
        let identity: Vec<&Document> = self.identity.iter().map(|(_, document)| document).collect();
        let boundary = self.boundary.as_ref().map(|(_, document)| document);
        match evaluate(&request, &identity, boundary) {
            Decision::Denied { by } => Access::Denied {
                by: Some(self.name(&by)),
            },
            _ if !self.unread.is_empty() && !self.is_refused_anyway(&request) => {
                Access::Indeterminate {
                    because: self.unread.clone(),
                }
            }
            Decision::NotAllowed => Access::Denied { by: None },
            Decision::Allowed { by } => Access::Allowed { by: self.name(&by) },
            Decision::Indeterminate { missing } => Access::Indeterminate {
                because: missing
                    .into_iter()
                    .map(|key| format!("the condition key {key} is not known here"))
                    .collect(),
            },
        }
    }

    /// Whether the role may do this to all of an area, to none of it, or to some.
    pub(crate) fn decide_all(&self, action: &str, wanted: &Wanted, context: &Context) -> Access {
        let identity: Vec<&Document> = self.identity.iter().map(|(_, document)| document).collect();
        let boundary = self.boundary.as_ref().map(|(_, document)| document);
        let covered = coverage(action, &wanted.area, context, &identity, boundary);
        match self.decide(action, &wanted.sample, context.clone()) {
            known @ (Access::Allowed { .. } | Access::Denied { .. })
                if covered == Coverage::Part =>
            {
                let example = match known {
                    Access::Allowed { by } => format!("{by} allows it"),
                    Access::Denied { by: Some(by) } => format!("{by} denies it"),
                    _ => "nothing allows it".to_owned(),
                };
                let reason = format!(
                    "some of {} differ: on {} {example}",
                    wanted.area, wanted.sample
                );
                Access::Indeterminate {
                    because: vec![reason],
                }
            }
            sampled => sampled,
        }
    }

    /// Whether each use of the spec's key has exactly the conditions that confine it.
    fn confines_key(&self, spec: &RoleSpec, scope: &Scope, cluster: &ClusterName) -> bool {
        let Some(access) = KeyAccess::of(spec, scope, cluster) else {
            return true;
        };
        let mut documents = self.identity.iter();
        documents.all(|(_, document)| access.prove_confined(document).is_ok())
    }

    // What a boundary leaves out stays out, whatever an unread policy says; and where only the
    // boundary is unread, what no policy allows stays refused.
    fn is_refused_anyway(&self, request: &Request) -> bool {
        if let Some((_, boundary)) = &self.boundary {
            return matches!(
                evaluate(request, &[boundary], None),
                Decision::NotAllowed | Decision::Denied { .. }
            );
        }
        let identity: Vec<&Document> = self.identity.iter().map(|(_, document)| document).collect();
        !self.may_grant_more() && matches!(evaluate(request, &identity, None), Decision::NotAllowed)
    }

    // An unread policy may grant anything, an unread boundary nothing.
    fn may_grant_more(&self) -> bool {
        self.unread.len() > usize::from(self.boundary_unread)
    }

    /// What is granted beyond the limits.
    pub(crate) fn beyond(&self, limits: &[Grant]) -> Vec<(Beyond, WideGrant)> {
        let identity: Vec<&Document> = self.identity.iter().map(|(_, document)| document).collect();
        let boundary = self.boundary.as_ref().map(|(_, document)| document);
        let found = grants_beyond(&identity, boundary, limits).into_iter();
        let found = found.map(|beyond| {
            let certainty = if self.unread.is_empty() {
                beyond.certainty
            } else {
                // An unread policy may deny it, an unread boundary leave it out.
                Certainty::Perhaps
            };
            let told = WideGrant {
                by: self.name(&beyond.by),
                action: beyond.action.clone(),
                resource: beyond.resource.clone(),
                certainty,
            };
            (beyond, told)
        });
        found.collect()
    }

    /// The resources on which reading secrets is allowed, as the statements write them.
    pub(crate) fn readable_secrets(&self) -> BTreeSet<String> {
        let read = Grant::new(READ_SECRET, "*");
        let all = self.beyond(&[]).into_iter();
        all.filter(|(beyond, _)| beyond.touches(&read))
            .map(|(beyond, _)| beyond.resource)
            .collect()
    }

    fn area(&self, grants: Vec<WideGrant>) -> AreaAccess {
        let sure = grants
            .iter()
            .find(|grant| grant.certainty == Certainty::Surely);
        let access = match (sure, grants.is_empty() && !self.may_grant_more()) {
            (Some(grant), _) => Access::Allowed {
                by: grant.by.clone(),
            },
            (None, true) => Access::Denied { by: None },
            (None, false) => {
                let narrowed = grants.iter().map(|grant| {
                    format!(
                        "{} is narrowed by conditions, a boundary or a denial",
                        grant.by
                    )
                });
                let because: BTreeSet<String> = narrowed.chain(self.unread.clone()).collect();
                Access::Indeterminate {
                    because: because.into_iter().collect(),
                }
            }
        };
        AreaAccess { access, grants }
    }

    fn name(&self, by: &StatementRef) -> String {
        let policy = match by.source {
            Source::Boundary => self.boundary.as_ref().map(|(name, _)| *name),
            Source::Identity | Source::Trust => {
                self.identity.get(by.document).map(|(name, _)| *name)
            }
        };
        let statement = match &by.sid {
            Some(sid) => sid.clone(),
            None => by.statement.to_string(),
        };
        match policy {
            Some(policy) if by.source == Source::Boundary => {
                format!("statement {statement} of the boundary, {policy}")
            }
            Some(policy) => format!("statement {statement} of {policy}"),
            None => format!("statement {statement}"),
        }
    }
}

/// What is known of a request that an engine's node sends: who it is and for which region. All
/// else is unknown, and a decision that hangs on it is indeterminate.
pub(crate) fn node_context(role: &HeldRole, scope: &Scope, region: &str) -> Context {
    let context = Context::partial()
        .with("aws:PrincipalAccount", scope.account.as_str())
        .with("aws:PrincipalType", "AssumedRole")
        .with("aws:RequestedRegion", region)
        .with("aws:SecureTransport", "true")
        .with("aws:ResourceAccount", scope.account.as_str());
    match &role.role.arn {
        Some(arn) => context.with("aws:PrincipalArn", arn),
        None => context,
    }
}

/// Some secrets, as a pattern, and one of them.
pub(crate) struct Wanted {
    pub(crate) area: String,
    pub(crate) sample: String,
}

impl Wanted {
    /// All secrets below a pattern that ends in `*`.
    pub(crate) fn below(area: String) -> Self {
        let sample = area.replace('*', &format!("{SOME_SECRET}-{SOME_TAIL}"));
        Self { area, sample }
    }
}

/// The secrets that a spec wants: each by name, or all of the cluster.
pub(crate) fn wanted_secrets(spec: &RoleSpec, scope: &Scope, cluster: &ClusterName) -> Vec<Wanted> {
    let all = secrets_arn(scope.partition, &spec.region, &scope.account, Some(cluster));
    let prefix = all.trim_end_matches('*');
    match &spec.secrets {
        Secrets::All => vec![Wanted::below(all)],
        Secrets::Named(names) => names
            .iter()
            .map(|name| Wanted {
                area: format!("{prefix}{name}-??????"),
                sample: format!("{prefix}{name}-{SOME_TAIL}"),
            })
            .collect(),
    }
}

/// What the role of a binding with this spec can reach.
pub fn reach(role: &HeldRole, spec: &RoleSpec, scope: &Scope, cluster: &ClusterName) -> Reach {
    let documents = Documents::of(role);
    let context = node_context(role, scope, spec.region.as_str());
    let own_secrets = wanted_secrets(spec, scope, cluster)
        .into_iter()
        .map(|wanted| SecretAccess {
            access: documents.decide_all(READ_SECRET, &wanted, &context),
            resource: wanted.area,
        });
    let mut limits = engine_limits(spec, scope, cluster);
    if !documents.confines_key(spec, scope, cluster) {
        // The use of the key has other conditions than it was given, so it counts as beyond.
        limits.retain(|limit| limit.action != DECRYPT);
    }
    let beyond = documents.beyond(&limits);
    // In whichever region: each is some cluster's.
    let secrets = Grant::new(READ_SECRET, engines_secrets(scope));
    let others = beyond
        .iter()
        .filter(|(beyond, _)| beyond.touches(&secrets))
        .map(|(_, told)| told.clone());
    let else_granted = beyond
        .iter()
        .filter(|(beyond, _)| !is_within_secrets(beyond, &secrets))
        .map(|(_, told)| told.clone());
    Reach {
        own_secrets: own_secrets.collect(),
        other_secrets: documents.area(others.collect()),
        anything_else: documents.area(else_granted.collect()),
        unread: documents.unread,
    }
}

// Reading secrets of engines and nothing more.
fn is_within_secrets(beyond: &Beyond, secrets: &Grant) -> bool {
    beyond.action.eq_ignore_ascii_case(&secrets.action)
        && engine_roles_policy::pattern::contains(&secrets.resource, &beyond.resource)
}
