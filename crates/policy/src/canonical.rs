//! The canonical form: one spelling for all documents of the same meaning.
//!
//! A statement applies to every combination of its principals, actions and resources. The document
//! is split into those combinations (atoms), atoms that other atoms contain are dropped, and the
//! remaining atoms are merged into statements by one fixed rule. The result therefore does not
//! depend on how the author spread the same grants over statements.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::arn;
use crate::condition::{Condition, Family, Operator, Test};
use crate::pattern::Pattern;
use crate::statement::{Effect, Principal, Scope, Statement};
use crate::value::{lowercase, parse_bool};
use crate::variable::Template;
use crate::version::Version;
use crate::work::{Budget, TooLarge};

/// A document with more atoms than this keeps its statements as they are: comparing each atom with
/// every other would take long, and nobody writes a document of this size by hand.
const MOST_ATOMS: usize = 512;

/// The most steps in which the patterns of a document, or of one of its lists, are compared with each
/// other: a few milliseconds. What takes more keeps its statements, or its list, as it is too.
const MOST_COMPARED: u64 = 5_000_000;

pub(crate) fn document(version: Version, statements: &[Statement]) -> Value {
    let mut groups: Vec<Group> = statements
        .iter()
        .map(|statement| Group::new(version, statement))
        .collect();
    groups.sort();
    groups.dedup();
    if groups.iter().map(Group::atoms).sum::<usize>() <= MOST_ATOMS
        && let Ok(atoms) = minimal_atoms(&groups, &mut Budget::new(MOST_COMPARED))
    {
        groups = regroup(&atoms);
    }
    let statements: Vec<Value> = groups.iter().map(Group::to_value).collect();
    json!({ "Version": Version::V2012.name(), "Statement": statements })
}

/// The actions or resources of an atom: one pattern, or everything except a list of patterns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    One(String),
    AllBut(Vec<String>),
}

/// A condition in canonical spelling.
type SpelledTest = (String, String, Vec<String>);

/// A statement in canonical spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    effect: Effect,
    principals: BTreeSet<Option<Principal>>,
    actions: BTreeSet<Part>,
    resources: BTreeSet<Option<Part>>,
    conditions: BTreeSet<SpelledTest>,
}

/// One combination of principal, action and resource of a statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Atom {
    effect: Effect,
    conditions: BTreeSet<SpelledTest>,
    principal: Option<Principal>,
    action: Part,
    resource: Option<Part>,
}

impl Group {
    fn new(version: Version, statement: &Statement) -> Group {
        let resources = match &statement.resources {
            None => BTreeSet::from([None]),
            Some(scope) => parts(scope, |text| resource(version, text))
                .into_iter()
                .map(Some)
                .collect(),
        };
        Group {
            effect: statement.effect,
            principals: principals(&statement.principals),
            actions: parts(&statement.actions, action),
            resources,
            conditions: statement
                .conditions
                .iter()
                .map(|one| condition(version, one))
                .collect(),
        }
    }

    fn atoms(&self) -> usize {
        self.principals.len() * self.actions.len() * self.resources.len()
    }

    fn to_value(&self) -> Value {
        let mut members = Map::new();
        members.insert("Effect".to_owned(), self.effect.name().into());
        let principals: Vec<&Principal> = self.principals.iter().flatten().collect();
        if principals.contains(&&Principal::Anyone) {
            members.insert("Principal".to_owned(), "*".into());
        } else if !principals.is_empty() {
            let mut types: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for principal in principals {
                types
                    .entry(principal.type_name())
                    .or_default()
                    .push(principal.id());
            }
            members.insert("Principal".to_owned(), json!(types));
        }
        write_parts(&mut members, "Action", self.actions.iter());
        write_parts(&mut members, "Resource", self.resources.iter().flatten());
        if !self.conditions.is_empty() {
            members.insert("Condition".to_owned(), write_conditions(&self.conditions));
        }
        Value::Object(members)
    }
}

fn write_parts<'a>(
    members: &mut Map<String, Value>,
    name: &str,
    parts: impl Iterator<Item = &'a Part>,
) {
    let mut texts = Vec::new();
    for part in parts {
        match part {
            Part::One(text) => texts.push(text.as_str()),
            // `regroup` never merges such a part with others.
            Part::AllBut(patterns) => {
                members.insert(format!("Not{name}"), json!(patterns));
                return;
            }
        }
    }
    if !texts.is_empty() {
        members.insert(name.to_owned(), json!(texts));
    }
}

fn write_conditions(conditions: &BTreeSet<SpelledTest>) -> Value {
    let mut operators: BTreeMap<String, BTreeMap<&str, &[String]>> = BTreeMap::new();
    for (operator, key, values) in conditions {
        let taken = operators
            .get(operator)
            .is_some_and(|keys| keys.contains_key(key.as_str()));
        // Only a statement with both ArnEquals and ArnLike on the same key gets here.
        let operator = if taken {
            operator.replacen("Like", "Equals", 1)
        } else {
            operator.clone()
        };
        operators
            .entry(operator)
            .or_default()
            .insert(key.as_str(), values.as_slice());
    }
    json!(operators)
}

/// Returns the atoms that no other atom contains.
///
/// # Errors
/// Returns an error if their patterns take too long to compare.
fn minimal_atoms(groups: &[Group], budget: &mut Budget) -> Result<BTreeSet<Atom>, TooLarge> {
    let mut atoms = BTreeSet::new();
    for group in groups {
        for principal in &group.principals {
            for action in &group.actions {
                for resource in &group.resources {
                    atoms.insert(Atom {
                        effect: group.effect,
                        conditions: group.conditions.clone(),
                        principal: principal.clone(),
                        action: action.clone(),
                        resource: resource.clone(),
                    });
                }
            }
        }
    }
    let known: Vec<Known> = atoms.iter().map(Known::new).collect();
    let mut minimal = BTreeSet::new();
    for own in &known {
        let mut is_contained = false;
        for other in &known {
            is_contained = is_contained
                || other.atom != own.atom
                    && other.contains(own, budget)?
                    && (other.atom < own.atom || !own.contains(other, budget)?);
        }
        if !is_contained {
            minimal.insert(own.atom.clone());
        }
    }
    Ok(minimal)
}

/// An atom with its patterns parsed.
struct Known<'a> {
    atom: &'a Atom,
    action: Option<Pattern>,
    resource: Option<Pattern>,
}

impl<'a> Known<'a> {
    fn new(atom: &'a Atom) -> Known<'a> {
        Known {
            atom,
            action: match &atom.action {
                Part::One(text) => constant(text),
                Part::AllBut(_) => None,
            },
            resource: match &atom.resource {
                Some(Part::One(text)) => constant(text),
                _ => None,
            },
        }
    }

    fn contains(&self, other: &Known, budget: &mut Budget) -> Result<bool, TooLarge> {
        let is_candidate = self.atom.effect == other.atom.effect
            && (self.atom.principal == other.atom.principal
                || self.atom.principal == Some(Principal::Anyone))
            && self.atom.conditions.is_subset(&other.atom.conditions);
        Ok(is_candidate
            && (self.atom.action == other.atom.action
                || contains(self.action.as_ref(), other.action.as_ref(), budget)?)
            && (self.atom.resource == other.atom.resource
                || contains(self.resource.as_ref(), other.resource.as_ref(), budget)?))
    }
}

/// An item without a pattern is contained in `*` only.
fn contains(
    outer: Option<&Pattern>,
    inner: Option<&Pattern>,
    budget: &mut Budget,
) -> Result<bool, TooLarge> {
    match (outer, inner) {
        (Some(outer), Some(inner)) => outer.contains_within(inner, budget),
        (Some(outer), None) => Ok(*outer == Pattern::new("*")),
        (None, _) => Ok(false),
    }
}

fn constant(canonical: &str) -> Option<Pattern> {
    Template::parse(Version::V2012, canonical)
        .ok()?
        .constant_pattern()
}

/// Merges atoms that differ only in the resource, then those that differ only in the action, then
/// those that differ only in the principal.
fn regroup(atoms: &BTreeSet<Atom>) -> Vec<Group> {
    let is_list = |part: &Part| matches!(part, Part::One(_));
    let mut by_resource: BTreeMap<_, BTreeSet<Option<Part>>> = BTreeMap::new();
    for (index, atom) in atoms.iter().enumerate() {
        let alone = (!atom.resource.as_ref().is_none_or(is_list)).then_some(index);
        by_resource
            .entry((
                atom.effect,
                &atom.conditions,
                &atom.principal,
                &atom.action,
                alone,
            ))
            .or_default()
            .insert(atom.resource.clone());
    }
    let mut by_action: BTreeMap<_, BTreeSet<Part>> = BTreeMap::new();
    for (index, ((effect, conditions, principal, action, _), resources)) in
        by_resource.into_iter().enumerate()
    {
        let alone = (!is_list(action)).then_some(index);
        by_action
            .entry((effect, conditions, principal, resources, alone))
            .or_default()
            .insert(action.clone());
    }
    let mut by_principal: BTreeMap<_, BTreeSet<Option<Principal>>> = BTreeMap::new();
    for ((effect, conditions, principal, resources, _), actions) in by_action {
        by_principal
            .entry((effect, conditions, resources, actions))
            .or_default()
            .insert(principal.clone());
    }
    let mut groups: Vec<Group> = by_principal
        .into_iter()
        .map(
            |((effect, conditions, resources, actions), principals)| Group {
                effect,
                principals,
                actions,
                resources,
                conditions: conditions.clone(),
            },
        )
        .collect();
    groups.sort();
    groups
}

fn parts(scope: &Scope, spell: impl Fn(&str) -> String) -> BTreeSet<Part> {
    let texts = minimal_texts(scope.patterns().iter().map(|text| spell(text)).collect());
    match scope {
        Scope::Only(_) => texts.into_iter().map(Part::One).collect(),
        Scope::Except(_) => BTreeSet::from([Part::AllBut(texts.into_iter().collect())]),
    }
}

/// Removes the patterns that another pattern of the set contains. Keeps all if there are too many,
/// or if they take too long to compare.
fn minimal_texts(texts: BTreeSet<String>) -> BTreeSet<String> {
    if texts.len() > MOST_ATOMS {
        return texts;
    }
    let minimal = without_contained(&texts, &mut Budget::new(MOST_COMPARED));
    minimal.unwrap_or(texts)
}

fn without_contained(
    texts: &BTreeSet<String>,
    budget: &mut Budget,
) -> Result<BTreeSet<String>, TooLarge> {
    let known: Vec<(&String, Option<Pattern>)> =
        texts.iter().map(|text| (text, constant(text))).collect();
    let mut minimal = BTreeSet::new();
    for (own, pattern) in &known {
        let mut is_contained = false;
        for (other, outer) in &known {
            is_contained = is_contained
                || other != own
                    && contains(outer.as_ref(), pattern.as_ref(), budget)?
                    && (other < own || !contains(pattern.as_ref(), outer.as_ref(), budget)?);
        }
        if !is_contained {
            minimal.insert((*own).clone());
        }
    }
    Ok(minimal)
}

fn action(text: &str) -> String {
    Pattern::new(text)
        .ignoring_ascii_case()
        .normalised()
        .to_policy_text()
}

fn resource(version: Version, text: &str) -> String {
    spell(version, text, true)
}

fn spell(version: Version, text: &str, wildcards: bool) -> String {
    // Every text of a document was parsed when the document was created.
    Template::parse(version, text).map_or_else(
        |_| text.to_owned(),
        |template| template.to_canonical_text(wildcards),
    )
}

fn principals(named: &[Principal]) -> BTreeSet<Option<Principal>> {
    if named.is_empty() {
        return BTreeSet::from([None]);
    }
    let spelled: BTreeSet<Principal> = named
        .iter()
        .map(|principal| match principal {
            Principal::Aws(id) if id == "*" => Principal::Anyone,
            Principal::Aws(id) => Principal::Aws(arn::account(id).unwrap_or(id).to_owned()),
            other => other.clone(),
        })
        .collect();
    if spelled.contains(&Principal::Anyone) {
        return BTreeSet::from([Some(Principal::Anyone)]);
    }
    spelled.into_iter().map(Some).collect()
}

fn condition(version: Version, condition: &Condition) -> SpelledTest {
    let Condition {
        operator,
        key,
        values,
    } = condition;
    let test = match operator.test {
        Test::ArnEquals => Test::ArnLike,
        Test::ArnNotEquals => Test::ArnNotLike,
        other => other,
    };
    let family = test.family();
    let values: BTreeSet<String> = values
        .iter()
        .map(|value| match family {
            Family::Text => spell(version, value, false),
            Family::TextIgnoringCase => lowercase(&spell(version, value, false)),
            Family::TextPattern | Family::Arn => spell(version, value, true),
            Family::Boolean | Family::Presence => {
                parse_bool(value).map_or_else(|| value.clone(), |value| value.to_string())
            }
            Family::Number | Family::Date | Family::Binary | Family::Address => value.clone(),
        })
        .collect();
    let values = match family {
        Family::TextPattern => minimal_texts(values),
        _ => values,
    };
    let operator = Operator { test, ..*operator };
    (
        operator.to_string(),
        key.to_lowercase(),
        values.into_iter().collect(),
    )
}
