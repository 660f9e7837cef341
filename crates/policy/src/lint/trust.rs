//! Who may assume the role.

use super::example::ExampleRequest;
use super::probe::{Allowed, Probe, matches_action};
use super::{Findings, Severity};
use crate::arn;
use crate::pattern;
use crate::statement::{Effect, Principal, Scope, Statement};

pub(super) fn check(
    probe: &Probe<'_>,
    statement: &Statement,
    place: &str,
    findings: &mut Findings,
) {
    if statement.effect == Effect::Deny {
        return;
    }
    let principal_place = format!("{place}.Principal");
    for principal in &statement.principals {
        match principal {
            Principal::Anyone => anyone(probe, statement, &principal_place, findings),
            Principal::Aws(id) if id == "*" => {
                anyone(probe, statement, &principal_place, findings);
            }
            Principal::Aws(id) => {
                if let Some(account) = arn::account(id) {
                    whole_account(probe, statement, id, account, &principal_place, findings);
                }
            }
            _ => {}
        }
    }
    let assumes = match &statement.actions {
        Scope::Except(_) => true,
        Scope::Only(patterns) => patterns.iter().any(|own| {
            [
                "AssumeRole",
                "AssumeRoleWithSAML",
                "AssumeRoleWithWebIdentity",
            ]
            .iter()
            .chain(&["TagSession", "SetSourceIdentity", "SetContext"])
            .any(|name| pattern::matches_action(own, &format!("sts:{name}")))
        }),
    };
    if !assumes {
        findings.add(
            "trust-without-assume",
            Severity::Error,
            &format!("{place}.Action"),
            "the statement does not allow anybody to assume the role",
        );
    }
}

fn whole_account(
    probe: &Probe<'_>,
    statement: &Statement,
    id: &str,
    account: &str,
    place: &str,
    findings: &mut Findings,
) {
    let caller = format!("arn:aws:iam::{account}:user/any-name");
    let Some(allowed) = assumed_by(probe, statement, &caller) else {
        return;
    };
    findings.add_with_examples(
        "trust-account",
        Severity::Notice,
        place,
        format!("every principal that account {id} allows to assume roles can assume this role"),
        allowed.example,
        None,
    );
}

fn anyone(probe: &Probe<'_>, statement: &Statement, place: &str, findings: &mut Findings) {
    let caller = "arn:aws:iam::444455556666:user/any-name";
    let Some(allowed) = assumed_by(probe, statement, caller) else {
        return;
    };
    let (severity, reason) = if allowed.certain {
        (Severity::Error, "anybody can assume the role")
    } else {
        (
            Severity::Warning,
            "anybody who meets the conditions can assume the role",
        )
    };
    findings.add_with_examples(
        "trust-anyone",
        severity,
        place,
        reason,
        allowed.example,
        None,
    );
}

/// Whether the caller can assume the role; `None` if certainly not.
fn assumed_by(probe: &Probe<'_>, statement: &Statement, caller: &str) -> Option<Allowed> {
    let named = [
        "AssumeRole",
        "AssumeRoleWithWebIdentity",
        "AssumeRoleWithSAML",
    ];
    let actions = named.map(|name| format!("sts:{name}"));
    let mut allowed = actions
        .iter()
        .filter(|action| matches_action(statement, action));
    allowed.find_map(|action| {
        let mut request = ExampleRequest::new(action, "*");
        request.principal = Some(Principal::aws(caller));
        probe.ask(&request)
    })
}
