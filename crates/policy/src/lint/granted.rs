//! What an Allow statement grants after the unconditional Deny statements of its document, and
//! examples of it.

use super::actions;
use super::example::ExampleRequest;
use super::methods::{On, escalation_methods};
use super::probe::Probe;
use super::{sample, widest};
use crate::arn;
use crate::pattern::{Pattern, matches_action};
use crate::statement::{Effect, Scope, Statement};
use crate::variable::Template;
use crate::version::Version;

/// A statement in its document.
#[derive(Clone, Copy)]
pub(super) struct Granted<'a> {
    probe: &'a Probe<'a>,
    pub(super) statement: &'a Statement,
}

impl<'a> Granted<'a> {
    pub(super) fn new(probe: &'a Probe<'a>, statement: &'a Statement) -> Self {
        Self { probe, statement }
    }

    pub(super) fn version(self) -> Version {
        self.probe.document.version()
    }

    /// Returns the actions that the statement lists and no Deny removes; `*` for a `NotAction`.
    pub(super) fn actions(self) -> Vec<&'a str> {
        listed(Some(&self.statement.actions))
            .into_iter()
            .filter(|action| {
                let mut resources = listed(self.statement.resources.as_ref()).into_iter();
                !resources.all(|resource| self.is_removed(action, resource))
            })
            .collect()
    }

    /// Returns the resources that the statement lists and no Deny removes, each with a pattern in
    /// which a variable matches anything. Empty for a Deny and for a `NotResource`.
    pub(super) fn resources(self) -> Vec<(&'a str, Pattern)> {
        let (Effect::Allow, Some(Scope::Only(texts))) =
            (self.statement.effect, &self.statement.resources)
        else {
            return Vec::new();
        };
        texts
            .iter()
            .map(String::as_str)
            .filter(|text| {
                let mut actions = listed(Some(&self.statement.actions)).into_iter();
                !actions.all(|action| self.is_removed(action, text))
            })
            .map(|text| (text, widest(self.version(), text)))
            .collect()
    }

    /// Whether an unconditional Deny contains all of these actions on all of these resources.
    fn is_removed(self, action: &str, resource: &str) -> bool {
        let version = self.probe.document.version();
        let action = Pattern::new(action).ignoring_ascii_case();
        let resource = widest(version, resource);
        let mut statements = self.probe.document.statements().iter().enumerate();
        statements.any(|(index, statement)| {
            statement.effect == Effect::Deny
                && self.probe.document.understands(index)
                && statement.conditions.is_empty()
                && denies_action(statement, &action)
                && denies_resource(version, statement, &resource)
        })
    }

    /// Returns an example of the statement's actions on a resource, if the document allows it.
    pub(super) fn example_on(self, resource: &str) -> Option<ExampleRequest> {
        self.actions().into_iter().find_map(|action| {
            let action = self.concrete_action(action)?;
            self.ask(&ExampleRequest::new(&action, resource))
        })
    }

    /// Returns an example of these actions, if the document allows it.
    pub(super) fn example_of(self, action: &str) -> Option<ExampleRequest> {
        let action = self.concrete_action(action)?;
        let target = target_of(&action);
        let fits = |text: &&str| widest(self.version(), text).matches(&target);
        let texts = listed(self.statement.resources.as_ref());
        if texts.iter().any(fits) {
            return self.ask(&ExampleRequest::new(&action, &target));
        }
        let mut filled = texts.into_iter().map(sample::fill_arn);
        filled.find_map(|resource| self.ask(&ExampleRequest::new(&action, &resource)))
    }

    fn ask(self, request: &ExampleRequest) -> Option<ExampleRequest> {
        self.probe.example(request)
    }

    /// Returns an action that the pattern and the statement match, a real one if one is known.
    fn concrete_action(self, pattern: &str) -> Option<String> {
        let known = ["iam:CreateUser", "s3:GetObject", "ec2:TerminateInstances"]
            .into_iter()
            .chain(escalation_methods().flat_map(|method| method.actions().flatten().copied()));
        let mut fitting = known
            .map(str::to_owned)
            .chain(actions::known())
            .filter(|known| matches_action(pattern, known))
            .filter(|known| super::probe::matches_action(self.statement, known));
        let filled = || {
            let filled = sample::fill(pattern);
            super::probe::matches_action(self.statement, &filled).then_some(filled)
        };
        fitting.next().or_else(filled)
    }
}

/// Returns patterns that match at least everything that the scope matches.
fn listed(scope: Option<&Scope>) -> Vec<&str> {
    match scope {
        Some(Scope::Only(patterns)) => patterns.iter().map(String::as_str).collect(),
        Some(Scope::Except(_)) | None => vec!["*"],
    }
}

fn denies_action(statement: &Statement, action: &Pattern) -> bool {
    let mut own = statement
        .actions
        .patterns()
        .iter()
        .map(|text| Pattern::new(text).ignoring_ascii_case());
    match statement.actions {
        Scope::Only(_) => own.any(|own| own.contains(action)),
        Scope::Except(_) => !own.any(|own| own.overlaps(action)),
    }
}

fn denies_resource(version: Version, statement: &Statement, resource: &Pattern) -> bool {
    match &statement.resources {
        None => true,
        Some(Scope::Only(texts)) => texts.iter().any(|text| {
            Template::parse(version, text)
                .ok()
                .and_then(|own| own.constant_pattern())
                .is_some_and(|own| own.contains(resource))
        }),
        Some(Scope::Except(texts)) => !texts
            .iter()
            .any(|text| widest(version, text).overlaps(resource)),
    }
}

/// Returns an ARN of a resource on which the action works.
fn target_of(action: &str) -> String {
    let by_method = escalation_methods()
        .flat_map(|method| method.needs)
        .find(|need| {
            need.actions
                .iter()
                .any(|own| own.eq_ignore_ascii_case(action))
        });
    let service = action.split(':').next().unwrap_or(action).to_lowercase();
    match by_method.map(|need| need.on) {
        Some(On::Every(target) | On::EveryOther(target) | On::Some(target)) => {
            target.arn.to_owned()
        }
        Some(On::Passed(_)) => super::methods::ROLE.arn.to_owned(),
        None => match service.as_str() {
            "iam" => "arn:aws:iam::111122223333:user/any-name".to_owned(),
            "s3" => "arn:aws:s3:::any-name/any-key".to_owned(),
            "ec2" => "arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0".to_owned(),
            "secretsmanager" => {
                "arn:aws:secretsmanager:us-east-1:111122223333:secret:any-name-Ab12Cd".to_owned()
            }
            _ => format!("arn:aws:{service}:us-east-1:111122223333:any-name"),
        },
    }
}

/// Returns the fields of an ARN before the resource, filled, and the resource as it is written.
pub(super) fn filled_fields(text: &str) -> Option<(String, &str)> {
    match arn::split(text).as_slice() {
        [fields @ .., resource] if fields.len() + 1 == arn::PIECES => {
            let prefix = sample::fill_fields(fields);
            Some((prefix, resource))
        }
        _ => None,
    }
}
