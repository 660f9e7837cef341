//! Asks a document about one request, and finds the condition keys under which it is allowed.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::example::ExampleRequest;
use super::sample;
use crate::condition::{Condition, Family, Relation, SetOperator, Test};
use crate::document::Document;
use crate::evaluate::{Decision, evaluate, evaluate_trust};
use crate::kind::Kind;
use crate::pattern;
use crate::statement::{Effect, Scope, Statement};

/// The largest number of contexts that are tried for one request.
const TRIES: usize = 512;

/// The statements that are evaluated for examples in one run of lint, at most about this many.
/// After that, findings have no examples.
const STATEMENTS: usize = 2_000_000;

/// With more condition keys than this, no context is searched for.
const KEYS: usize = 32;

/// A request that a document allows, perhaps only under conditions.
#[derive(Clone, Debug)]
pub(super) struct Allowed {
    /// Whether the document allows the request whatever the other condition keys are.
    pub(super) certain: bool,
    /// The statement that allows it; the first one that may, if that is open.
    pub(super) statement: usize,
    /// The request with the condition keys under which it is allowed; `None` if none were found.
    pub(super) example: Option<ExampleRequest>,
}

/// A document, and the work that may still be spent on examples.
pub(super) struct Probe<'a> {
    pub(super) document: &'a Document,
    evaluations: Cell<usize>,
}

impl<'a> Probe<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        let statements = document.statements().len().max(1);
        Self {
            document,
            evaluations: Cell::new(STATEMENTS / statements),
        }
    }

    /// Returns `None` if the document certainly does not allow the request.
    pub(super) fn ask(&self, request: &ExampleRequest) -> Option<Allowed> {
        match decide(self.document, request, true) {
            Decision::Allowed { by } => Some(Allowed {
                certain: true,
                statement: by.statement,
                example: Some(request.clone()),
            }),
            Decision::Indeterminate { .. } => Some(self.search(request)),
            _ => None,
        }
    }

    /// Returns the request with the condition keys under which it is allowed; `None` if none were
    /// found or no more work may be spent.
    pub(super) fn example(&self, request: &ExampleRequest) -> Option<ExampleRequest> {
        let left = self.evaluations.get().checked_sub(1)?;
        self.evaluations.set(left);
        self.ask(request)?.example
    }

    fn search(&self, request: &ExampleRequest) -> Allowed {
        let relevant: Vec<(usize, &Statement)> = self
            .document
            .statements()
            .iter()
            .enumerate()
            .filter(|(_, statement)| matches_action(statement, &request.action))
            .collect();
        let keys = keys(&relevant, request);
        let left = self.evaluations.get();
        let allowance = if keys.len() > KEYS {
            0
        } else {
            TRIES.min(left)
        };
        let mut tries = allowance;
        let found = try_each(self.document, request.clone(), &keys, &mut tries);
        self.evaluations.set(left - (allowance - tries));
        let first = || {
            let mut allows = relevant.iter();
            let first = allows.find(|(_, statement)| statement.effect == Effect::Allow);
            first.map_or(0, |(index, _)| *index)
        };
        Allowed {
            certain: false,
            statement: found
                .as_ref()
                .map_or_else(first, |(statement, _)| *statement),
            example: found.map(|(_, example)| example),
        }
    }
}

fn decide(document: &Document, request: &ExampleRequest, partial: bool) -> Decision {
    let request = if partial {
        request.to_partial_request()
    } else {
        request.to_request()
    };
    if document.kind() == Kind::Trust {
        evaluate_trust(&request, document)
    } else {
        evaluate(&request, &[document], None)
    }
}

pub(super) fn matches_action(statement: &Statement, action: &str) -> bool {
    let listed = statement
        .actions
        .patterns()
        .iter()
        .any(|own| pattern::matches_action(own, action));
    match statement.actions {
        Scope::Only(_) => listed,
        Scope::Except(_) => !listed,
    }
}

/// A condition key and the values to try; `None` leaves the key absent.
struct Key {
    name: String,
    values: Vec<Option<String>>,
}

fn try_each(
    document: &Document,
    request: ExampleRequest,
    keys: &[Key],
    tries: &mut usize,
) -> Option<(usize, ExampleRequest)> {
    let Some((key, rest)) = keys.split_first() else {
        *tries = tries.checked_sub(1)?;
        return match decide(document, &request, false) {
            Decision::Allowed { by } => Some((by.statement, request)),
            _ => None,
        };
    };
    for value in &key.values {
        if *tries == 0 {
            return None;
        }
        let with = match value {
            Some(value) => request.clone().with(&key.name, value),
            None => request.clone(),
        };
        if let Some(found) = try_each(document, with, rest, tries) {
            return Some(found);
        }
    }
    None
}

/// Returns the keys on which the statements depend, with the most promising values first: those
/// that meet the conditions of an Allow and do not meet those of a Deny.
fn keys(statements: &[(usize, &Statement)], request: &ExampleRequest) -> Vec<Key> {
    let known: BTreeSet<String> = request
        .context
        .keys()
        .map(|key| key.to_ascii_lowercase())
        .collect();
    let mut keys: Vec<Key> = Vec::new();
    let mut add = |name: &str, values: Vec<Option<String>>| {
        if known.contains(&name.to_ascii_lowercase()) {
            return;
        }
        let at = keys
            .iter()
            .position(|key| key.name.eq_ignore_ascii_case(name));
        let at = at.unwrap_or_else(|| {
            keys.push(Key {
                name: name.to_owned(),
                values: Vec::new(),
            });
            keys.len() - 1
        });
        let key = &mut keys[at];
        for value in values {
            if !key.values.contains(&value) {
                key.values.push(value);
            }
        }
    };
    let by_effect = |effect| {
        statements
            .iter()
            .filter(move |(_, statement)| statement.effect == effect)
    };
    for (_, statement) in by_effect(Effect::Allow).chain(by_effect(Effect::Deny)) {
        for condition in &statement.conditions {
            add(&condition.key, values(condition, statement.effect));
        }
        let texts = statement.conditions.iter().flat_map(|it| &it.values);
        let resources = statement.resources.iter().flat_map(Scope::patterns);
        for text in texts.chain(resources) {
            for name in sample::variables(text) {
                add(&name, vec![Some(sample::VALUE.to_owned()), None]);
            }
        }
    }
    keys
}

/// Values that meet the condition and values that do not, the useful ones for the effect first.
fn values(condition: &Condition, effect: Effect) -> Vec<Option<String>> {
    let test = condition.operator.test;
    let own = condition.values.iter();
    let equal: Vec<Option<String>> = match test {
        Test::Null => own
            .map(|value| match value.as_str() {
                "true" => None,
                _ => Some(sample::VALUE.to_owned()),
            })
            .collect(),
        _ => own
            .flat_map(|value| meeting(test, value))
            .map(Some)
            .collect(),
    };
    let other: Vec<Option<String>> = match test {
        Test::Null => vec![None, Some(sample::VALUE.to_owned())],
        _ => condition
            .values
            .first()
            .into_iter()
            .flat_map(|value| different(test, value))
            .map(Some)
            .chain([None])
            .collect(),
    };
    let nothing = condition.operator.set == Some(SetOperator::ForAllValues);
    // A negated operator holds for the other values.
    let wants_equal = (effect == Effect::Allow) != test.is_negated();
    let (first, second) = if wants_equal {
        (equal, other)
    } else {
        (other, equal)
    };
    if nothing && effect == Effect::Allow {
        return [None].into_iter().chain(first).chain(second).collect();
    }
    first.into_iter().chain(second).collect()
}

/// Values for which a comparison with `own` is likely to hold; for a negated test, those that are
/// equal.
fn meeting(test: Test, own: &str) -> Vec<String> {
    match test.family() {
        Family::Arn if own == "*" => vec![sample::OTHER_ARN.to_owned()],
        Family::TextPattern | Family::Arn => vec![sample::fill(own)],
        Family::Text | Family::TextIgnoringCase | Family::Boolean => {
            vec![sample::fill_variables(own)]
        }
        Family::Address => vec![own.split('/').next().unwrap_or(own).to_owned()],
        Family::Number => near(test.relation(), own),
        Family::Date => match test.relation() {
            Relation::Less => vec!["1970-01-02T00:00:00Z".to_owned()],
            Relation::Greater => vec!["2999-01-01T00:00:00Z".to_owned()],
            _ => vec![own.to_owned()],
        },
        Family::Binary | Family::Presence => vec![own.to_owned()],
    }
}

fn near(relation: Relation, own: &str) -> Vec<String> {
    let whole = own.parse::<i64>().ok();
    match relation {
        Relation::Less => whole.and_then(|number| number.checked_sub(1)),
        Relation::Greater => whole.and_then(|number| number.checked_add(1)),
        _ => return vec![own.to_owned()],
    }
    .map(|number| number.to_string())
    .into_iter()
    .collect()
}

/// Values for which a comparison with `own` is likely not to hold.
fn different(test: Test, own: &str) -> Vec<String> {
    let texts: &[&str] = match test.family() {
        Family::Text | Family::TextIgnoringCase | Family::TextPattern | Family::Presence => {
            &[sample::OTHER_VALUE]
        }
        Family::Arn => &[sample::OTHER_ARN],
        Family::Number => &["0", "1000000"],
        Family::Date => &["1970-01-02T00:00:00Z", "2999-01-01T00:00:00Z"],
        Family::Boolean if own.eq_ignore_ascii_case("true") => &["false"],
        Family::Boolean => &["true"],
        Family::Binary => &["QQ==", "Qg=="],
        Family::Address => &["203.0.113.7", "198.51.100.7"],
    };
    texts.iter().map(|text| (*text).to_owned()).collect()
}
