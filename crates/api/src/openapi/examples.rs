//! Examples of requests and of answers that are not problems. The files in `examples/` hold one body
//! each.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::example::{Example, ExampleBuilder};

type Examples = BTreeMap<String, RefOr<Example>>;

/// Returns examples of the body of an operation.
pub(super) fn of_request(operation: &str) -> Examples {
    if operation == "loginWithAws" {
        let login = json(include_str!("examples/aws_login.json"));
        return Examples::from([named("session", "A session of a role", login)]);
    }
    if operation == "setLogLevel" {
        let shortly = json!({"level": "debug", "for": "10m"});
        return Examples::from([
            named("shortly", "All of the service, for ten minutes", shortly),
            named(
                "part",
                "A part of the service, until the next change",
                json!({"level": "info,engine_roles_iam=debug"}),
            ),
        ]);
    }
    let tagged = json!({
        "mode": "create",
        "secrets": ["admin/password", "license"],
        "region": "us-west-2",
        "tags": {"team": "analytics"},
    });
    Examples::from([
        named("defaults", "Everything as configured", json!({})),
        named("create", "A role of its own", tagged),
        named(
            "pass_through",
            "A role that the administrator prepared",
            json!({"mode": "pass_through", "iam_role": "prepared-engine-role"}),
        ),
    ])
}

/// Returns an example of an operation's answer with this status; none where it has no body.
pub(super) fn of_answer(operation: &str, status: &str) -> Option<Value> {
    Some(match (operation, status) {
        ("getLiveness" | "getHealthcheck", _) => json!("ok\n"),
        ("getAbout", _) => json(include_str!("examples/about.json")),
        ("getVersion", _) => json(include_str!("examples/version.json")),
        ("getMetrics", _) => json!(include_str!("examples/metrics.txt")),
        ("getReadiness", "200") => json(include_str!("examples/readiness.json")),
        ("getReadiness", "503") => json(include_str!("examples/readiness_unready.json")),
        (_, "304") => return None,
        ("provisionRole", "202") => json(include_str!("examples/binding_in_progress.json")),
        ("provisionRole" | "getRole", _) => json(include_str!("examples/binding.json")),
        ("tearDownRole", "202") => json(include_str!("examples/binding_deleting.json")),
        ("tearDownRole", _) => json(include_str!("examples/binding_deleted.json")),
        ("planRole", _) => json(include_str!("examples/plan.json")),
        ("getRoleAccess", _) => json(include_str!("examples/access.json")),
        ("listClusters", _) => json(include_str!("examples/binding_list.json")),
        ("listIncarnations", _) => json(include_str!("examples/incarnation_list.json")),
        ("listPassThroughRoles", _) => json(include_str!("examples/pass_through_roles.json")),
        ("listPolicies", _) => json(include_str!("examples/policy_list.json")),
        ("renderPolicy", _) => json(include_str!("examples/policy.json")),
        ("getCapabilities", _) => json(include_str!("examples/capabilities.json")),
        ("loginWithAws", _) => json(include_str!("examples/aws_token.json")),
        ("getLogLevel" | "setLogLevel", _) => json(include_str!("examples/log_level.json")),
        ("getAuditCheckpoint", _) => json!(include_str!("examples/audit_checkpoint.txt")),
        ("getAuditTile", _) => json!("the bytes of 5 hashes"),
        ("proveAuditEvent", _) => json(include_str!("examples/audit_inclusion.json")),
        ("proveAuditConsistency", _) => json(include_str!("examples/audit_consistency.json")),
        ("listAuditEvents", _) => json(include_str!("examples/audit_page.json")),
        _ => return None,
    })
}

/// Returns an event as a line of the audit log.
pub(super) fn event_line() -> Value {
    let page = json(include_str!("examples/audit_page.json"));
    page["items"][0].clone()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("the file is JSON")
}

fn named(name: &str, summary: &str, value: Value) -> (String, RefOr<Example>) {
    let example = ExampleBuilder::new().summary(summary).value(Some(value));
    (name.to_owned(), RefOr::T(example.build()))
}
