//! Reads a document that AWS holds. What is not of the policy language puts exactly the decisions
//! in doubt that it can affect.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::doubt::Doubt;
use crate::error::{PolicyError, Rule};
use crate::json::Node;
use crate::kind::Kind;
use crate::parse::{self, Members};
use crate::statement::{Effect, Scope, Statement};
use crate::validate;
use crate::version::Version;

/// What was not understood of a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unclear {
    /// Whether the statement may also be a Deny: its Effect was not understood.
    pub(crate) effect: bool,
    /// Whether principals may be named that were not understood.
    pub(crate) principals: bool,
    /// Parts because of which the statement may not apply. They are like conditions of which it is
    /// not known whether they hold.
    pub(crate) parts: BTreeSet<Doubt>,
    /// Everything that was not understood, also a text of an action or a resource.
    pub(crate) errors: Vec<PolicyError>,
}

impl Unclear {
    /// Notes a part because of which the statement may not apply.
    fn part(&mut self, error: PolicyError) {
        let reason = error.reason.clone();
        self.parts.insert(Doubt::new(error.place.clone(), reason));
        self.errors.push(error);
    }

    fn note<T>(&mut self, read: Result<T, PolicyError>) -> Option<T> {
        read.map_err(|error| self.part(error)).ok()
    }
}

/// A document, and what was not understood, by the index of the statement.
pub(crate) struct Read {
    pub(crate) version: Option<Version>,
    pub(crate) id: Option<String>,
    pub(crate) statements: Vec<Statement>,
    pub(crate) unclear: BTreeMap<usize, Unclear>,
}

/// # Errors
/// Returns an error if the document is not an object or has no Statement.
pub(crate) fn document(kind: Kind, node: &Node) -> Result<Read, PolicyError> {
    let members = parse::object("", node)?;
    let mut whole = Unclear::default();
    whole.note(parse::known("", members, &["Version", "Id", "Statement"]));
    let mut version = None;
    for (_, node) in members.iter().filter(|(name, _)| name == "Version") {
        let read = parse::text("Version", node).and_then(parse::version);
        // The newest version is the widest: only it has variables.
        version = Some(whole.note(read).unwrap_or(Version::V2012));
    }
    let id = parse::member(members, "Id").and_then(|node| parse::text("Id", node).ok());
    let written = members.iter().filter(|(name, _)| name == "Statement");
    let written: Vec<&Node> = written
        .flat_map(|(_, node)| match node {
            Node::List(items) => items.iter().collect(),
            single => vec![single],
        })
        .collect();
    if parse::member(members, "Statement").is_none() {
        return Err(parse::missing("", "a Statement"));
    }
    let (mut statements, mut unclear) = (Vec::new(), BTreeMap::new());
    for (index, node) in written.into_iter().enumerate() {
        let mut found = whole.clone();
        let place = format!("Statement[{index}]");
        let mut statement = statement(kind, &place, node, &mut found);
        statement.complete_arns();
        texts(
            version.unwrap_or(Version::V2008),
            &place,
            &statement,
            &mut found,
        );
        if found != Unclear::default() {
            unclear.insert(index, found);
        }
        statements.push(statement);
    }
    Ok(Read {
        version,
        id: id.map(str::to_owned),
        statements,
        unclear,
    })
}

/// Reads a statement. An element that was not understood is read as what it can match at most.
fn statement(kind: Kind, place: &str, node: &Node, unclear: &mut Unclear) -> Statement {
    let everything = || Scope::Only(vec!["*".to_owned()]);
    let members = unclear.note(parse::object(place, node));
    let members = members.unwrap_or_default();
    unclear.note(parse::known(place, members, &parse::ELEMENTS));
    let twice = repeated(members);
    let effect = match parse::member(members, "Effect") {
        Some(node) if !twice.contains("Effect") => parse::effect(&format!("{place}.Effect"), node),
        _ => Err(parse::missing(place, "one Effect")),
    };
    let effect = unclear.note(effect).unwrap_or_else(|| {
        unclear.effect = true;
        Effect::Allow
    });
    let mut scope = |only: &str, except: &str| {
        if twice.contains(only) || twice.contains(except) {
            return Some(everything());
        }
        let read = parse::scope(place, members, only, except);
        let read = read.and_then(|scope| match scope {
            Some(scope) if scope.patterns().is_empty() => Err(PolicyError::new(
                &format!("{place}.{only}"),
                Rule::Empty,
                "the list is empty",
            )),
            scope => Ok(scope),
        });
        unclear.note(read).unwrap_or_else(|| Some(everything()))
    };
    let actions = scope("Action", "NotAction");
    let mut resources = scope("Resource", "NotResource");
    let actions = actions.unwrap_or_else(|| {
        unclear.part(parse::missing(place, "an Action or a NotAction"));
        everything()
    });
    let has_principal = ["Principal", "NotPrincipal"]
        .iter()
        .any(|name| parse::member(members, name).is_some());
    let mut principals = Vec::new();
    match kind {
        Kind::Trust => {
            if resources.take().is_some() {
                unclear.part(prohibited(place, "Resource"));
            }
            principals = trusted(place, members, &twice, unclear);
        }
        Kind::Identity | Kind::Boundary => {
            if has_principal {
                unclear.part(prohibited(place, "Principal"));
            }
            if resources.is_none() {
                unclear.part(parse::missing(place, "a Resource or a NotResource"));
                resources = Some(everything());
            }
        }
    }
    let conditions = match parse::member(members, "Condition") {
        Some(node) if !twice.contains("Condition") => {
            let place = format!("{place}.Condition");
            let operators = each_operator(node);
            let read = operators.iter().map(|node| {
                let read = parse::conditions(&place, node)?;
                validate::check_keys(&place, &read)?;
                Ok(read)
            });
            let read: Vec<Result<_, PolicyError>> = read.collect();
            let read = read.into_iter().filter_map(|read| unclear.note(read));
            read.flatten().collect()
        }
        _ => Vec::new(),
    };
    let sid = parse::member(members, "Sid").and_then(|node| parse::text(place, node).ok());
    Statement {
        sid: sid.map(str::to_owned),
        effect,
        principals,
        actions,
        resources,
        conditions,
    }
}

/// Returns the conditions of each operator alone, so that one that is not understood leaves the others
/// as they are: a condition that does not hold settles that the statement does not apply.
fn each_operator(node: &Node) -> Vec<Node> {
    match node {
        Node::Object(operators) if repeated(operators).is_empty() && !operators.is_empty() => {
            let operators = operators.iter();
            operators
                .map(|operator| Node::Object(vec![operator.clone()]))
                .collect()
        }
        whole => vec![whole.clone()],
    }
}

/// Reads the principals of a trust policy.
fn trusted(
    place: &str,
    members: &Members,
    twice: &HashSet<&str>,
    unclear: &mut Unclear,
) -> Vec<crate::statement::Principal> {
    let place = format!("{place}.Principal");
    let read = match parse::member(members, "Principal") {
        Some(node) if !twice.contains("Principal") => parse::principals(&place, node),
        _ => Err(parse::missing(&place, "one Principal")),
    };
    let others = parse::member(members, "NotPrincipal").map(|_| prohibited(&place, "NotPrincipal"));
    let errors = read.as_ref().err().cloned().into_iter().chain(others);
    for error in errors {
        unclear.principals = true;
        unclear.errors.push(error);
    }
    read.unwrap_or_default()
}

/// Notes the texts that are not of the policy language. They need no other mark: the evaluation
/// finds them again.
fn texts(version: Version, place: &str, statement: &Statement, unclear: &mut Unclear) {
    let checks = [
        validate::check_actions(place, &statement.actions),
        validate::check_resource_texts(version, place, statement.resources.as_ref()),
        validate::check_conditions(version, place, &statement.conditions),
        statement
            .principals
            .iter()
            .try_for_each(|principal| validate::check_principal(place, principal)),
    ];
    unclear
        .errors
        .extend(checks.into_iter().filter_map(Result::err));
}

fn repeated(members: &Members) -> HashSet<&str> {
    let mut seen = HashSet::new();
    let names = members.iter().map(|(name, _)| name.as_str());
    names.filter(|name| !seen.insert(*name)).collect()
}

fn prohibited(place: &str, element: &str) -> PolicyError {
    PolicyError::new(
        place,
        Rule::ProhibitedElement,
        format!("this kind of document can't have {element}"),
    )
}
