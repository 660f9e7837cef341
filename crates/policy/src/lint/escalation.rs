//! Whether a document allows a method of privilege escalation.
//!
//! A method is found if the document allows concrete requests that carry it out. Splits over
//! statements, wildcards, `NotAction`, `NotResource`, conditions and Deny statements are therefore
//! seen through: the evaluation decides.

use std::collections::{BTreeMap, BTreeSet};

use super::example::ExampleRequest;
use super::methods::{Method, Need, On, Target, escalation_methods};
use super::probe::{Allowed, Probe, matches_action};
use super::{Findings, Severity, sample, some_of, widest};
use crate::arn;
use crate::statement::{Effect, Scope, Statement};

/// The largest number of resources that are tried for one action.
const RESOURCES: usize = 64;

pub(super) fn check(probe: &Probe<'_>, findings: &mut Findings) {
    let mut search = Search::new(probe);
    for method in escalation_methods() {
        let Some(found) = search.all(method.needs) else {
            continue;
        };
        let certain = found.iter().all(|one| one.allowed.certain);
        let wide = found.iter().all(|one| one.wide);
        let severity = if certain && wide {
            Severity::Error
        } else {
            Severity::Warning
        };
        let [first, others @ ..] = found.as_slice() else {
            continue;
        };
        findings.add_with_examples(
            method.id,
            severity,
            &format!("Statement[{}]", first.allowed.statement),
            reason(method, first, others, certain),
            found.iter().filter_map(|one| one.allowed.example.clone()),
            Some(method.source),
        );
    }
}

fn reason(method: &Method, first: &Found, others: &[Found], certain: bool) -> String {
    let action = first.action;
    let on = match method.needs[0].on {
        On::Every(target) => format!("any {}", target.word),
        On::EveryOther(target) => format!("any other {}", target.word),
        On::Some(target) => format!("a {}", target.word),
        On::Passed(_) if first.wide => "any role".to_owned(),
        On::Passed(_) => {
            let roles: Vec<&str> = first.texts.iter().map(String::as_str).collect();
            some_of(&roles)
        }
    };
    let with = match others {
        [] => String::new(),
        others => {
            let actions: Vec<&str> = others.iter().map(|one| one.action).collect();
            format!(" with {}", actions.join(" and "))
        }
    };
    let gain = if first.wide {
        "gain further permissions"
    } else {
        "gain the permissions of that role"
    };
    let limits = if certain {
        ""
    } else {
        ", as far as its conditions allow"
    };
    let also = match method.aliases {
        [] => String::new(),
        aliases => format!(" (also called {})", aliases.join(", ")),
    };
    format!("{action} on {on}{with} can be used to {gain}{limits}{also}")
}

/// A permission that the document gives.
#[derive(Clone)]
struct Found {
    action: &'static str,
    /// Whether resources of the type are covered under any name.
    wide: bool,
    /// The resources as the document writes them.
    texts: Vec<String>,
    allowed: Allowed,
}

struct Search<'a> {
    probe: &'a Probe<'a>,
    /// Whether the document compares something with the name of the caller.
    by_caller: bool,
    /// Many methods need the same permission.
    known: BTreeMap<(&'static str, &'static str, bool), Option<Found>>,
}

impl<'a> Search<'a> {
    fn new(probe: &'a Probe<'a>) -> Self {
        let text = probe.document.to_json().to_ascii_lowercase();
        Self {
            probe,
            by_caller: text.contains("aws:username"),
            known: BTreeMap::new(),
        }
    }

    fn all(&mut self, needs: &[Need]) -> Option<Vec<Found>> {
        needs.iter().map(|need| self.one(need)).collect()
    }

    fn one(&mut self, need: &Need) -> Option<Found> {
        let found = need
            .actions
            .iter()
            .filter_map(|action| self.action(action, need.on));
        found.max_by_key(|found| (found.wide, found.allowed.certain))
    }

    fn action(&mut self, action: &'static str, on: On) -> Option<Found> {
        let (subject, other) = match on {
            On::Every(target) | On::Some(target) => (target.arn, matches!(on, On::Some(_))),
            On::EveryOther(_) => ("another user", false),
            On::Passed(service) => (service, false),
        };
        let key = (action, subject, other);
        if let Some(found) = self.known.get(&key) {
            return found.clone();
        }
        let found = self.look(action, on);
        self.known.insert(key, found.clone());
        found
    }

    fn look(&self, action: &'static str, on: On) -> Option<Found> {
        match on {
            On::EveryOther(target) if self.by_caller => {
                self.on_target(action, target, false, &[("aws:username", "the-caller")])
            }
            On::Every(target) | On::EveryOther(target) => {
                self.on_target(action, target, false, &[])
            }
            On::Some(target) => self
                .on_target(action, target, true, &[])
                .map(|found| Found {
                    wide: true,
                    ..found
                }),
            On::Passed(service) => {
                // Partitions name some services differently.
                let names = [service.to_owned(), format!("{service}.cn")];
                let found = names.iter().filter_map(|name| {
                    let known = [("iam:PassedToService", name.as_str())];
                    self.on_target(action, &super::methods::ROLE, true, &known)
                });
                found.max_by_key(|found| {
                    let first = found.allowed.example.as_ref().is_some_and(|example| {
                        example
                            .context
                            .values()
                            .flatten()
                            .any(|value| value == service)
                    });
                    (found.wide, found.allowed.certain, first)
                })
            }
        }
    }

    /// Looks for resources on which the action is allowed; those with any name first.
    fn on_target(
        &self,
        action: &'static str,
        target: &Target,
        named: bool,
        known: &[(&str, &str)],
    ) -> Option<Found> {
        let mut best: Option<Found> = None;
        for candidate in self.candidates(action, target, named) {
            let request = known.iter().fold(
                ExampleRequest::new(action, &candidate.arn),
                |request, (key, value)| request.with(key, value),
            );
            let Some(allowed) = self.probe.ask(&request) else {
                continue;
            };
            let rank = (candidate.wide, allowed.certain);
            match &mut best {
                Some(best) if (best.wide, best.allowed.certain) >= rank => {
                    if best.wide == candidate.wide {
                        best.texts.push(candidate.text);
                    }
                }
                _ => {
                    best = Some(Found {
                        action,
                        wide: candidate.wide,
                        texts: vec![candidate.text],
                        allowed,
                    });
                }
            }
            if rank == (true, true) {
                break;
            }
        }
        best
    }

    fn candidates(&self, action: &str, target: &Target, named: bool) -> Vec<Candidate> {
        let version = self.probe.document.version();
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut add = |arn: String, text: &str, wide| {
            if seen.insert(arn.clone()) {
                let text = text.to_owned();
                found.push(Candidate { arn, text, wide });
            }
        };
        let allows = |statement: &&Statement| {
            statement.effect == Effect::Allow && matches_action(statement, action)
        };
        for statement in self.probe.document.statements().iter().filter(allows) {
            let Some(Scope::Only(texts)) = &statement.resources else {
                add(target.arn.to_owned(), "*", true);
                continue;
            };
            for text in texts {
                let any = any_name(text, target.arn);
                if widest(version, text).matches(&any) {
                    add(any, text, true);
                } else if named {
                    let arn = sample::fill_arn(text);
                    if is_like(&arn, target.arn) {
                        add(arn, text, false);
                    }
                }
            }
        }
        found.sort_by_key(|candidate| !candidate.wide);
        found.truncate(RESOURCES);
        found
    }
}

/// Whether an ARN may name a resource for the same action as the sample: one of the same service,
/// and a role if the sample is a role.
fn is_like(found: &str, sample: &str) -> bool {
    match (arn::split(found).as_slice(), arn::split(sample).as_slice()) {
        ([_, _, service, _, _, resource], [_, _, own_service, _, _, own]) => {
            service == own_service && (!own.starts_with("role/") || resource.starts_with("role/"))
        }
        _ => false,
    }
}

struct Candidate {
    arn: String,
    text: String,
    wide: bool,
}

/// Returns the ARN of a resource with the name of the sample, in the partition, region and account
/// of a policy's text.
fn any_name(text: &str, sample: &str) -> String {
    if text == "*" {
        return sample.to_owned();
    }
    let own = arn::split(text);
    let pieces = arn::split(sample);
    let filled = pieces.iter().enumerate().map(|(at, piece)| {
        match own.get(at) {
            // The name stays that of the sample, and so does what the text leaves open.
            None => (*piece).to_owned(),
            Some(_) if at + 1 == arn::PIECES => (*piece).to_owned(),
            Some(own) if crate::pattern::matches(own, piece) => (*piece).to_owned(),
            Some(own) => sample::fill(own),
        }
    });
    filled.collect::<Vec<_>>().join(":")
}
