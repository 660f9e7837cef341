//! A policy document, written so that a person can read it.

use maud::{Markup, html};
use serde_json::Value;

use super::pieces::{Tone, badge, json_box};

/// The document as one block for each statement, and as JSON.
pub(super) fn readable(document: &Value) -> Markup {
    html! {
        ol.statements {
            @for statement in list(&document["Statement"]) { li { (statement_of(statement)) } }
        }
        details {
            summary { "The document as JSON" }
            (json_box(document, "Policy document"))
        }
    }
}

fn statement_of(statement: &Value) -> Markup {
    let is_deny = statement["Effect"] == "Deny";
    html! {
        p.statement {
            (badge(if is_deny { Tone::Bad } else { Tone::Good }, if is_deny { "Deny" } else { "Allow" }))
            @if let Some(sid) = statement["Sid"].as_str() { " " strong { (sid) } }
        }
        dl.facts {
            (words("Actions", &statement["Action"], action_in_words))
            (words("All actions but", &statement["NotAction"], |_| None))
            (words("Resources", &statement["Resource"], |_| None))
            (words("All resources but", &statement["NotResource"], |_| None))
            @if let Some(conditions) = statement["Condition"].as_object() {
                div {
                    dt { "Only if" }
                    dd { ul { @for (operator, keys) in conditions { (condition(operator, keys)) } } }
                }
            }
        }
    }
}

fn words(name: &str, value: &Value, explain: impl Fn(&str) -> Option<&'static str>) -> Markup {
    let all = list(value);
    html! {
        @if !all.is_empty() {
            div {
                dt { (name) }
                dd {
                    ul {
                        @for text in all.into_iter().map(text) {
                            li {
                                code.breakable { (text) }
                                @if let Some(words) = explain(&text) { span.quiet { " " (words) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn condition(operator: &str, keys: &Value) -> Markup {
    html! {
        @for (key, values) in keys.as_object().into_iter().flatten() {
            li {
                code.breakable { (key) } " " (operator) " "
                @for (place, value) in list(values).into_iter().enumerate() {
                    @if place > 0 { " or " }
                    code.breakable { (text(value)) }
                }
            }
        }
    }
}

/// Returns the values of a member that is one value or a list.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().collect(),
        one => vec![one],
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns what an action does, for the actions of the service's own policies.
fn action_in_words(action: &str) -> Option<&'static str> {
    Some(match action {
        "secretsmanager:GetSecretValue" => "reads the value of a secret",
        "kms:Decrypt" => "decrypts with a KMS key",
        "ssm:UpdateInstanceInformation" => "registers the node with Session Manager",
        "ssmmessages:CreateControlChannel" | "ssmmessages:OpenControlChannel" => {
            "lets Session Manager control the node"
        }
        "ssmmessages:CreateDataChannel" | "ssmmessages:OpenDataChannel" => {
            "carries the data of a session"
        }
        _ => return None,
    })
}
