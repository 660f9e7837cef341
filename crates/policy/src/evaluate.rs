//! Evaluates policies for a request.
//!
//! "Policy evaluation logic", IAM User Guide: an explicit Deny overrides every Allow, a boundary
//! limits what identity policies grant, and a request that nothing allows is denied.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::arn;
use crate::comparison;
use crate::context::Context;
use crate::document::Document;
use crate::doubt::Doubt;
use crate::kind::Kind;
use crate::read::Unclear;
use crate::reading::{self, ActionText};
use crate::statement::{Effect, Principal, Scope, Statement};
use crate::truth::{Truth, Unknown};
use crate::validate;
use crate::variable::Resolved;
use crate::version::Version;

/// A request to evaluate policies for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who makes the request. Only trust policies use it.
    pub principal: Option<Principal>,
    /// The action, such as `secretsmanager:GetSecretValue`. `*` and `?` are not wildcards here, and
    /// case does not matter.
    pub action: String,
    /// The ARN of the resource, or `*` for an action without a resource. `*` and `?` are not
    /// wildcards here. Trust policies ignore the resource.
    pub resource: String,
    /// The condition keys of the request, and which of them are known.
    pub context: Context,
}

impl Request {
    /// Returns a request without a principal, with a complete and empty context.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Request {
        Request {
            principal: None,
            action: action.into(),
            resource: resource.into(),
            context: Context::new(),
        }
    }

    /// Returns the request `sts:AssumeRole` by `principal`, to evaluate the trust policy of the
    /// role that is assumed.
    pub fn assume_role(principal: Principal) -> Request {
        Request {
            principal: Some(principal),
            ..Request::new("sts:AssumeRole", "*")
        }
    }

    /// Returns the same request with this context.
    #[must_use]
    pub fn in_context(self, context: Context) -> Request {
        Request { context, ..self }
    }
}

/// The decision of the policies about a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// A statement grants the request, and none denies it.
    Allowed {
        /// The first statement that grants it.
        by: StatementRef,
    },
    /// A Deny statement matches the request.
    Denied {
        /// The first statement that denies it.
        by: StatementRef,
    },
    /// Denied because no statement allows the request, or because the boundary does not allow it.
    NotAllowed,
    /// The decision depends on condition keys that are not known, on something that AWS's
    /// documentation does not settle, or on a part of a document that was not understood.
    Indeterminate {
        /// The keys that are not known, as the policies write them.
        missing: BTreeSet<String>,
        /// What is not settled or not understood.
        doubts: BTreeSet<Doubt>,
    },
}

impl Decision {
    /// Whether the request is certainly granted.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allowed { .. })
    }
}

/// A statement in one of the evaluated documents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct StatementRef {
    /// The role of the document in the evaluation.
    pub source: Source,
    /// The index of the document among those of the same source, from 0.
    pub document: usize,
    /// The index of the statement in the document, from 0.
    pub statement: usize,
    /// The Sid of the statement, if it has one.
    pub sid: Option<String>,
}

impl fmt::Display for StatementRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            Source::Identity => "policy",
            Source::Boundary => "boundary",
            Source::Trust => "trust policy",
        };
        match &self.sid {
            Some(sid) => write!(f, "statement {sid} of {source} {}", self.document),
            None => write!(
                f,
                "statement {} of {source} {}",
                self.statement, self.document
            ),
        }
    }
}

/// The role of a document in an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// One of the identity policies.
    Identity,
    /// The permissions boundary.
    Boundary,
    /// The trust policy.
    Trust,
}

/// Evaluates identity policies, under a boundary if one is given, for a request.
///
/// The order of documents and statements does not change the decision; if several statements
/// decide, the first is named. Identity policies and boundaries have the same grammar, so the
/// argument in which a document is passed decides what it is. Trust policies are ignored.
pub fn evaluate(
    request: &Request,
    identity: &[&Document],
    boundary: Option<&Document>,
) -> Decision {
    let identity = || {
        identity
            .iter()
            .enumerate()
            .filter(|(_, document)| document.kind() != Kind::Trust)
            .map(|(index, document)| (Source::Identity, index, *document))
    };
    let boundary_only = || {
        boundary
            .iter()
            .filter(|document| document.kind() != Kind::Trust)
            .map(|document| (Source::Boundary, 0, *document))
    };
    let (denied, denied_by) = search(Effect::Deny, request, identity().chain(boundary_only()));
    let (granted, granted_by) = search(Effect::Allow, request, identity());
    let within = match boundary {
        Some(_) => search(Effect::Allow, request, boundary_only()).0,
        None => Truth::True,
    };
    decide(denied, denied_by, Truth::all([granted, within]), granted_by)
}

/// Evaluates a trust policy for a request; the principal of the request has to match.
///
/// Only the trust policy is evaluated: a principal of another account also needs an identity policy
/// that allows the action. A document of another kind allows nothing.
pub fn evaluate_trust(request: &Request, trust: &Document) -> Decision {
    let documents = || {
        (trust.kind() == Kind::Trust)
            .then_some((Source::Trust, 0, trust))
            .into_iter()
    };
    let (denied, denied_by) = search(Effect::Deny, request, documents());
    let (granted, granted_by) = search(Effect::Allow, request, documents());
    decide(denied, denied_by, granted, granted_by)
}

fn decide(
    denied: Truth,
    denied_by: Option<StatementRef>,
    granted: Truth,
    granted_by: Option<StatementRef>,
) -> Decision {
    match (denied, granted) {
        (Truth::True, _) => match denied_by {
            Some(by) => Decision::Denied { by },
            None => Decision::NotAllowed,
        },
        // The deny is uncertain, but nothing grants the request either way.
        (_, Truth::False) => Decision::NotAllowed,
        (Truth::False, Truth::True) => match granted_by {
            Some(by) => Decision::Allowed { by },
            None => Decision::NotAllowed,
        },
        (denied, granted) => {
            let mut unknown = Unknown::default();
            for truth in [denied, granted] {
                if let Truth::Unknown(why) = truth {
                    unknown.extend(why);
                }
            }
            let Unknown { missing, doubts } = unknown;
            Decision::Indeterminate { missing, doubts }
        }
    }
}

/// Whether some statement of this effect matches, and the first that certainly does.
fn search<'a>(
    effect: Effect,
    request: &Request,
    documents: impl Iterator<Item = (Source, usize, &'a Document)>,
) -> (Truth, Option<StatementRef>) {
    let mut unsure = Vec::new();
    for (source, index, document) in documents {
        for (place, statement) in document.statements().iter().enumerate() {
            if !document.may_have_effect(place, effect) {
                continue;
            }
            match matches(document, statement, document.unclear(place), request) {
                Truth::False => {}
                Truth::True => {
                    let by = StatementRef {
                        source,
                        document: index,
                        statement: place,
                        sid: statement.sid.clone().filter(|sid| !sid.is_empty()),
                    };
                    return (Truth::True, Some(by));
                }
                unknown @ Truth::Unknown(_) => unsure.push(unknown),
            }
        }
    }
    (Truth::any(unsure), None)
}

fn matches(
    document: &Document,
    statement: &Statement,
    unclear: Option<&Unclear>,
    request: &Request,
) -> Truth {
    let version = document.version();
    let action = matches_action(&statement.actions, &request.action);
    if action == Truth::False {
        return Truth::False;
    }
    let principal = match document.kind() {
        Kind::Trust => matches_principal(statement, unclear, request.principal.as_ref()),
        Kind::Identity | Kind::Boundary => Truth::True,
    };
    let resource = statement
        .resources
        .as_ref()
        .map(|scope| matches_resource(version, scope, &request.resource, &request.context));
    let conditions = statement
        .conditions
        .iter()
        .map(|condition| comparison::holds(version, condition, &request.context));
    let known = [action, principal].into_iter().chain(resource);
    Truth::all(known.chain(conditions).chain(doubts(unclear)))
}

/// Returns the parts because of which the statement may not apply, each as an unknown truth.
pub(crate) fn doubts(unclear: Option<&Unclear>) -> impl Iterator<Item = Truth> {
    let parts = unclear.into_iter().flat_map(|unclear| &unclear.parts);
    parts.cloned().map(Truth::doubt)
}

fn matches_principal(
    statement: &Statement,
    unclear: Option<&Unclear>,
    caller: Option<&Principal>,
) -> Truth {
    let everybody = |named: &Principal| match named {
        Principal::Anyone => true,
        Principal::Aws(id) => id == "*",
        _ => false,
    };
    let named = statement
        .principals
        .iter()
        .map(|named| match (named, caller) {
            (named, _) if everybody(named) => Truth::True,
            (named, _) if validate::check_principal("Principal", named).is_err() => {
                let reason = "is not a principal of the policy language";
                Truth::doubt(Doubt::new(named.to_string(), reason))
            }
            (Principal::Aws(named), Some(Principal::Aws(caller))) => {
                arn::is_principal(named, caller).into()
            }
            (named, Some(caller)) => (named == caller).into(),
            (_, None) => Truth::False,
        });
    let others = unclear.filter(|unclear| unclear.principals).map(|_| {
        let reason = "the element was not understood";
        Truth::doubt(Doubt::new("Principal", reason))
    });
    Truth::any(named.chain(others))
}

/// Whether the action is in scope.
pub(crate) fn matches_action(actions: &Scope, action: &str) -> Truth {
    let action = action.to_ascii_lowercase();
    let listed = Truth::any(actions.patterns().iter().map(|text| {
        let ActionText { patterns, doubt } = reading::action(text);
        let matched = patterns.iter().any(|pattern| pattern.matches(&action));
        match doubt {
            Some(doubt) if matched => Truth::doubt(doubt),
            _ => matched.into(),
        }
    }));
    match actions {
        Scope::Only(_) => listed,
        Scope::Except(_) => !listed,
    }
}

/// Whether the resource is in scope. A variable without a value matches nothing, so `NotResource`
/// then covers everything ("IAM policy elements: Variables and tags", IAM User Guide).
fn matches_resource(
    version: Version,
    resources: &Scope,
    resource: &str,
    context: &Context,
) -> Truth {
    let listed = Truth::any(resources.patterns().iter().map(|text| {
        let read = reading::resource(version, text);
        let template = match (read.template, read.doubt) {
            (Some(template), None) => template,
            (_, Some(doubt)) if read.widest.matches(resource) => return Truth::doubt(doubt),
            _ => return Truth::False,
        };
        match template.to_pattern(context) {
            Resolved::Value(pattern) => pattern.matches(resource).into(),
            Resolved::Unknown(why) if read.widest.matches(resource) => Truth::Unknown(why),
            Resolved::Unknown(_) | Resolved::Unresolved => Truth::False,
        }
    }));
    match resources {
        Scope::Only(_) => listed,
        Scope::Except(_) => !listed,
    }
}
