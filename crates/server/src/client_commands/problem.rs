//! Errors as text for people.

use std::fmt::Write;

use engine_roles_client::Error;
use engine_roles_contract::{DeniedBy, Problem};
use serde_json::{Value, json};

use super::failure::Failure;
use super::screen::{Screen, clean};
use super::tls_advice::tls_advice;
use super::wire::word;
use crate::error_chain;
use crate::print;

/// Prints a failure to standard error: readably, or as JSON where the output is JSON. A problem of
/// the service is printed as the service sent it.
pub(super) fn print(failure: &Failure, screen: Screen) {
    if matches!(failure, Failure::NoReader) {
        return;
    }
    print::error_line(text(failure, screen.is_json()));
}

fn text(failure: &Failure, is_json: bool) -> String {
    let problem = match failure {
        Failure::Request(error) => match &**error {
            Error::Problem { problem, text, .. } => Some((problem, text)),
            _ => None,
        },
        _ => None,
    };
    match (problem, is_json) {
        (Some((_, text)), true) => text.clone(),
        (Some((problem, _)), false) => readable(problem),
        (None, true) => json!({"error": chain(failure)}).to_string(),
        (None, false) => format!("engine-roles: {}", clean(&chain(failure))),
    }
}

fn chain(failure: &Failure) -> String {
    let mut text = error_chain::chain(failure);
    if let Failure::Request(error) = failure
        && let Some(advice) = tls_advice(error)
    {
        let _ = write!(text, "; {advice}");
    }
    if let Failure::Request(error) = failure
        && let Error::Transport { method, .. } = &**error
        && !method.is_safe()
    {
        text.push_str("; the service may have recorded the request, which can be sent again");
    }
    if let Failure::Request(error) = failure
        && let Error::Unexpected { body, .. } = &**error
        && !body.trim().is_empty()
    {
        let _ = write!(text, ": {}", body.trim());
    }
    text
}

fn readable(problem: &Problem) -> String {
    let mut reasons = problem.errors.iter().map(|wrong| &wrong.reason);
    // The wrong fields follow, each in a line of its own.
    let repeats =
        !problem.errors.is_empty() && reasons.all(|reason| problem.detail.contains(reason));
    let first = if repeats {
        &problem.title
    } else {
        &problem.detail
    };
    let mut lines = vec![format!("engine-roles: {}", clean(first))];
    let mut add = |name: &str, value: &str| lines.push(format!("  {name}: {}", clean(value)));
    add(
        "code",
        &format!("{} (HTTP {})", word(&problem.code), problem.status),
    );
    for wrong in &problem.errors {
        add("wrong field", &format!("{}: {}", wrong.field, wrong.reason));
    }
    for permission in &problem.missing_permissions {
        add("missing permission", permission);
    }
    if let Some(by) = &problem.denied_by {
        add("denied by", &layer(by));
    }
    for blocker in &problem.blockers {
        add("blocked by", blocker);
    }
    if let Some(alternative) = &problem.alternative {
        add("alternative", alternative);
    }
    if let Some(seconds) = problem.retry_after {
        add("send it again after", &format!("{seconds} s"));
    }
    add("request id", &problem.request_id);
    if let Some(trace) = &problem.trace_id {
        add("trace id", trace);
    }
    if let Some(statement) = &problem.statement {
        lines.push("  add this statement to a policy of the service's identity:".to_owned());
        lines.extend(indented(statement));
    }
    lines.join("\n")
}

/// Returns a layer of AWS's policies in words, and how it denied the call.
fn layer(by: &DeniedBy) -> String {
    let layer = word(&by.layer).replace('_', " ");
    let how = if by.explicit {
        "an explicit Deny"
    } else {
        "no policy of this layer allows it"
    };
    match &by.policy {
        Some(policy) => format!("{layer} ({how}: {policy})"),
        None => format!("{layer} ({how})"),
    }
}

/// Returns the lines of a document, indented.
fn indented(document: &Value) -> impl Iterator<Item = String> {
    let text = serde_json::to_string_pretty(document).unwrap_or_default();
    let lines: Vec<String> = text
        .lines()
        .map(|line| format!("    {}", clean(line)))
        .collect();
    lines.into_iter()
}

#[cfg(test)]
mod tests {
    use serde_json::from_value;

    use super::*;

    #[test]
    fn a_problem_is_shown_with_everything_that_helps_to_repair_it() {
        let problem = json!({
            "type": "urn:engine-roles:problem:missing_permission", "title": "Permission missing",
            "status": 424, "detail": "AWS denied\x1b[2J iam:CreateRole", "code": "missing_permission",
            "request_id": "r-1", "retry_after": 5, "missing_permissions": ["iam:CreateRole"],
            "denied_by": {"layer": "permissions_boundary", "explicit": false, "policy": null},
            "statement": {"Effect": "Allow", "Action": "iam:CreateRole"},
            "alternative": "use a prepared role", "blockers": ["policy x: not ours"],
            "errors": [{"field": "tags.team", "reason": "must be shorter"}],
        });
        let problem: Problem = from_value(problem).expect("a problem");
        let expected = "engine-roles: AWS denied [2J iam:CreateRole
  code: missing_permission (HTTP 424)
  wrong field: tags.team: must be shorter
  missing permission: iam:CreateRole
  denied by: permissions boundary (no policy of this layer allows it)
  blocked by: policy x: not ours
  alternative: use a prepared role
  send it again after: 5 s
  request id: r-1
  add this statement to a policy of the service's identity:
    {
      \"Action\": \"iam:CreateRole\",
      \"Effect\": \"Allow\"
    }";
        assert_eq!(readable(&problem), expected);
    }

    #[test]
    fn wrong_fields_are_not_printed_twice() {
        let problem = json!({
            "type": "urn:x", "title": "Tag invalid", "status": 422, "code": "invalid_tag",
            "detail": "tags.team: must be shorter", "request_id": "r-1",
            "errors": [{"field": "tags.team", "reason": "must be shorter"}],
        });
        let problem: Problem = from_value(problem).expect("a problem");
        let text = readable(&problem);
        assert!(text.starts_with("engine-roles: Tag invalid\n"), "{text}");
        assert_eq!(text.matches("must be shorter").count(), 1, "{text}");
    }

    #[test]
    fn an_explicit_deny_names_its_policy() {
        let by = DeniedBy {
            layer: "service_control_policy".to_owned(),
            explicit: true,
            policy: Some("arn:aws:organizations::1:policy/o-1/x".to_owned()),
        };
        let expected = "service control policy (an explicit Deny: \
                        arn:aws:organizations::1:policy/o-1/x)";
        assert_eq!(layer(&by), expected);
    }

    #[test]
    fn another_failure_is_a_json_object_where_the_output_is_json() {
        let failure = Failure::Usage("it is \"wrong\"".to_owned());
        assert_eq!(text(&failure, true), r#"{"error":"it is \"wrong\""}"#);
        assert_eq!(text(&failure, false), "engine-roles: it is \"wrong\"");
    }
}
