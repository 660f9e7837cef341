//! Tests of the comparison, with changes that break a client and changes that break none.

use serde_json::{Value, json};

use super::broken;

fn base() -> Value {
    json!({
        "paths": {"/v1/a/{b}": {"put": {
            "operationId": "putA",
            "parameters": [
                {"in": "path", "name": "b", "required": true,
                 "schema": {"$ref": "#/components/schemas/Name"}},
                {"in": "query", "name": "limit", "required": false,
                 "schema": {"type": "integer", "minimum": 1, "maximum": 500}},
            ],
            "requestBody": {"required": false, "content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/Wanted"}}}},
            "responses": {
                "200": {
                    "headers": {"etag": {"required": true}},
                    "content": {"application/json": {
                        "schema": {"$ref": "#/components/schemas/Thing"}}},
                },
                "409": {"x-problem-codes": ["in_use"]},
            },
        }}},
        "components": {"schemas": {
            "Name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 63},
            "Wanted": {"type": "object", "additionalProperties": false, "properties": {
                "mode": {"enum": ["create", "pass"]},
                "names": {"oneOf": [{"type": "null"},
                    {"type": "array", "items": {"$ref": "#/components/schemas/Name"}, "minItems": 1}]},
            }},
            "Thing": {"type": "object", "required": ["name", "state"], "properties": {
                "name": {"$ref": "#/components/schemas/Name"},
                "state": {"type": "string", "enum": ["on", "off"]},
                "at": {"type": ["string", "null"], "format": "date-time"},
                "part": {"$ref": "#/components/schemas/Thing"},
            }},
        }},
    })
}

const PUT: &str = "/paths/~1v1~1a~1{b}/put";
const SCHEMAS: &str = "/components/schemas";

/// Returns what breaks when the value at this place is another one; null removes it.
fn broken_by(place: &str, value: Value) -> Vec<String> {
    let mut new = base();
    let (parent, name) = place.rsplit_once('/').expect("a pointer");
    let name = &name.replace("~1", "/");
    let parent = new.pointer_mut(parent).expect("the place exists");
    match (parent, value) {
        (Value::Object(members), Value::Null) => drop(members.remove(name)),
        (Value::Array(items), Value::Null) => {
            items.remove(name.parse().expect("an index"));
        }
        (Value::Object(members), value) => drop(members.insert(name.clone(), value)),
        (Value::Array(items), value) => items.push(value),
        (other, _) => panic!("{place} is in {other}"),
    }
    broken(&base(), &new)
}

#[test]
fn a_change_that_breaks_a_client_is_found() {
    let required = json!({"in": "query", "name": "c", "required": true, "schema": {}});
    let changes = [
        ("/paths/~1v1~1a~1{b}", Value::Null),
        ("/paths/~1v1~1a~1{b}/put", Value::Null),
        (&format!("{PUT}/operationId"), json!("putB")),
        (&format!("{PUT}/parameters/1"), Value::Null),
        (&format!("{PUT}/parameters/-"), required),
        (&format!("{PUT}/parameters/1/required"), json!(true)),
        (&format!("{PUT}/parameters/1/schema/maximum"), json!(100)),
        (&format!("{PUT}/parameters/1/schema/minimum"), json!(2)),
        (&format!("{PUT}/requestBody/required"), json!(true)),
        (&format!("{PUT}/responses/200"), Value::Null),
        (&format!("{PUT}/responses/200/headers/etag"), Value::Null),
        (
            &format!("{PUT}/responses/200/content/application~1json"),
            Value::Null,
        ),
        (&format!("{SCHEMAS}/Name/pattern"), json!("^[a-y]+$")),
        (&format!("{SCHEMAS}/Name/maxLength"), json!(62)),
        (&format!("{SCHEMAS}/Name/minLength"), json!(2)),
        (&format!("{SCHEMAS}/Name/type"), json!("integer")),
        (&format!("{SCHEMAS}/Wanted/required"), json!(["mode"])),
        (&format!("{SCHEMAS}/Wanted/properties/mode"), Value::Null),
        (
            &format!("{SCHEMAS}/Wanted/properties/mode/enum"),
            json!(["create"]),
        ),
        (
            &format!("{SCHEMAS}/Wanted/properties/names/oneOf/0"),
            Value::Null,
        ),
        (
            &format!("{SCHEMAS}/Wanted/properties/names/oneOf/1/minItems"),
            json!(2),
        ),
        (&format!("{SCHEMAS}/Thing/required"), json!(["name"])),
        (&format!("{SCHEMAS}/Thing/properties/state"), Value::Null),
        (
            &format!("{SCHEMAS}/Thing/properties/state/enum"),
            json!(["on", "off", "new"]),
        ),
        (
            &format!("{SCHEMAS}/Thing/properties/at/type"),
            json!("integer"),
        ),
        (
            &format!("{SCHEMAS}/Thing/properties/at/format"),
            Value::Null,
        ),
        (
            &format!("{SCHEMAS}/Thing/properties/state/type"),
            json!(["string", "null"]),
        ),
    ];
    for (place, value) in changes {
        let found = broken_by(place, value.clone());
        assert!(!found.is_empty(), "{place}: {value} was not found");
    }
}

#[test]
fn what_breaks_is_reported_with_its_place() {
    let found = broken_by(&format!("{SCHEMAS}/Name/maxLength"), json!(62));
    assert_eq!(
        found,
        [
            "PUT /v1/a/{b} path b has a smaller maxLength",
            "PUT /v1/a/{b} body.names has other alternatives",
        ]
    );
    let found = broken_by(&format!("{SCHEMAS}/Thing/properties/state"), Value::Null);
    assert_eq!(found, ["PUT /v1/a/{b} 200.state was removed"]);
}

#[test]
fn an_addition_breaks_no_client() {
    let optional = json!({"in": "query", "name": "c", "required": false, "schema": {}});
    let changes = [
        ("/paths/~1v1~1c", json!({"get": {"operationId": "getC"}})),
        (&format!("{PUT}/parameters/-"), optional),
        (&format!("{PUT}/parameters/1/schema/maximum"), json!(1000)),
        (
            &format!("{PUT}/responses/503"),
            json!({"x-problem-codes": ["down"]}),
        ),
        (
            &format!("{PUT}/responses/409/x-problem-codes"),
            json!(["busy"]),
        ),
        (&format!("{PUT}/responses/200/headers/age"), json!({})),
        (
            &format!("{PUT}/responses/200/description"),
            json!("Other words"),
        ),
        (&format!("{SCHEMAS}/Name/maxLength"), json!(64)),
        (&format!("{SCHEMAS}/Name/pattern"), Value::Null),
        (
            &format!("{SCHEMAS}/Wanted/properties/size"),
            json!({"type": "integer"}),
        ),
        (
            &format!("{SCHEMAS}/Wanted/properties/mode/enum"),
            json!(["create", "pass", "adopt"]),
        ),
        (
            &format!("{SCHEMAS}/Thing/properties/size"),
            json!({"type": "integer"}),
        ),
        (
            &format!("{SCHEMAS}/Thing/properties/at/type"),
            json!("string"),
        ),
    ];
    for (place, value) in changes {
        assert_eq!(broken_by(place, value), [""; 0], "{place}");
    }
    assert_eq!(broken(&base(), &base()), [""; 0]);
}
