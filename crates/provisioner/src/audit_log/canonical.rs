//! The canonical bytes of an event: JSON without white space, the members of each object in the order
//! of their names.
//!
//! The bytes are made once, when the event is added to the tree, and stored. Whoever verifies the log
//! hashes the stored bytes, so that a later release may write other members. A release that adds
//! members to the events may not share a database with an older one (`oldest_reader` of its
//! migration), because the older one would add the events without these members.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use data_encoding::HEXLOWER;
use engine_roles_domain::audit::SequencedEvent;
use engine_roles_domain::binding::State;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The longest entry: what tlog-tiles has room for.
const LONGEST: usize = engine_roles_transparency::MAX_ENTRY_BYTES;

/// Returns the canonical bytes of an event. Where its detail is too long, the bytes have the SHA-256
/// of the detail's canonical bytes instead, as `detail_sha256`.
pub(super) fn of_event(event: &SequencedEvent) -> Vec<u8> {
    let whole = render(event, "detail", &event.detail);
    if whole.len() <= LONGEST {
        return whole;
    }
    render(event, "detail_sha256", &detail_digest(&event.detail).into())
}

/// Returns the digest that is hashed in the place of a detail that is too long: the SHA-256 of the
/// detail's canonical bytes, in hexadecimal.
pub fn detail_digest(detail: &Value) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes(detail)))
}

/// Returns the canonical bytes for the number of an event that was dropped before the tree began.
pub(super) fn of_expired_event(seq: i64) -> Vec<u8> {
    bytes(&json!({"expired": true, "seq": seq}))
}

fn render(event: &SequencedEvent, detail: &str, value: &Value) -> Vec<u8> {
    let change = event.change.as_ref();
    let from_state = change.and_then(|change| change.from_state);
    bytes(&json!({
        "action": event.action.as_str(),
        "actor": event.actor.0,
        "at": event.at.to_rfc3339_opts(SecondsFormat::Micros, true),
        "aws_request_ids": event.aws_request_ids,
        "binding_id": change.map(|change| change.binding_id.0),
        "cluster": change.map(|change| change.cluster.as_str()),
        detail: value,
        "from_state": from_state.map(State::as_str),
        "generation": change.map(|change| change.generation),
        "id": event.id,
        "key_id": event.key_id,
        "outcome": event.action.outcome().as_str(),
        "request_id": event.request_id,
        "role_id": change.and_then(|change| change.role_id.as_deref()),
        "seq": event.seq,
        "source": event.source,
        "to_state": change.map(|change| change.to_state.as_str()),
        "trace_id": event.trace_id,
    }))
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut text = String::new();
    write(value, &mut text);
    text.into_bytes()
}

/// Writes a value. The order of the members does not depend on how `serde_json` was compiled.
fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            for (place, (name, value)) in sorted.into_iter().enumerate() {
                text.push(if place == 0 { '{' } else { ',' });
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(value, text);
            }
            text.push_str(if members.is_empty() { "{}" } else { "}" });
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                text.push(if place == 0 { '[' } else { ',' });
                write(value, text);
            }
            text.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use engine_roles_domain::audit::{Actor, BindingChange, EventAction};
    use engine_roles_domain::binding::BindingId;
    use uuid::Uuid;

    use super::*;

    fn event(detail: Value) -> SequencedEvent {
        SequencedEvent {
            seq: 7,
            id: Uuid::from_bytes([1; 16]),
            at: DateTime::from_timestamp_micros(1_800_000_000_000_001).expect("a time"),
            change: Some(BindingChange {
                cluster: "one".parse().expect("a cluster"),
                binding_id: BindingId(Uuid::from_bytes([2; 16])),
                generation: 3,
                from_state: None,
                to_state: State::Active,
                role_id: Some("AROAEXAMPLE".to_owned()),
            }),
            action: EventAction::Provisioned,
            actor: Actor("reconciler".to_owned()),
            key_id: None,
            source: Some("192.0.2.1".to_owned()),
            request_id: None,
            trace_id: None,
            aws_request_ids: vec!["r-1".to_owned()],
            detail,
        }
    }

    #[test]
    fn the_bytes_of_an_event_are_json_with_sorted_members() {
        let detail = json!({"b": [], "a": {"z": 1, "y": [true, null, {}]}, "\"": "ä\n"});
        let text = String::from_utf8(of_event(&event(detail))).expect("UTF-8");
        assert_eq!(
            text,
            "{\"action\":\"provisioned\",\"actor\":\"reconciler\",\
             \"at\":\"2027-01-15T08:00:00.000001Z\",\"aws_request_ids\":[\"r-1\"],\
             \"binding_id\":\"02020202-0202-0202-0202-020202020202\",\"cluster\":\"one\",\
             \"detail\":{\"\\\"\":\"ä\\n\",\"a\":{\"y\":[true,null,{}],\"z\":1},\"b\":[]},\
             \"from_state\":null,\"generation\":3,\"id\":\"01010101-0101-0101-0101-010101010101\",\
             \"key_id\":null,\"outcome\":\"succeeded\",\"request_id\":null,\"role_id\":\"AROAEXAMPLE\",\
             \"seq\":7,\"source\":\"192.0.2.1\",\"to_state\":\"active\",\"trace_id\":null}"
        );
    }

    #[test]
    fn a_detail_that_is_too_long_is_replaced_by_its_digest() {
        let fits = of_event(&event(json!("x".repeat(LONGEST - 600))));
        assert!(fits.len() <= LONGEST);
        let long = of_event(&event(json!("x".repeat(LONGEST))));
        let long: Value = serde_json::from_slice(&long).expect("JSON");
        assert_eq!(long["detail"], Value::Null);
        assert_eq!(
            long["detail_sha256"],
            detail_digest(&json!("x".repeat(LONGEST)))
        );
        // `printf '{"a":1,"b":[]}' | sha256sum`
        assert_eq!(
            detail_digest(&json!({"b": [], "a": 1})),
            "f87e4099e9be5e75094e0a4f46d3dc18a9c37429314a5a2490fb78d31e7e170c"
        );
        assert_eq!(long["seq"], 7);
    }

    #[test]
    fn a_dropped_event_has_a_placeholder() {
        assert_eq!(of_expired_event(3), br#"{"expired":true,"seq":3}"#);
    }
}
