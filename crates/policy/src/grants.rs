//! The proof that a document grants nothing beyond what it may.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::document::Document;
use crate::pattern::Pattern;
use crate::statement::{Effect, Scope, Statement};
use crate::variable::Template;
use crate::version::Version;

/// A permission that may be given away: these actions on these resources, as patterns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    /// A pattern of actions; case does not matter.
    pub action: String,
    /// A pattern of resources, without policy variables.
    pub resource: String,
}

impl Grant {
    /// These actions on these resources.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Grant {
        Grant {
            action: action.into(),
            resource: resource.into(),
        }
    }
}

/// The first permission in a document that no limit contains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{place} grants {action} on {resource}, which is beyond what it may: {reason}")]
pub struct Excess {
    /// The statement, as `Statement[0]` or `Statement[0] (its Sid)`.
    pub place: String,
    /// The place of the statement in its document, from 0.
    pub statement: usize,
    /// The actions, as the document writes them; `*` for a `NotAction`.
    pub action: String,
    /// The resources, as the document writes them; `*` for a `NotResource`.
    pub resource: String,
    /// Why it is not contained.
    pub reason: &'static str,
}

/// Proves that each (action, resource) which an Allow of the document grants lies within one of
/// the limits. Conditions and Denies only narrow a grant, and are not looked at.
///
/// What can't be proved is in excess: a pair that only several limits together contain, a
/// resource with a policy variable (whose value could be anything without a `/`, or with one),
/// and `NotAction` and `NotResource` unless a limit contains all actions and all resources.
///
/// # Errors
/// The first pair that is not contained.
pub fn grants_within(document: &Document, limits: &[Grant]) -> Result<(), Excess> {
    excesses(document, limits)
        .into_iter()
        .next()
        .map_or(Ok(()), Err)
}

/// Each (action, resource) which an Allow of the document grants and no limit contains, as
/// [`grants_within`] has it.
pub fn excesses(document: &Document, limits: &[Grant]) -> Vec<Excess> {
    let limits: Vec<(Pattern, Pattern)> = limits
        .iter()
        .map(|limit| (action(&limit.action), Pattern::new(&limit.resource)))
        .collect();
    let mut found = Vec::new();
    for (index, statement) in document.statements().iter().enumerate() {
        if statement.effect == Effect::Deny {
            continue;
        }
        for text in texts(Some(&statement.actions)) {
            for resource in texts(statement.resources.as_ref()) {
                if let Some(reason) = excess(document.version(), text, resource, &limits) {
                    found.push(Excess {
                        place: place(index, statement),
                        statement: index,
                        action: text.to_owned(),
                        resource: resource.to_owned(),
                        reason,
                    });
                }
            }
        }
    }
    found
}

fn excess(
    version: Version,
    text: &str,
    resource: &str,
    limits: &[(Pattern, Pattern)],
) -> Option<&'static str> {
    let action = action(text);
    let resource = match Template::parse(version, resource) {
        Ok(template) => template.constant_pattern(),
        Err(_) => None,
    };
    let everything = Pattern::new("*");
    let contained = limits.iter().any(|(actions, resources)| {
        actions.contains(&action) && resources.contains(resource.as_ref().unwrap_or(&everything))
    });
    match resource {
        _ if contained => None,
        None => Some("a policy variable could stand for anything"),
        Some(_) => Some("no limit contains both"),
    }
}

pub(crate) fn action(text: &str) -> Pattern {
    Pattern::new(text).ignoring_ascii_case()
}

/// What a scope reaches at most.
pub(crate) fn texts(scope: Option<&Scope>) -> BTreeSet<&str> {
    match scope {
        Some(Scope::Only(patterns)) => patterns.iter().map(String::as_str).collect(),
        Some(Scope::Except(_)) | None => BTreeSet::from(["*"]),
    }
}

fn place(index: usize, statement: &Statement) -> String {
    match &statement.sid {
        Some(sid) if !sid.is_empty() => format!("Statement[{index}] ({sid})"),
        _ => format!("Statement[{index}]"),
    }
}
