//! Texts of the document as HTML.

use maud::{Markup, html};
use serde_json::Value;

/// Returns a text, or an empty one where there is none.
pub(super) fn of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Returns a word with a capital letter.
pub(super) fn title(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Renders a description: paragraphs, lists whose lines begin with `- `, and code between backticks.
pub(super) fn paragraphs(description: &str) -> Markup {
    html! {
        @for block in description.split("\n\n").filter(|block| !block.trim().is_empty()) {
            @if block.starts_with("- ") {
                ul {
                    @for item in block.split("\n- ") {
                        li { (inline(item.trim_start_matches("- "))) }
                    }
                }
            } @else {
                p { (inline(block)) }
            }
        }
    }
}

/// Renders a text with code between backticks.
pub(super) fn inline(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// Renders a value as code: a text as it is, other values as JSON.
pub(super) fn example(value: &Value) -> Markup {
    let text = match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    // A keyboard can scroll what is wider than the page.
    html! { pre tabindex="0" { code { (text) } } }
}
