//! Writes the compact text of a document, with the elements in the order in which people read them.

use std::fmt::Write as _;

use crate::condition::Condition;
use crate::json;
use crate::statement::{Principal, Scope, Statement};
use crate::version::Version;

pub(crate) fn document(
    version: Option<Version>,
    id: Option<&str>,
    statements: &[Statement],
) -> String {
    let mut members = Vec::new();
    if let Some(version) = version {
        members.push(("Version", string(version.name())));
    }
    if let Some(id) = id {
        members.push(("Id", string(id)));
    }
    let statements: Vec<String> = statements.iter().map(statement).collect();
    members.push(("Statement", format!("[{}]", statements.join(","))));
    object(members)
}

/// Indents a compact text for people.
pub(crate) fn indented(compact: &str) -> String {
    let mut lines = String::with_capacity(compact.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let line = |lines: &mut String, depth: usize| {
        lines.push('\n');
        lines.extend(std::iter::repeat_n("  ", depth));
    };
    for character in compact.chars() {
        if in_string {
            lines.push(character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        match character {
            '{' | '[' => {
                depth += 1;
                lines.push(character);
                line(&mut lines, depth);
            }
            '}' | ']' => {
                depth -= 1;
                line(&mut lines, depth);
                lines.push(character);
            }
            ',' => {
                lines.push(',');
                line(&mut lines, depth);
            }
            ':' => lines.push_str(": "),
            _ => {
                in_string = character == '"';
                lines.push(character);
            }
        }
    }
    lines
}

fn statement(statement: &Statement) -> String {
    let mut members = Vec::new();
    if let Some(sid) = &statement.sid {
        members.push(("Sid", string(sid)));
    }
    members.push(("Effect", string(statement.effect.name())));
    if !statement.principals.is_empty() {
        members.push(("Principal", principals(&statement.principals)));
    }
    members.push(match &statement.actions {
        Scope::Only(patterns) => ("Action", strings(patterns)),
        Scope::Except(patterns) => ("NotAction", strings(patterns)),
    });
    match &statement.resources {
        Some(Scope::Only(patterns)) => members.push(("Resource", strings(patterns))),
        Some(Scope::Except(patterns)) => members.push(("NotResource", strings(patterns))),
        None => {}
    }
    if !statement.conditions.is_empty() {
        members.push(("Condition", conditions(&statement.conditions)));
    }
    object(members)
}

fn principals(principals: &[Principal]) -> String {
    if principals == [Principal::Anyone] {
        return string("*");
    }
    let mut types: Vec<(&str, Vec<String>)> = Vec::new();
    for principal in principals {
        let id = principal.id().to_owned();
        match types
            .iter_mut()
            .find(|(name, _)| *name == principal.type_name())
        {
            Some((_, ids)) => ids.push(id),
            None => types.push((principal.type_name(), vec![id])),
        }
    }
    object(types.iter().map(|(name, ids)| (*name, strings(ids))))
}

/// The conditions of one operator are next to each other; `Document` guarantees this.
fn conditions(conditions: &[Condition]) -> String {
    let operators = conditions
        .chunk_by(|one, next| one.operator == next.operator)
        .map(|same| {
            let keys = same
                .iter()
                .map(|condition| (condition.key.as_str(), strings(&condition.values)));
            (same[0].operator.to_string(), object(keys))
        });
    object(operators)
}

fn object<K: AsRef<str>>(members: impl IntoIterator<Item = (K, String)>) -> String {
    let members: Vec<String> = members
        .into_iter()
        .map(|(name, value)| format!("{}:{value}", string(name.as_ref())))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// Writes a list of strings; a single string is written without a list.
fn strings(values: &[String]) -> String {
    if let [value] = values {
        return string(value);
    }
    let values: Vec<String> = values.iter().map(|value| string(value)).collect();
    format!("[{}]", values.join(","))
}

/// Writes a string with escapes for the characters that IAM accepts only as escapes.
fn string(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    if quoted.chars().all(json::is_taken) {
        return quoted;
    }
    let mut escaped = String::with_capacity(quoted.len());
    for character in quoted.chars() {
        if json::is_taken(character) {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String can't fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}
