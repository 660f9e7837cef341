//! Proves that a document grants nothing beyond given limits.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::document::Document;
use crate::pattern::Pattern;
use crate::statement::{Effect, Scope, Statement};
use crate::variable::Template;
use crate::version::Version;

/// A permission: actions on resources, as patterns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    /// The pattern of the actions; case does not matter.
    pub action: String,
    /// The pattern of the resources, without policy variables.
    pub resource: String,
}

impl Grant {
    /// Creates a grant from a pattern of actions and a pattern of resources.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Grant {
        Grant {
            action: action.into(),
            resource: resource.into(),
        }
    }
}

/// The first permission in a document that no limit contains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{place} grants {action} on {resource}, which exceeds the limits: {reason}")]
pub struct Excess {
    /// The statement, as `Statement[0]` or, with its Sid, `Statement[0] (Sid)`.
    pub place: String,
    /// The index of the statement in its document, from 0.
    pub statement: usize,
    /// The actions, as the document writes them; `*` for a `NotAction`.
    pub action: String,
    /// The resources, as the document writes them; `*` for a `NotResource`.
    pub resource: String,
    /// Why no limit contains the permission.
    pub reason: &'static str,
}

/// Proves that each pair of action and resource that an Allow of the document grants is within one
/// of the limits. Conditions and Deny statements are ignored, because they can only narrow a grant.
///
/// A pair for which this can't be proved exceeds the limits: a pair that only several limits
/// together contain, a resource with a policy variable (the value could be anything, with or
/// without a `/`), a `NotAction` unless a limit contains all actions, and a `NotResource` unless a
/// limit contains all resources.
///
/// # Errors
/// Returns the first pair that no limit contains.
pub fn grants_within(document: &Document, limits: &[Grant]) -> Result<(), Excess> {
    excesses(document, limits)
        .into_iter()
        .next()
        .map_or(Ok(()), Err)
}

/// Returns each pair of action and resource that an Allow of the document grants and no limit
/// contains, by the rules of [`grants_within`].
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
        None => Some("the value of a policy variable could be anything"),
        Some(_) => Some("no limit contains both the action and the resource"),
    }
}

pub(crate) fn action(text: &str) -> Pattern {
    Pattern::new(text).ignoring_ascii_case()
}

/// Returns patterns that match at least everything that the scope matches.
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
