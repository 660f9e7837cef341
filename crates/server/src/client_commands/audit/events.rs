//! The events of the audit log as lines.

use engine_roles_contract::{AuditEvent, AuditPage};
use serde_json::Value;

use super::super::failure::Failure;
use super::super::screen::{Screen, clean, print_line};
use super::super::wire::{time, word};

/// The most characters of one value of an event's detail.
const LONGEST_VALUE: usize = 120;

/// Prints the events of a page, each in a line.
pub(super) fn print(page: &AuditPage, text: &str, screen: Screen) -> Result<(), Failure> {
    let lines = lines(page, text, screen);
    lines.iter().try_for_each(|line| print_line(line))
}

/// Returns the events of a page as lines: for people, or as the JSON that the service sent.
pub(super) fn lines(page: &AuditPage, text: &str, screen: Screen) -> Vec<String> {
    if !screen.is_json() {
        return page.items.iter().map(line).collect();
    }
    let json: Value = serde_json::from_str(text).unwrap_or_default();
    let items = json["items"].as_array().into_iter().flatten();
    items.map(Value::to_string).collect()
}

fn line(event: &AuditEvent) -> String {
    let AuditEvent { seq, actor, .. } = event;
    let (at, action) = (time(event.at), word(&event.action));
    let mut line = format!("{at}  {seq:>6}  {action:<19}");
    if let Some(cluster) = &event.cluster {
        line.extend(["  ", cluster]);
    }
    let state = |state: &Option<_>| state.as_ref().map(word);
    line.extend(
        state(&event.to_state).map(|to| match state(&event.from_state) {
            Some(from) => format!("  {from} -> {to}"),
            None => format!("  {to}"),
        }),
    );
    line.extend(["  by ", actor]);
    line.extend(
        event
            .source
            .as_ref()
            .map(|source| format!(" from {source}")),
    );
    let generation = event.generation;
    line.extend(generation.map(|generation| format!("  generation={generation}")));
    line.push_str(&detail(&event.detail));
    clean(&line)
}

/// Returns the members of an event's detail that are a text, a number, a truth value or a list of
/// such. The others, such as a spec, are too long for a line.
fn detail(detail: &Value) -> String {
    let members = detail.as_object().into_iter().flatten();
    let short = members.filter_map(|(name, value)| Some((name, short(value)?)));
    let mut line = String::new();
    for (name, value) in short {
        line.extend(["  ", name, "=", &shortened(&value)]);
    }
    line
}

fn short(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(short).collect();
            Some(items?.join(", "))
        }
        _ => Some(word(value)),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_detail_of_an_event_is_one_short_line() {
        let value = json!({
            "code": "name_taken", "generation": 3, "empty": [], "none": null,
            "left": ["role x", "role y"], "long": "x".repeat(200), "spec": {"mode": "create"},
        });
        let expected = format!(
            "  code=name_taken  generation=3  left=role x, role y  long={}…",
            "x".repeat(LONGEST_VALUE)
        );
        assert_eq!(detail(&value), expected);
        assert_eq!(detail(&json!({})), "");
    }
}
