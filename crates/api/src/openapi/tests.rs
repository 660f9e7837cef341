//! Tests of the document's answers.

use engine_roles_contract::{
    About, Access, AuditConsistency, AuditInclusion, AuditPage, AwsToken, Binding, BindingList,
    Capabilities, IncarnationList, LogLevel, PassThroughRoleList, Plan, PolicyList, Readiness,
    Version,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::document;

/// The answers of each operation by their status, in the order of the operations' ids.
fn answers() -> Vec<(String, Vec<(String, Value)>)> {
    let document = json!(document());
    let paths = document["paths"].as_object().expect("paths");
    let items = paths.values().filter_map(Value::as_object);
    let operations = items.flat_map(|item| item.values());
    let mut by_id: Vec<_> = operations
        .map(|operation| {
            let id = operation["operationId"].as_str().expect("an id");
            let answers = operation["responses"].as_object().expect("answers");
            (id.to_owned(), answers.clone().into_iter().collect())
        })
        .collect();
    by_id.sort_by(|(one, _): &(String, _), (other, _)| one.cmp(other));
    by_id
}

fn codes(answer: &Value) -> Vec<&str> {
    let codes = answer["x-problem-codes"].as_array();
    let codes = codes.into_iter().flatten();
    codes.filter_map(Value::as_str).collect()
}

/// Returns the codes of each operation by their status, except those that every operation has, which it
/// checks.
fn codes_by_status() -> String {
    let every = [
        ("400", "invalid_request"),
        ("408", "request_timeout"),
        ("414", "uri_too_long"),
        ("431", "header_too_large"),
        ("500", "internal"),
        ("401", "unauthenticated"),
        ("403", "forbidden"),
        ("429", "rate_limited"),
    ];
    let mut lines = Vec::new();
    for (id, answers) in answers() {
        lines.push(format!("{id}:"));
        let without_key = [
            "getAbout",
            "getVersion",
            "getHealthcheck",
            "getLiveness",
            "getMetrics",
            "getReadiness",
        ];
        let expected = if without_key.contains(&id.as_str()) {
            &every[..5]
        } else {
            &every
        };
        for (status, code) in expected {
            let answer = answers.iter().find(|(given, _)| given == status);
            let (_, answer) = answer.unwrap_or_else(|| panic!("{id} lacks {status}"));
            assert_eq!(codes(answer), [*code], "{id} {status}");
        }
        for (status, answer) in answers {
            let codes = codes(&answer);
            if codes.is_empty() || every.iter().any(|(of_all, _)| *of_all == status) {
                continue;
            }
            let schema = &answer["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{id} {status}");
            lines.push(format!("  {status} {}", codes.join(" ")));
        }
    }
    lines.join("\n")
}

#[test]
fn each_operation_states_the_codes_of_its_problems_by_their_status() {
    insta::assert_snapshot!(codes_by_status(), @"
    getAbout:
    getAuditCheckpoint:
      404 not_found
      503 database_unavailable
    getAuditTile:
      404 not_found
      503 database_unavailable
    getCapabilities:
      503 database_unavailable iam_unavailable
    getHealthcheck:
    getLiveness:
    getLogLevel:
      503 database_unavailable
    getMetrics:
    getReadiness:
    getRole:
      404 not_found
      412 precondition_failed
      422 invalid_cluster_name
      503 database_unavailable
    getRoleAccess:
      404 not_found
      409 name_taken
      422 invalid_cluster_name
      424 missing_permission
      503 database_unavailable other_account iam_unavailable
    getVersion:
    listAuditEvents:
      422 invalid_cluster_name
      503 database_unavailable
    listClusters:
      503 database_unavailable
    listIncarnations:
      404 not_found
      422 invalid_cluster_name
      503 database_unavailable
    listPassThroughRoles:
      503 database_unavailable iam_unavailable
    listPolicies:
      503 database_unavailable
    loginWithAws:
      404 not_found
      413 body_too_large
      415 unsupported_media_type
      503 database_unavailable iam_unavailable
    planRole:
      409 immutable_field teardown_in_progress teardown_blocked
      413 body_too_large
      415 unsupported_media_type
      422 invalid_cluster_name invalid_secret_name invalid_region invalid_role_prefix invalid_tag pass_through_role_not_allowed boundary_not_allowed not_permitted_here policy_too_large
      503 database_unavailable other_account iam_unavailable
    proveAuditConsistency:
      404 not_found
      503 database_unavailable
    proveAuditEvent:
      404 not_found
      503 database_unavailable
    provisionRole:
      409 immutable_field teardown_in_progress teardown_blocked superseded name_taken tag_limit_exceeded
      412 precondition_failed
      413 body_too_large
      415 unsupported_media_type
      422 invalid_cluster_name invalid_secret_name invalid_region invalid_role_prefix invalid_tag pass_through_role_not_allowed boundary_not_allowed not_permitted_here policy_too_large
      424 missing_permission pass_through_role_unfit
      503 database_unavailable other_account iam_unavailable quota_exceeded
    renderPolicy:
      404 not_found
      422 invalid_cluster_name invalid_region
      503 database_unavailable
    setLogLevel:
      413 body_too_large
      415 unsupported_media_type
      503 database_unavailable
    tearDownRole:
      404 not_found
      409 superseded teardown_blocked
      412 precondition_failed
      422 invalid_cluster_name
      424 missing_permission
      503 database_unavailable other_account
    ");
}

#[test]
fn each_answer_states_its_headers() {
    let mut lines = Vec::new();
    for (id, answers) in answers() {
        for (status, answer) in answers {
            let headers = answer["headers"].as_object().expect("headers");
            assert!(headers.contains_key("x-request-id"), "{id} {status}");
            assert!(status != "401" || headers.contains_key("www-authenticate"));
            let names = headers.iter().filter_map(|(name, header)| {
                let is_in_all = ["x-request-id", "www-authenticate"].contains(&name.as_str());
                let mark = if header["required"] == true { "" } else { "?" };
                (!is_in_all).then(|| format!("{name}{mark}"))
            });
            let names: Vec<String> = names.collect();
            if !names.is_empty() {
                lines.push(format!("{id} {status}: {}", names.join(" ")));
            }
        }
    }
    insta::assert_snapshot!(lines.join("\n"), @"
    getAuditCheckpoint 429: retry-after
    getAuditCheckpoint 503: retry-after
    getAuditTile 429: retry-after
    getAuditTile 503: retry-after
    getCapabilities 429: retry-after
    getCapabilities 503: retry-after
    getLogLevel 429: retry-after
    getLogLevel 503: retry-after
    getRole 200: etag preference-applied? retry-after?
    getRole 304: etag preference-applied? retry-after?
    getRole 429: retry-after
    getRole 503: retry-after
    getRoleAccess 429: retry-after
    getRoleAccess 503: retry-after
    listAuditEvents 200: preference-applied?
    listAuditEvents 429: retry-after
    listAuditEvents 503: retry-after
    listClusters 429: retry-after
    listClusters 503: retry-after
    listIncarnations 429: retry-after
    listIncarnations 503: retry-after
    listPassThroughRoles 429: retry-after
    listPassThroughRoles 503: retry-after
    listPolicies 429: retry-after
    listPolicies 503: retry-after
    loginWithAws 429: retry-after
    loginWithAws 503: retry-after
    planRole 409: retry-after?
    planRole 429: retry-after
    planRole 503: retry-after
    proveAuditConsistency 429: retry-after
    proveAuditConsistency 503: retry-after
    proveAuditEvent 429: retry-after
    proveAuditEvent 503: retry-after
    provisionRole 200: etag preference-applied?
    provisionRole 201: etag preference-applied?
    provisionRole 202: etag location preference-applied? retry-after
    provisionRole 409: retry-after?
    provisionRole 429: retry-after
    provisionRole 503: retry-after?
    renderPolicy 429: retry-after
    renderPolicy 503: retry-after
    setLogLevel 429: retry-after
    setLogLevel 503: retry-after
    tearDownRole 200: etag preference-applied?
    tearDownRole 202: etag location preference-applied? retry-after
    tearDownRole 429: retry-after
    tearDownRole 503: retry-after
    ");
}

#[test]
fn every_code_is_one_of_an_operation() {
    let document = json!(document());
    let known = document["components"]["schemas"]["Code"]["enum"].as_array();
    let known = known.expect("the codes").iter().filter_map(Value::as_str);
    let answers = answers();
    let stated = |code: &str| {
        let mut of_operations = answers.iter().flat_map(|(_, answers)| answers);
        of_operations.any(|(_, answer)| codes(answer).contains(&code))
    };
    let unstated: Vec<&str> = known.filter(|code| !stated(code)).collect();
    // An operation is a path with a method that the path supports.
    assert_eq!(unstated, ["method_not_allowed"]);
}

#[test]
fn examples_of_answers_lose_nothing_when_they_are_read() {
    fn read_again<T: DeserializeOwned + Serialize>(example: &Value) -> Value {
        let read: T = serde_json::from_value(example.clone()).expect("an answer of the contract");
        json!(read)
    }
    for (id, answers) in answers() {
        for (status, answer) in answers {
            let example = &answer["content"]["application/json"]["example"];
            let again = match id.as_str() {
                _ if answer["content"]["application/json"].is_null() => continue,
                "provisionRole" | "getRole" | "tearDownRole" => read_again::<Binding>(example),
                "planRole" => read_again::<Plan>(example),
                "getRoleAccess" => read_again::<Access>(example),
                "listClusters" => read_again::<BindingList>(example),
                "listIncarnations" => read_again::<IncarnationList>(example),
                "listPassThroughRoles" => read_again::<PassThroughRoleList>(example),
                "listPolicies" => read_again::<PolicyList>(example),
                "getCapabilities" => read_again::<Capabilities>(example),
                "listAuditEvents" => read_again::<AuditPage>(example),
                "proveAuditEvent" => read_again::<AuditInclusion>(example),
                "proveAuditConsistency" => read_again::<AuditConsistency>(example),
                "getReadiness" => read_again::<Readiness>(example),
                "getAbout" => read_again::<About>(example),
                "getVersion" => read_again::<Version>(example),
                "getLogLevel" | "setLogLevel" => read_again::<LogLevel>(example),
                "loginWithAws" => read_again::<AwsToken>(example),
                // A policy document is not a type of the contract.
                "renderPolicy" => continue,
                other => panic!("the answers of {other} have no example"),
            };
            assert_eq!(again, *example, "{id} {status}");
        }
    }
}
