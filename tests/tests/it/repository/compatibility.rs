//! The OpenAPI document breaks no client of the last release: `tests/openapi/released.json` is the
//! document of that release. `docs/http.md` says what may change within `/v1`.

mod schemas;

use std::collections::BTreeMap;

use engine_roles_e2e::service::command;
use serde_json::{Map, Value};

use self::schemas::{Comparison, Direction};

/// The parts of a path item that are operations.
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// Returns what a client of the old document can no longer rely on, each with its place.
fn broken(old: &Value, new: &Value) -> Vec<String> {
    let mut comparison = Comparison::new(old, new);
    for (path, item) in members(&old["paths"]) {
        for method in METHODS {
            let operation = &item[method];
            if operation.is_null() {
                continue;
            }
            let place = format!("{} {path}", method.to_uppercase());
            let now = &new["paths"][path][method];
            if now.is_null() {
                comparison.report(&place, "was removed");
            } else {
                compare_operations(&mut comparison, &place, operation, now);
            }
        }
    }
    comparison.broken
}

fn compare_operations(comparison: &mut Comparison<'_>, place: &str, old: &Value, new: &Value) {
    for member in ["operationId", "security"] {
        if old[member] != new[member] {
            comparison.report(&format!("{place} {member}"), "changed");
        }
    }
    compare_parameters(comparison, place, old, new);
    compare_bodies(comparison, place, &old["requestBody"], &new["requestBody"]);
    for (status, answer) in members(&old["responses"]) {
        let place = format!("{place} {status}");
        let now = &new["responses"][status];
        // Which problems an operation has may change: clients go by the class of the status.
        if !answer["x-problem-codes"].is_null() {
            continue;
        }
        if now.is_null() {
            comparison.report(&place, "was removed");
            continue;
        }
        for (name, header) in members(&answer["headers"]) {
            if header["required"] == true && now["headers"][name]["required"] != true {
                comparison.report(&format!("{place} {name}"), "is no longer always sent");
            }
        }
        compare_content(comparison, &place, answer, now, Direction::Answer);
    }
}

fn compare_parameters(comparison: &mut Comparison<'_>, place: &str, old: &Value, new: &Value) {
    let (old, new) = (parameters(old), parameters(new));
    for (name, parameter) in &old {
        let place = format!("{place} {name}");
        let Some(now) = new.get(name) else {
            comparison.report(&place, "was removed");
            continue;
        };
        if now["required"] == true && parameter["required"] != true {
            comparison.report(&place, "is required now");
        }
        let (schema, now) = (&parameter["schema"], &now["schema"]);
        comparison.schemas(&place, schema, now, Direction::Request);
    }
    for (name, parameter) in &new {
        if parameter["required"] == true && !old.contains_key(name) {
            comparison.report(&format!("{place} {name}"), "is required and new");
        }
    }
}

fn compare_bodies(comparison: &mut Comparison<'_>, place: &str, old: &Value, new: &Value) {
    let place = format!("{place} body");
    if new["required"] == true && old["required"] != true {
        comparison.report(&place, "is required now");
    }
    compare_content(comparison, &place, old, new, Direction::Request);
}

fn compare_content(
    comparison: &mut Comparison<'_>,
    place: &str,
    old: &Value,
    new: &Value,
    direction: Direction,
) {
    for (kind, content) in members(&old["content"]) {
        let now = &new["content"][kind];
        if now.is_null() {
            comparison.report(&format!("{place} {kind}"), "was removed");
        } else {
            comparison.schemas(place, &content["schema"], &now["schema"], direction);
        }
    }
}

/// The parameters of an operation, by their place and name.
fn parameters(operation: &Value) -> BTreeMap<String, &Value> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let by_name = parameters.map(|parameter| {
        let text = |member: &str| parameter[member].as_str().unwrap_or_default();
        (format!("{} {}", text("in"), text("name")), parameter)
    });
    by_name.collect()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn document() -> Value {
    let printed = command(&["openapi"], &BTreeMap::new()).output();
    let printed = printed.expect("the binary can be run");
    serde_json::from_slice(&printed.stdout).expect("the document is JSON")
}

#[test]
fn todays_document_breaks_no_client_of_the_last_release() {
    let released = include_str!("../../../openapi/released.json");
    let released: Value = serde_json::from_str(released).expect("the file is JSON");
    assert!(
        members(&released["paths"]).count() > 10,
        "the file is empty"
    );
    assert_eq!(broken(&released, &document()), [""; 0]);
}

mod samples;
