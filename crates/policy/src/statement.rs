//! One statement of a policy, as values.

use std::fmt;

use serde::Serialize;

use crate::condition::{Condition, Operator};

/// Whether a statement grants or refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Effect {
    /// What the statement matches is granted, unless something else denies it.
    Allow,
    /// What the statement matches is refused, whatever else allows it.
    Deny,
}

impl Effect {
    /// The word in the document.
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

/// What an element reaches: a list of patterns, or everything but a list of patterns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `Action`, `Resource`: what one of these patterns matches.
    Only(Vec<String>),
    /// `NotAction`, `NotResource`: what none of these patterns matches.
    Except(Vec<String>),
}

impl Scope {
    /// The patterns, whichever way they count.
    pub fn patterns(&self) -> &[String] {
        match self {
            Scope::Only(patterns) | Scope::Except(patterns) => patterns,
        }
    }
}

/// Somebody, as a policy names them, or as a request comes from them.
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
    /// A canonical user id, as Amazon S3 has them.
    CanonicalUser(String),
}

impl Principal {
    /// A service, such as `ec2.amazonaws.com`.
    pub fn service(name: impl Into<String>) -> Principal {
        Principal::Service(name.into())
    }

    /// An account, role, user or session.
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

/// One statement. Built freely; what is wrong with it shows when it becomes part of a
/// [`Document`](crate::Document).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The statement's name: letters and digits, unique in its document.
    pub sid: Option<String>,
    /// Whether it grants or refuses.
    pub effect: Effect,
    /// Whom a trust policy speaks of (`Principal`); empty in identity policies and boundaries.
    pub principals: Vec<Principal>,
    /// `Action` or `NotAction`.
    pub actions: Scope,
    /// `Resource` or `NotResource`; `None` in trust policies, which have neither.
    pub resources: Option<Scope>,
    /// `Condition`: all of these have to hold.
    pub conditions: Vec<Condition>,
}

impl Statement {
    /// Grants these actions on these resources; an empty `sid` is none.
    pub fn allow(
        sid: &str,
        actions: impl IntoIterator<Item = impl Into<String>>,
        resources: impl IntoIterator<Item = impl Into<String>>,
    ) -> Statement {
        Statement::identity(Effect::Allow, sid, collect(actions), collect(resources))
    }

    /// Refuses these actions on these resources; an empty `sid` is none.
    pub fn deny(
        sid: &str,
        actions: impl IntoIterator<Item = impl Into<String>>,
        resources: impl IntoIterator<Item = impl Into<String>>,
    ) -> Statement {
        Statement::identity(Effect::Deny, sid, collect(actions), collect(resources))
    }

    /// Lets this principal do these actions: a statement of a trust policy.
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

    /// The same statement with one more condition.
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
