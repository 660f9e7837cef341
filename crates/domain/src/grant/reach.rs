//! What a role can access, evaluated from the policies that it holds.

use std::collections::BTreeSet;

use engine_roles_policy::{
    Beyond, Certainty, Context, Coverage, Decision, Document, Doubt, Grant, Request, Source,
    StatementRef, TooLarge, coverage, evaluate, grants_beyond,
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

/// The sample secret, and the sample of the six characters that Secrets Manager appends, with which
/// all secrets of an area are represented.
const SOME_SECRET: &str = "some-secret";
const SOME_TAIL: &str = "AbCdEf";

/// Whether access is allowed, and which statement decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Access {
    /// Access is certainly allowed.
    Allowed {
        /// The statement that grants access.
        by: String,
    },
    /// Access is certainly denied.
    Denied {
        /// The statement that denies access; none where no statement allows it.
        by: Option<String>,
    },
    /// The decision depends on something that is not known.
    Indeterminate {
        /// What is not known, each in a sentence.
        because: Vec<String>,
    },
}

impl Access {
    /// Returns whether access is certainly allowed.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }

    /// Returns whether access is certainly denied.
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
    /// Whether the secret can be read.
    #[serde(flatten)]
    pub access: Access,
}

/// Access to resources that the binding should not reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AreaAccess {
    /// Whether any of the resources can be accessed.
    #[serde(flatten)]
    pub access: Access,
    /// The grants on these resources.
    pub grants: Vec<WideGrant>,
}

/// An action on a resource that a statement grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WideGrant {
    /// The statement, with the name of its policy.
    pub by: String,
    /// The action pattern, as the statement writes it.
    pub action: String,
    /// The resource pattern, as the statement writes it.
    pub resource: String,
    /// Whether conditions, a boundary or a Deny statement may narrow the grant.
    pub certainty: Certainty,
}

/// What a cluster's role can access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// The cluster's own secrets: each that its spec names, or all of them.
    pub own_secrets: Vec<SecretAccess>,
    /// Other clusters' secrets.
    pub other_secrets: AreaAccess,
    /// Everything else that the binding should not have.
    pub anything_else: AreaAccess,
    /// The policies that could not be read, and the parts of policies that were not understood, each
    /// in a sentence.
    pub unread: Vec<String>,
}

/// The parsed policy documents of a role.
pub(crate) struct Documents<'a> {
    identity: Vec<(&'a PolicyName, Document)>,
    boundary: Option<(&'a PolicyName, Document)>,
    /// The policies that could not be read, each in a sentence. Unread policies make decisions
    /// uncertain.
    pub(crate) unread: Vec<String>,
    /// True where the role has a boundary that can't be read.
    boundary_unread: bool,
    /// Why engines may get another role than this one; none where they certainly get this one.
    uncertainty: Option<String>,
    /// The parts of the policies that were not understood, each in a sentence. They make only the
    /// decisions uncertain that they can affect.
    pub(crate) not_understood: Vec<String>,
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
        let uncertainty = role.uncertainty();
        unread.extend(uncertainty.clone());
        let documents = identity.iter().chain(&boundary);
        let parts = documents.flat_map(|(name, document)| {
            let parts = document.not_understood();
            parts.map(move |part| format!("{name} was not completely understood: {part}"))
        });
        Self {
            not_understood: parts.collect(),
            identity,
            boundary,
            unread,
            boundary_unread,
            uncertainty,
        }
    }

    /// Returns whether engines may get another role than the one with these documents.
    pub(crate) fn is_other_role_possible(&self) -> bool {
        self.uncertainty.is_some()
    }

    /// Decides by the role's documents whether the role may take an action on a resource.
    pub(crate) fn decide(&self, action: &str, resource: &str, context: Context) -> Access {
        if let Some(reason) = &self.uncertainty {
            return Access::Indeterminate {
                because: vec![reason.clone()],
            };
        }
        let request = Request::new(action, resource).in_context(context);
        let identity: Vec<&Document> = self.identity.iter().map(|(_, document)| document).collect();
        let boundary = self.boundary.as_ref().map(|(_, document)| document);
        match evaluate(&request, &identity, boundary) {
            Decision::Denied { by } => Access::Denied {
                by: Some(self.name(&by)),
            },
            _ if !self.unread.is_empty() && !self.is_denied_regardless(&request) => {
                Access::Indeterminate {
                    because: self.unread.clone(),
                }
            }
            Decision::NotAllowed => Access::Denied { by: None },
            Decision::Allowed { by } => Access::Allowed { by: self.name(&by) },
            Decision::Indeterminate { missing, doubts } => Access::Indeterminate {
                because: not_known(missing, doubts),
            },
        }
    }

    /// Decides whether the role may take an action on all resources of an area. The decision is
    /// indeterminate where the role may do so on some of them only.
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
                    "the decision is not the same for all of {}; for {}, {example}",
                    wanted.area, wanted.sample
                );
                Access::Indeterminate {
                    because: vec![reason],
                }
            }
            sampled => sampled,
        }
    }

    /// Returns whether each statement that allows the spec's key has exactly the conditions that
    /// limit it to the cluster's secrets.
    fn confines_key(&self, spec: &RoleSpec, scope: &Scope, cluster: &ClusterName) -> bool {
        let Some(access) = KeyAccess::of(spec, scope, cluster) else {
            return true;
        };
        let mut documents = self.identity.iter();
        documents.all(|(_, document)| access.prove_confined(document).is_ok())
    }

    // A readable boundary denies what it does not allow, whatever an unread policy contains. Where
    // only the boundary is unread, an action that no policy allows is denied.
    fn is_denied_regardless(&self, request: &Request) -> bool {
        if let Some((_, boundary)) = &self.boundary {
            return matches!(
                evaluate(request, &[boundary], None),
                Decision::NotAllowed | Decision::Denied { .. }
            );
        }
        let identity: Vec<&Document> = self.identity.iter().map(|(_, document)| document).collect();
        !self.may_grant_more() && matches!(evaluate(request, &identity, None), Decision::NotAllowed)
    }

    // An unread policy may grant anything. An unread boundary grants nothing.
    fn may_grant_more(&self) -> bool {
        self.unread.len() > usize::from(self.boundary_unread)
    }

    /// Returns the grants beyond the limits. Where the policies are too large to evaluate, it returns
    /// none, and from then on the policies count as unread, so every decision is uncertain.
    pub(crate) fn beyond(&mut self, limits: &[Grant]) -> Vec<(Beyond, WideGrant)> {
        let identity: Vec<&Document> = self.identity.iter().map(|(_, document)| document).collect();
        let boundary = self.boundary.as_ref().map(|(_, document)| document);
        let found = match grants_beyond(&identity, boundary, limits) {
            Ok(found) => found.into_iter(),
            Err(error) => {
                self.count_as_unread(error);
                return Vec::new();
            }
        };
        let found = found.map(|beyond| {
            let certainty = if self.unread.is_empty() {
                beyond.certainty
            } else {
                // An unread policy may deny the action, and an unread boundary may not allow it.
                Certainty::Perhaps
            };
            let grant = WideGrant {
                by: self.name(&beyond.by),
                action: beyond.action.clone(),
                resource: beyond.resource.clone(),
                certainty,
            };
            (beyond, grant)
        });
        found.collect()
    }

    fn count_as_unread(&mut self, error: TooLarge) {
        let reason = format!("the role's policies together are {error}");
        if !self.unread.contains(&reason) {
            self.unread.push(reason);
        }
    }

    /// Returns the resource patterns on which reading secrets is allowed, as the statements write
    /// them.
    pub(crate) fn readable_secrets(&mut self) -> BTreeSet<String> {
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
                        "{} is narrowed by conditions, a boundary or a Deny statement",
                        grant.by
                    )
                });
                let because: BTreeSet<String> = narrowed
                    .chain(self.unread.clone())
                    .chain(self.not_understood.clone())
                    .collect();
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

/// Returns why a decision is indeterminate, each reason in a sentence.
pub(crate) fn not_known(missing: BTreeSet<String>, doubts: BTreeSet<Doubt>) -> Vec<String> {
    let missing = missing.into_iter();
    let missing = missing.map(|key| format!("the value of condition key {key} is not known"));
    let doubts = doubts.into_iter();
    let doubts = doubts.map(|doubt| format!("AWS's documentation does not settle this: {doubt}"));
    missing.chain(doubts).collect()
}

/// Returns the condition keys that are known for a request of an engine's node: the caller and the
/// region. A decision that depends on any other key is indeterminate.
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

/// Secrets that a role should read: a pattern, and a sample that the pattern matches.
pub(crate) struct Wanted {
    pub(crate) area: String,
    pub(crate) sample: String,
}

impl Wanted {
    /// Returns all secrets that a pattern ending in `*` matches.
    pub(crate) fn below(area: String) -> Self {
        let sample = area.replace('*', &format!("{SOME_SECRET}-{SOME_TAIL}"));
        Self { area, sample }
    }
}

/// Returns the secrets that a spec names, or all secrets of the cluster.
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

/// Evaluates what the role of a binding with this spec can access.
pub fn reach(role: &HeldRole, spec: &RoleSpec, scope: &Scope, cluster: &ClusterName) -> Reach {
    let mut documents = Documents::of(role);
    let mut limits = engine_limits(spec, scope, cluster);
    if !documents.confines_key(spec, scope, cluster) {
        // The key's conditions are not the ones that this service writes, so a grant on the key
        // counts as beyond the limits.
        limits.retain(|limit| limit.action != DECRYPT);
    }
    let beyond = documents.beyond(&limits);
    let context = node_context(role, scope, spec.region.as_str());
    let own_secrets = wanted_secrets(spec, scope, cluster)
        .into_iter()
        .map(|wanted| SecretAccess {
            access: documents.decide_all(READ_SECRET, &wanted, &context),
            resource: wanted.area,
        });
    // Secrets of engines in every region: each belongs to some cluster.
    let secrets = Grant::new(READ_SECRET, engines_secrets(scope));
    let others = beyond
        .iter()
        .filter(|(beyond, _)| beyond.touches(&secrets))
        .map(|(_, grant)| grant.clone());
    let else_granted = beyond
        .iter()
        .filter(|(beyond, _)| !is_within_secrets(beyond, &secrets))
        .map(|(_, grant)| grant.clone());
    Reach {
        own_secrets: own_secrets.collect(),
        other_secrets: documents.area(others.collect()),
        anything_else: documents.area(else_granted.collect()),
        unread: [documents.unread, documents.not_understood].concat(),
    }
}

// Returns whether a grant is only for reading engines' secrets.
fn is_within_secrets(beyond: &Beyond, secrets: &Grant) -> bool {
    beyond.action.eq_ignore_ascii_case(&secrets.action)
        && engine_roles_policy::pattern::contains(&secrets.resource, &beyond.resource)
}
