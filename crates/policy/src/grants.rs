//! Proves that a document grants nothing beyond given limits.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::document::Document;
use crate::pattern::Pattern;
use crate::reading::{self, ResourceText};
use crate::statement::{Effect, Scope, Statement};
use crate::variable::Template;
use crate::work::{Budget, TooLarge};

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
#[non_exhaustive]
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
/// without a `/`), a text that was not understood unless a limit contains everything that it may
/// mean, a `NotAction` unless a limit contains all actions, and a `NotResource` unless a
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
    let limits = Limits::new(limits);
    let mut budget = Budget::unlimited();
    let mut found = Vec::new();
    for (index, statement) in document.statements().iter().enumerate() {
        if !document.may_have_effect(index, Effect::Allow) {
            continue;
        }
        let resources = texts(statement.resources.as_ref()).into_iter().map(|text| {
            let read = reading::resource(document.version(), text);
            let contained = limits.of_resources(&read, &mut budget);
            (text, read, contained.unwrap_or_default())
        });
        let resources: Vec<_> = resources.collect();
        for action in texts(Some(&statement.actions)) {
            let patterns = reading::action(action).patterns;
            let contained = limits.of_actions(&patterns, &mut budget);
            let contained = contained.unwrap_or_default();
            for (resource, read, limits) in &resources {
                if limits.iter().any(|limit| contained.contains(limit)) {
                    continue;
                }
                found.push(Excess {
                    place: place(index, statement),
                    statement: index,
                    action: action.to_owned(),
                    resource: (*resource).to_owned(),
                    reason: match read.constant() {
                        Some(_) => "no limit contains both the action and the resource",
                        None => "the value of a policy variable could be anything",
                    },
                });
            }
        }
    }
    found
}

/// Limits with their patterns read.
pub(crate) struct Limits(Vec<(Pattern, Pattern)>);

impl Limits {
    pub(crate) fn new(limits: &[Grant]) -> Limits {
        let each = limits.iter().map(|limit| {
            let action = Pattern::new(&limit.action).ignoring_ascii_case();
            (action, Pattern::new(&limit.resource))
        });
        Limits(each.collect())
    }

    /// Returns the limits that contain all of these actions.
    pub(crate) fn of_actions(
        &self,
        actions: &[Pattern],
        budget: &mut Budget,
    ) -> Result<Vec<usize>, TooLarge> {
        let mut found = Vec::new();
        for (index, (limit, _)) in self.0.iter().enumerate() {
            let mut contains_all = true;
            for action in actions {
                contains_all = contains_all && limit.contains_within(action, budget)?;
            }
            found.extend(contains_all.then_some(index));
        }
        Ok(found)
    }

    /// Returns the limits that contain everything that the text of a resource may match. A variable
    /// could be anything, with or without a slash, so only a limit of all resources contains it.
    pub(crate) fn of_resources(
        &self,
        resource: &ResourceText,
        budget: &mut Budget,
    ) -> Result<Vec<usize>, TooLarge> {
        let has_variables = resource
            .template
            .as_ref()
            .is_none_or(Template::has_variables);
        let everything = Pattern::new("*");
        let widest = if has_variables {
            &everything
        } else {
            &resource.widest
        };
        let mut found = Vec::new();
        for (index, (_, limit)) in self.0.iter().enumerate() {
            found.extend(limit.contains_within(widest, budget)?.then_some(index));
        }
        Ok(found)
    }
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
