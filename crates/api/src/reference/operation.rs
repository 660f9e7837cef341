//! Operations: a method and a path, with parameters, bodies and answers.

use maud::{Markup, html};
use serde_json::Value;

use super::{schema, text};

/// One operation of the document.
pub(super) struct Operation<'a> {
    path: &'a str,
    method: String,
    found: &'a Value,
}

impl<'a> Operation<'a> {
    pub(super) fn new(path: &'a str, method: &str, found: &'a Value) -> Self {
        let method = method.to_uppercase();
        Self {
            path,
            method,
            found,
        }
    }

    pub(super) fn tag(&self) -> &'a str {
        text::of(&self.found["tags"][0])
    }

    pub(super) fn id(&self) -> &'a str {
        text::of(&self.found["operationId"])
    }

    /// Returns what the operation does, without the full stop.
    pub(super) fn name(&self) -> &'a str {
        text::of(&self.found["summary"]).trim_end_matches('.')
    }

    fn needs_key(&self) -> bool {
        self.found["security"].is_null()
    }

    pub(super) fn render(&self, document: &Value) -> Markup {
        let parameters = self.found["parameters"].as_array();
        html! {
            article {
                h3 id=(self.id()) { (text::inline(self.name())) }
                p .call {
                    span class=(format!("method {}", self.method.to_lowercase())) { (self.method) }
                    " " code { (self.path) }
                }
                (text::paragraphs(text::of(&self.found["description"])))
                @if !self.needs_key() { p { "Needs no API key." } }
                (text::example(&Value::from(self.command())))
                @if let Some(parameters) = parameters { (parameters_table(parameters)) }
                (self.body())
                (self.answers(document))
            }
        }
    }

    /// Returns a command that sends the request.
    fn command(&self) -> String {
        let method = match self.method.as_str() {
            "GET" => String::new(),
            other => format!(" -X {other}"),
        };
        let key = if self.needs_key() {
            " \\\n    -H \"Authorization: Bearer $ENGINE_ROLES_API_KEY\""
        } else {
            ""
        };
        let bodies = &self.found["requestBody"]["content"]["application/json"];
        let examples = bodies["examples"].as_object();
        let first = examples.and_then(|examples| examples.values().next());
        let example = first.map_or(&bodies["example"], |example| &example["value"]);
        let body = if example.is_null() {
            String::new()
        } else {
            format!(" \\\n    --json '{example}'")
        };
        format!(
            "curl{method} \"$ENGINE_ROLES_ADDR{}\"{key}{body}",
            self.path_of_example()
        )
    }

    /// Returns the path with an example in place of each parameter.
    fn path_of_example(&self) -> String {
        let parameters = self.found["parameters"].as_array().into_iter().flatten();
        let mut path = self.path.to_owned();
        for parameter in parameters.filter(|parameter| parameter["in"] == "path") {
            let name = text::of(&parameter["name"]);
            let value = match &parameter["example"] {
                Value::String(text) => text.clone(),
                Value::Null => name.to_uppercase(),
                other => other.to_string(),
            };
            path = path.replace(&format!("{{{name}}}"), &value);
        }
        path
    }

    fn body(&self) -> Markup {
        let contents = self.found["requestBody"]["content"].as_object();
        html! {
            @for (kind, content) in contents.into_iter().flatten() {
                h4 { "Body" }
                p { code { (kind) } ": " (schema::of(&content["schema"])) }
                @for example in content["examples"].as_object().into_iter().flatten() {
                    details {
                        summary { "Example: " (text::of(&example.1["summary"])) }
                        (text::example(&example.1["value"]))
                    }
                }
            }
        }
    }

    fn answers(&self, document: &Value) -> Markup {
        let answers = self.found["responses"].as_object();
        html! {
            h4 { "Answers" }
            @for (status, answer) in answers.into_iter().flatten() {
                details class=(if status.starts_with('2') { "success" } else { "problem" }) {
                    summary { span .status { (status) } " " (outcome(answer)) }
                    @if answer["x-problem-codes"].is_array() {
                        (text::paragraphs(text::of(&answer["description"])))
                    }
                    @for (kind, content) in answer["content"].as_object().into_iter().flatten() {
                        p { code { (kind) } ": " (schema::of(&content["schema"])) }
                        @if !content["example"].is_null() { (text::example(&content["example"])) }
                        @for (code, example) in content["examples"].as_object().into_iter().flatten() {
                            @let found = resolve(document, example);
                            p { "Example: " code { (code) } }
                            (text::example(&found["value"]))
                        }
                    }
                    (headers(&answer["headers"]))
                }
            }
        }
    }
}

/// Renders what an answer means in one line: the codes of its problems, or its description.
fn outcome(answer: &Value) -> Markup {
    let codes = answer["x-problem-codes"].as_array();
    html! {
        @if let Some(codes) = codes {
            @for (number, code) in codes.iter().enumerate() {
                @if number > 0 { ", " }
                code { (text::of(code)) }
            }
        } @else {
            (text::inline(text::of(&answer["description"])))
        }
    }
}

/// Returns what a reference within the document points to, or the value itself.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix('#'));
    target
        .and_then(|target| document.pointer(target))
        .unwrap_or(value)
}

fn parameters_table(parameters: &[Value]) -> Markup {
    html! {
        h4 { "Parameters" }
        div .table tabindex="0" {
            table {
                thead { tr { th scope="col" { "Name" } th scope="col" { "In" } th scope="col" { "Type" } th scope="col" { "Meaning" } } }
                tbody {
                    @for parameter in parameters {
                        tr {
                            th scope="row" {
                                code { (text::of(&parameter["name"])) }
                                @if parameter["required"] != true { " " span .note { "optional" } }
                            }
                            td { (text::of(&parameter["in"])) }
                            td { (schema::of(&parameter["schema"])) }
                            td { (text::paragraphs(text::of(&parameter["description"]))) }
                        }
                    }
                }
            }
        }
    }
}

fn headers(headers: &Value) -> Markup {
    let headers = headers.as_object();
    html! {
        @if headers.is_some_and(|headers| !headers.is_empty()) {
            p { "Headers:" }
            dl {
                @for (name, header) in headers.into_iter().flatten() {
                    dt { code { (name) } }
                    dd { (text::inline(text::of(&header["description"]))) }
                }
            }
        }
    }
}
