//! Types of members, parameters and bodies.

use maud::{Markup, html};
use serde_json::Value;

use super::text;

/// Renders a type of the document with its members.
pub(super) fn definition(name: &str, schema: &Value) -> Markup {
    let required = schema["required"].as_array();
    let is_required =
        |name: &str| required.is_some_and(|names| names.iter().any(|found| found == name));
    html! {
        article {
            h3 id=(format!("type-{name}")) { (name) }
            (text::paragraphs(text::of(&schema["description"])))
            @if let Some(members) = schema["properties"].as_object() {
                div .table tabindex="0" {
                    table {
                        thead { tr { th scope="col" { "Member" } th scope="col" { "Type" } th scope="col" { "Meaning" } } }
                        tbody {
                            @for (member, found) in members {
                                tr {
                                    th scope="row" {
                                        code { (member) }
                                        @if !is_required(member) { " " span .note { "optional" } }
                                    }
                                    td { (of(found)) }
                                    td { (text::paragraphs(description(found))) }
                                }
                            }
                        }
                    }
                }
            } @else {
                p .type { (of(schema)) }
            }
        }
    }
}

/// Renders a type in a few words, with a link to where it is described.
pub(super) fn of(schema: &Value) -> Markup {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return html! { a href=(format!("#type-{name}")) { (name) } };
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[choice].as_array() {
            return html! {
                @for (number, found) in choices.iter().enumerate() {
                    @if number > 0 { " or " }
                    (of(found))
                }
            };
        }
    }
    html! {
        (kind(schema))
        @for limit in limits(schema) { " " span .limit { (text::inline(&limit)) } }
    }
}

/// Returns the description of a member: its own, or that of the type which it may have beside null.
pub(super) fn description(schema: &Value) -> &str {
    let own = text::of(&schema["description"]);
    let choices = schema["oneOf"].as_array().into_iter().flatten();
    let mut of_choices = choices.map(|choice| text::of(&choice["description"]));
    if own.is_empty() {
        of_choices.next().unwrap_or_default()
    } else {
        own
    }
}

fn kind(schema: &Value) -> Markup {
    let names = match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let names: Vec<_> = names.iter().map(text::of).collect();
            names.join(" or ")
        }
        _ => "any".to_owned(),
    };
    html! {
        @if schema["items"].is_object() {
            "array of " (of(&schema["items"]))
        } @else if schema["additionalProperties"].is_object() {
            "object, each member: " (of(&schema["additionalProperties"]))
        } @else {
            (names)
        }
        @if let Some(format) = schema["format"].as_str() { " (" (format) ")" }
    }
}

/// Returns the rules that a value must follow, as sentences.
fn limits(schema: &Value) -> Vec<String> {
    let words = [
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("minLength", "at least this many characters:"),
        ("maxLength", "at most this many characters:"),
        ("minItems", "at least this many items:"),
        ("maxItems", "at most this many items:"),
        ("maxProperties", "at most this many members:"),
    ];
    let numbers = words.into_iter().filter_map(|(rule, words)| {
        let limit = schema[rule].as_u64()?;
        Some(format!("{words} {limit}"))
    });
    let pattern = schema["pattern"]
        .as_str()
        .map(|pattern| format!("pattern `{pattern}`"));
    let values = schema["enum"].as_array().map(|values| {
        let values: Vec<_> = values
            .iter()
            .map(|value| format!("`{}`", text::of(value)))
            .collect();
        format!("one of {}", values.join(", "))
    });
    numbers.chain(pattern).chain(values).collect()
}
