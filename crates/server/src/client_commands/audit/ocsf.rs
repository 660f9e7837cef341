//! Events of the audit log as events of the Open Cybersecurity Schema Framework (OCSF), class API
//! Activity. Source: <https://schema.ocsf.io/1.3.0/classes/api_activity>.

use engine_roles_contract::{AuditEvent, AuditQuery};
use serde_json::{Value, json};

use super::super::connection::Session;
use super::super::failure::Failure;
use super::super::progress::Count;
use super::super::screen::print_json;
use super::past::LONGEST_PAGE;

/// The class API Activity.
const CLASS: u64 = 6003;

/// Prints every event after this number.
pub(super) async fn export(session: &Session, after: u64) -> Result<(), Failure> {
    let mut after = i64::try_from(after).unwrap_or(i64::MAX);
    let mut count = 0;
    let mut progress = Count::new(session.screen, "events exported", 0);
    loop {
        let query = AuditQuery {
            after: Some(after),
            limit: Some(LONGEST_PAGE),
            ..AuditQuery::default()
        };
        let page = session.client.audit(&query).await?.body;
        for event in &page.items {
            print_json(&to_ocsf(event))?;
        }
        after = page.next_after;
        count += page.items.len() as u64;
        progress.among(count, u64::try_from(after).unwrap_or_default());
        if i64::try_from(page.items.len()).unwrap_or(i64::MAX) < LONGEST_PAGE {
            return Ok(());
        }
    }
}

fn to_ocsf(event: &AuditEvent) -> Value {
    let (activity, activity_name) = activity(&event.action);
    let (status, status_name) = status(&event.outcome);
    let from_state = event.from_state.as_ref();
    json!({
        "activity_id": activity,
        "activity_name": activity_name,
        "actor": {"user": {"name": event.actor, "uid": event.key_id}},
        "api": {
            "operation": event.action,
            "request": {"uid": event.request_id},
            "service": {"name": "engine-roles"},
        },
        "category_name": "Application Activity",
        "category_uid": 6,
        "class_name": "API Activity",
        "class_uid": CLASS,
        "message": match &event.cluster {
            Some(cluster) => format!("{cluster} {}", event.action),
            None => event.action.clone(),
        },
        "metadata": {
            "correlation_uid": event.trace_id.as_ref().or(event.request_id.as_ref()),
            "log_name": "audit",
            "product": {
                "name": "Engine Roles",
                "vendor_name": "Engine Roles",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "sequence": event.seq,
            "uid": event.id,
            "version": "1.3.0",
        },
        "resources": resources(event),
        "severity": "Informational",
        "severity_id": 1,
        "src_endpoint": {"ip": event.source, "name": event.actor},
        "status": status_name,
        "status_id": status,
        "time": event.at.timestamp_millis(),
        "type_name": format!("API Activity: {activity_name}"),
        "type_uid": CLASS * 100 + activity,
        "unmapped": {
            "aws_request_ids": event.aws_request_ids,
            "detail": event.detail,
            "from_state": from_state.map(|state| json!(state)),
            "generation": event.generation,
            "role_id": event.role_id,
            "to_state": event.to_state,
        },
    })
}

/// Returns the binding that an event is about; nothing for an event about the installation.
fn resources(event: &AuditEvent) -> Value {
    let resource = event
        .cluster
        .as_ref()
        .map(|cluster| json!({"name": cluster, "type": "engine role", "uid": event.binding_id}));
    resource.into_iter().collect()
}

/// Returns the activity of an action, which may be one that this release does not know.
fn activity(action: &str) -> (u64, &'static str) {
    match action {
        // Whoever signs in gets a session.
        "provision_requested" | "provisioned" | "key_created" | "signed_in" => (1, "Create"),
        "update_requested" | "updated" | "drift_repaired" => (3, "Update"),
        "teardown_requested"
        | "torn_down"
        | "withdrawn"
        | "late_resource_removed"
        | "key_revoked" => (4, "Delete"),
        "drift_found" | "log_read" | "orphan_found" | "orphan_gone" | "role_attested" => {
            (2, "Read")
        }
        _ => (99, "Other"),
    }
}

fn status(outcome: &str) -> (u64, &'static str) {
    match outcome {
        "failed" | "denied" => (2, "Failure"),
        _ => (1, "Success"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_what_ocsf_requires_of_its_class() {
        let event: AuditEvent = serde_json::from_value(json!({
            "seq": 4, "id": "01010101-0101-0101-0101-010101010101",
            "at": "2027-01-15T08:00:00.250000Z", "cluster": "one",
            "binding_id": "02020202-0202-0202-0202-020202020202", "generation": 2,
            "action": "torn_down", "outcome": "succeeded", "actor": "init", "key_id": null,
            "source": "192.0.2.1", "request_id": "r-1", "trace_id": null,
            "aws_request_ids": ["a-1"], "from_state": "deleting", "to_state": "deleted",
            "role_id": null, "detail": {"calls": 7},
        }))
        .expect("an event");
        let ocsf = to_ocsf(&event);
        for required in [
            "activity_id",
            "actor",
            "api",
            "category_uid",
            "class_uid",
            "metadata",
            "severity_id",
            "src_endpoint",
            "time",
            "type_uid",
        ] {
            assert!(!ocsf[required].is_null(), "{required}");
        }
        assert_eq!(ocsf["class_uid"], 6003);
        assert_eq!(ocsf["type_uid"], 600_304);
        assert_eq!(ocsf["time"], 1_800_000_000_250_i64);
        assert_eq!(ocsf["metadata"]["sequence"], 4);
        assert_eq!(ocsf["src_endpoint"]["ip"], "192.0.2.1");
        assert_eq!(ocsf["resources"][0]["name"], "one");
        assert_eq!(ocsf["unmapped"]["detail"]["calls"], 7);
    }
}
