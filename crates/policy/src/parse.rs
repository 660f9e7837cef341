//! Reads statements from JSON: checks which elements exist and which types they have.

use crate::condition::{Condition, Operator};
use crate::error::{PolicyError, Rule};
use crate::json::Node;
use crate::kind::Kind;
use crate::statement::{Effect, Principal, Scope, Statement};
use crate::value::without_exponent;
use crate::version::Version;

pub(crate) type Members = [(String, Node)];

/// The elements of a statement.
pub(crate) const ELEMENTS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

/// The elements of a document, each of the right type.
pub(crate) struct Elements {
    /// `None` if the document states no version.
    pub(crate) version: Option<Version>,
    pub(crate) id: Option<String>,
    pub(crate) statements: Vec<Statement>,
}

pub(crate) fn elements(kind: Kind, node: &Node) -> Result<Elements, PolicyError> {
    let members = object("", node)?;
    known("", members, &["Version", "Id", "Statement"])?;

    let version = match member(members, "Version") {
        None => None,
        Some(node) => Some(version(text("Version", node)?)?),
    };
    let id = match member(members, "Id") {
        None => None,
        Some(_) if kind != Kind::Trust => {
            return Err(PolicyError::new(
                "Id",
                Rule::ProhibitedElement,
                "only resource policies and trust policies can have an Id",
            ));
        }
        Some(node) => Some(text("Id", node)?.to_owned()),
    };
    let statements = match member(members, "Statement") {
        None => return Err(missing("", "a Statement")),
        Some(Node::List(items)) => items
            .iter()
            .enumerate()
            .map(|(index, item)| statement(&format!("Statement[{index}]"), item))
            .collect::<Result<_, _>>()?,
        Some(node) => vec![statement("Statement[0]", node)?],
    };
    Ok(Elements {
        version,
        id,
        statements,
    })
}

pub(crate) fn version(name: &str) -> Result<Version, PolicyError> {
    [Version::V2008, Version::V2012]
        .into_iter()
        .find(|version| version.name() == name)
        .ok_or_else(|| {
            PolicyError::new(
                "Version",
                Rule::InvalidVersion,
                format!("{name:?} is neither 2012-10-17 nor 2008-10-17"),
            )
        })
}

fn statement(place: &str, node: &Node) -> Result<Statement, PolicyError> {
    let members = object(place, node)?;
    known(place, members, &ELEMENTS)?;
    if member(members, "NotPrincipal").is_some() {
        return Err(PolicyError::new(
            &format!("{place}.NotPrincipal"),
            Rule::ProhibitedElement,
            "neither trust policies nor identity policies can have NotPrincipal",
        ));
    }
    let effect = match member(members, "Effect") {
        None => return Err(missing(place, "an Effect")),
        Some(node) => effect(&format!("{place}.Effect"), node)?,
    };
    let sid = match member(members, "Sid") {
        None => None,
        Some(node) => Some(text(&format!("{place}.Sid"), node)?.to_owned()),
    };
    let principals = match member(members, "Principal") {
        None => Vec::new(),
        Some(node) => principals(&format!("{place}.Principal"), node)?,
    };
    let actions = scope(place, members, "Action", "NotAction")?
        .ok_or_else(|| missing(place, "an Action or a NotAction"))?;
    let resources = scope(place, members, "Resource", "NotResource")?;
    let conditions = match member(members, "Condition") {
        None => Vec::new(),
        Some(node) => conditions(&format!("{place}.Condition"), node)?,
    };
    Ok(Statement {
        sid,
        effect,
        principals,
        actions,
        resources,
        conditions,
    })
}

pub(crate) fn effect(place: &str, node: &Node) -> Result<Effect, PolicyError> {
    match text(place, node)? {
        "Allow" => Ok(Effect::Allow),
        "Deny" => Ok(Effect::Deny),
        other => Err(PolicyError::new(
            place,
            Rule::InvalidEffect,
            format!("{other:?} is neither Allow nor Deny"),
        )),
    }
}

pub(crate) fn scope(
    place: &str,
    members: &Members,
    only: &str,
    except: &str,
) -> Result<Option<Scope>, PolicyError> {
    match (member(members, only), member(members, except)) {
        (None, None) => Ok(None),
        (Some(node), None) => Ok(Some(Scope::Only(texts(&format!("{place}.{only}"), node)?))),
        (None, Some(node)) => Ok(Some(Scope::Except(texts(
            &format!("{place}.{except}"),
            node,
        )?))),
        (Some(_), Some(_)) => Err(PolicyError::new(
            place,
            Rule::ConflictingElements,
            format!("{only} and {except} exclude each other"),
        )),
    }
}

pub(crate) fn principals(place: &str, node: &Node) -> Result<Vec<Principal>, PolicyError> {
    if let Node::Text(text) = node {
        return if text == "*" {
            Ok(vec![Principal::Anyone])
        } else {
            Err(PolicyError::new(
                place,
                Rule::InvalidPrincipal,
                format!("{text:?} has no principal type; only \"*\" can be written without one"),
            ))
        };
    }
    let members = object(place, node)?;
    known(
        place,
        members,
        &["AWS", "Service", "Federated", "CanonicalUser"],
    )?;
    if members.is_empty() {
        return Err(PolicyError::new(place, Rule::Empty, "has no principal"));
    }
    let mut principals = Vec::new();
    for (name, node) in members {
        let principal = match name.as_str() {
            "AWS" => Principal::Aws,
            "Service" => Principal::Service,
            "Federated" => Principal::Federated,
            _ => Principal::CanonicalUser,
        };
        let ids = texts(&format!("{place}.{name}"), node)?;
        principals.extend(ids.into_iter().map(principal));
    }
    Ok(principals)
}

pub(crate) fn conditions(place: &str, node: &Node) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    let operators = object(place, node)?;
    unique(place, operators)?;
    for (name, node) in operators {
        let place = format!("{place}.{name}");
        let operator = Operator::parse(name).ok_or_else(|| {
            PolicyError::new(
                &place,
                Rule::InvalidOperator,
                format!("{name:?} is not a condition operator"),
            )
        })?;
        let keys = object(&place, node)?;
        unique(&place, keys)?;
        if keys.is_empty() {
            return Err(PolicyError::new(
                &place,
                Rule::Empty,
                "has no condition key",
            ));
        }
        for (key, node) in keys {
            conditions.push(Condition {
                operator,
                key: key.clone(),
                values: condition_values(&format!("{place}.{key}"), node)?,
            });
        }
    }
    Ok(conditions)
}

/// Only condition values may be JSON numbers and Booleans, without quotation marks.
fn condition_values(place: &str, node: &Node) -> Result<Vec<String>, PolicyError> {
    let value = |place: &str, node: &Node| match node {
        Node::Text(text) => Ok(text.clone()),
        Node::Number(text) => Ok(without_exponent(text).unwrap_or_else(|| text.clone())),
        Node::Bool(value) => Ok(value.to_string()),
        other => Err(wrong_type(place, "a string, a number or a Boolean", other)),
    };
    match node {
        Node::List(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| value(&format!("{place}[{index}]"), item))
            .collect(),
        node => Ok(vec![value(place, node)?]),
    }
}

pub(crate) fn member<'a>(members: &'a Members, name: &str) -> Option<&'a Node> {
    members
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, node)| node)
}

pub(crate) fn object<'a>(place: &str, node: &'a Node) -> Result<&'a Members, PolicyError> {
    match node {
        Node::Object(members) => Ok(members),
        other => Err(wrong_type(place, "an object", other)),
    }
}

pub(crate) fn text<'a>(place: &str, node: &'a Node) -> Result<&'a str, PolicyError> {
    match node {
        Node::Text(text) => Ok(text),
        other => Err(wrong_type(place, "a string", other)),
    }
}

fn texts(place: &str, node: &Node) -> Result<Vec<String>, PolicyError> {
    match node {
        Node::Text(text) => Ok(vec![text.clone()]),
        Node::List(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| Ok(text(&format!("{place}[{index}]"), item)?.to_owned()))
            .collect(),
        other => Err(wrong_type(place, "a string or a list of strings", other)),
    }
}

pub(crate) fn known(place: &str, members: &Members, names: &[&str]) -> Result<(), PolicyError> {
    unique(place, members)?;
    for (name, _) in members {
        if !names.contains(&name.as_str()) {
            return Err(PolicyError::new(
                &join(place, name),
                Rule::UnknownElement,
                format!("{name:?} is none of {}", names.join(", ")),
            ));
        }
    }
    Ok(())
}

fn unique(place: &str, members: &Members) -> Result<(), PolicyError> {
    let mut seen = std::collections::HashSet::new();
    for (name, _) in members {
        if !seen.insert(name) {
            return Err(PolicyError::new(
                &join(place, name),
                Rule::DuplicateKey,
                "the name occurs twice in one object",
            ));
        }
    }
    Ok(())
}

fn join(place: &str, name: &str) -> String {
    if place.is_empty() {
        name.to_owned()
    } else {
        format!("{place}.{name}")
    }
}

pub(crate) fn missing(place: &str, what: &str) -> PolicyError {
    PolicyError::new(place, Rule::MissingElement, format!("{what} is missing"))
}

fn wrong_type(place: &str, expected: &str, found: &Node) -> PolicyError {
    PolicyError::new(
        place,
        Rule::WrongType,
        format!("must be {expected}, not {}", found.describe()),
    )
}
