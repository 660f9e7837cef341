//! One statement of a policy, as values.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use crate::arn;
use crate::condition::{Condition, Operator};

/// Whether a statement grants or denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Effect {
    /// The statement grants what it matches, unless another statement denies it.
    Allow,
    /// The statement denies what it matches, even if another statement allows it.
    Deny,
}

impl Effect {
    /// Returns the word that the document uses.
    pub fn name(self) -> &'static str {
        match self {
            Effect::Allow => "Allow",
            Effect::Deny => "Deny",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an element matches: a list of patterns, or everything except a list of patterns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `Action`, `Resource`: everything that one of these patterns matches.
    Only(Vec<String>),
    /// `NotAction`, `NotResource`: everything that none of these patterns matches.
    Except(Vec<String>),
}

impl Scope {
    /// Returns the patterns, of either variant.
    pub fn patterns(&self) -> &[String] {
        match self {
            Scope::Only(patterns) | Scope::Except(patterns) => patterns,
        }
    }
}

/// A principal, as a policy names it or as a request comes from it.
///
/// "AWS JSON policy elements: Principal", IAM User Guide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// `"*"`: everybody, signed in or not.
    Anyone,
    /// An account (twelve digits, or its `:root` ARN), role, user or session, by ARN; `"*"` is
    /// everybody.
    Aws(String),
    /// A service of AWS, such as `ec2.amazonaws.com`.
    Service(String),
    /// An identity provider: its domain, or the ARN of a SAML or OIDC provider.
    Federated(String),
    /// A canonical user id, as Amazon S3 uses.
    CanonicalUser(String),
}

impl Principal {
    /// Returns a principal for a service, such as `ec2.amazonaws.com`.
    pub fn service(name: impl Into<String>) -> Principal {
        Principal::Service(name.into())
    }

    /// Returns a principal for an account, role, user or session.
    pub fn aws(arn_or_account: impl Into<String>) -> Principal {
        Principal::Aws(arn_or_account.into())
    }

    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Principal::Anyone => "*",
            Principal::Aws(_) => "AWS",
            Principal::Service(_) => "Service",
            Principal::Federated(_) => "Federated",
            Principal::CanonicalUser(_) => "CanonicalUser",
        }
    }

    pub(crate) fn id(&self) -> &str {
        match self {
            Principal::Anyone => "*",
            Principal::Aws(id)
            | Principal::Service(id)
            | Principal::Federated(id)
            | Principal::CanonicalUser(id) => id,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Principal::Anyone => f.write_str("*"),
            other => write!(f, "{}:{}", other.type_name(), other.id()),
        }
    }
}

/// One statement. A statement is not checked until it becomes part of a
/// [`Document`](crate::Document).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The statement's name: letters and digits, unique in its document.
    pub sid: Option<String>,
    /// Whether the statement grants or denies.
    pub effect: Effect,
    /// The `Principal` element of a trust policy; empty in identity policies and boundaries.
    pub principals: Vec<Principal>,
    /// `Action` or `NotAction`.
    pub actions: Scope,
    /// `Resource` or `NotResource`; `None` in trust policies, which have neither.
    pub resources: Option<Scope>,
    /// `Condition`: the statement applies only if all of these hold.
    pub conditions: Vec<Condition>,
}

impl Statement {
    /// Writes out the fields that an ARN in `Resource` or `NotResource` leaves out.
    pub(crate) fn complete_arns(&mut self) {
        let Some(Scope::Only(texts) | Scope::Except(texts)) = &mut self.resources else {
            return;
        };
        for text in texts {
            if let Cow::Owned(completed) = arn::completed(text) {
                *text = completed;
            }
        }
    }

    /// Returns a statement that grants these actions on these resources; an empty `sid` means no
    /// Sid.
    pub fn allow(
        sid: &str,
        actions: impl IntoIterator<Item = impl Into<String>>,
        resources: impl IntoIterator<Item = impl Into<String>>,
    ) -> Statement {
        Statement::identity(Effect::Allow, sid, collect(actions), collect(resources))
    }

    /// Returns a statement that denies these actions on these resources; an empty `sid` means no
    /// Sid.
    pub fn deny(
        sid: &str,
        actions: impl IntoIterator<Item = impl Into<String>>,
        resources: impl IntoIterator<Item = impl Into<String>>,
    ) -> Statement {
        Statement::identity(Effect::Deny, sid, collect(actions), collect(resources))
    }

    /// Returns a statement of a trust policy that allows this principal these actions; an empty
    /// `sid` means no Sid.
    pub fn trust(
        sid: &str,
        principal: Principal,
        actions: impl IntoIterator<Item = impl Into<String>>,
    ) -> Statement {
        Statement {
            sid: name(sid),
            effect: Effect::Allow,
            principals: vec![principal],
            actions: Scope::Only(collect(actions)),
            resources: None,
            conditions: Vec::new(),
        }
    }

    /// Returns the same statement with one more condition.
    #[must_use]
    pub fn when(
        mut self,
        operator: impl Into<Operator>,
        key: impl Into<String>,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Statement {
        self.conditions.push(Condition {
            operator: operator.into(),
            key: key.into(),
            values: collect(values),
        });
        self
    }

    fn identity(
        effect: Effect,
        sid: &str,
        actions: Vec<String>,
        resources: Vec<String>,
    ) -> Statement {
        Statement {
            sid: name(sid),
            effect,
            principals: Vec::new(),
            actions: Scope::Only(actions),
            resources: Some(Scope::Only(resources)),
            conditions: Vec::new(),
        }
    }
}

fn name(sid: &str) -> Option<String> {
    (!sid.is_empty()).then(|| sid.to_owned())
}

fn collect(items: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    items.into_iter().map(Into::into).collect()
}
