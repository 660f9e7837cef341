//! Checks that every answer of the service is one that the OpenAPI document states: its status, its
//! headers and the code of its problem.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use reqwest::Method;
use reqwest::header::HeaderName;
use serde_json::Value;

use super::Answer;
use crate::service::command;

/// Headers that the document does not state, because they belong to HTTP itself.
const OF_HTTP: [&str; 9] = [
    "allow",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "transfer-encoding",
    "vary",
];

/// Checks the answer to a request with this method, for this path.
///
/// # Panics
/// When the document does not state the answer.
pub(crate) fn assert_documented(method: &Method, path: &str, answer: &Answer) {
    let wrong = undocumented(document(), method.as_str(), path, answer);
    assert!(wrong.is_empty(), "{method} {path}: {}", wrong.join("; "));
}

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let printed = command(&["openapi"], &BTreeMap::new()).output();
        let printed = printed.expect("the binary can be run");
        serde_json::from_slice(&printed.stdout).expect("the document is JSON")
    })
}

/// Returns what the document does not state of an answer. An answer to a method or a path that the
/// document does not have must be 404 or 405, and says nothing about the document.
fn undocumented(document: &Value, method: &str, path: &str, answer: &Answer) -> Vec<String> {
    let Some(operation) = operation(document, method, path) else {
        return Vec::new();
    };
    let stated = &operation["responses"][answer.status.to_string()];
    if stated.is_null() {
        return vec![format!("status {} is not documented", answer.status)];
    }
    let mut wrong = Vec::new();
    if let Some(code) = answer.problem_code() {
        let codes = stated["x-problem-codes"].as_array();
        if !codes.is_some_and(|codes| codes.iter().any(|stated| *stated == *code)) {
            wrong.push(format!("code {code} is not documented"));
        }
    }
    let none = serde_json::Map::new();
    let headers = stated["headers"].as_object().unwrap_or(&none);
    for name in answer.headers.keys().map(HeaderName::as_str) {
        if !OF_HTTP.contains(&name) && !headers.contains_key(name) {
            wrong.push(format!("header {name} is not documented"));
        }
    }
    for (name, header) in headers {
        if header["required"] == true && !answer.headers.contains_key(name) {
            wrong.push(format!("header {name} is documented, and was not sent"));
        }
    }
    wrong
}

/// Returns the operation that a method and a path stand for.
fn operation<'a>(document: &'a Value, method: &str, path: &str) -> Option<&'a Value> {
    let paths = document["paths"].as_object()?;
    let (_, item) = paths
        .iter()
        .find(|(template, _)| stands_for(template, path))?;
    item.get(method.to_lowercase())
}

fn stands_for(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template
            .zip(path)
            .all(|(part, given)| part == given || part.starts_with('{'))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, headers: &[&'static str], body: Value) -> Answer {
        let headers = headers.iter().map(|name| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static("application/problem+json"))
        });
        Answer {
            status,
            headers: headers.collect(),
            text: body.to_string(),
            body,
        }
    }

    #[test]
    fn what_the_document_does_not_state_is_found() {
        let document = json!({"paths": {"/v1/a/{b}": {"get": {"responses": {
            "200": {"headers": {"etag": {"required": true}, "retry-after": {}}},
            "404": {"x-problem-codes": ["not_found"]},
        }}}}});
        let found = |path: &str, answer: &Answer| undocumented(&document, "GET", path, answer);
        let complete = answer(200, &["etag", "date"], json!({}));
        assert_eq!(found("/v1/a/1", &complete), [""; 0]);
        assert_eq!(found("/v1/a/1/2", &complete), [""; 0]);
        assert_eq!(
            found("/v1/a/1", &answer(200, &["location"], json!({}))),
            [
                "header location is not documented",
                "header etag is documented, and was not sent"
            ]
        );
        assert_eq!(
            found("/v1/a/1", &answer(503, &[], json!({}))),
            ["status 503 is not documented"]
        );
        let gone = answer(404, &["content-type"], json!({"code": "gone"}));
        assert_eq!(found("/v1/a/1", &gone), ["code gone is not documented"]);
    }
}
