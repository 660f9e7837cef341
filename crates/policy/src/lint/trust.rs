//! Who may assume the role.

use super::{Findings, Severity};
use crate::arn;
use crate::pattern;
use crate::statement::{Effect, Principal, Scope, Statement};

pub(super) fn check(statement: &Statement, place: &str, findings: &mut Findings) {
    if statement.effect == Effect::Deny {
        return;
    }
    let principal_place = format!("{place}.Principal");
    for principal in &statement.principals {
        match principal {
            Principal::Anyone => anyone(statement, &principal_place, findings),
            Principal::Aws(id) if id == "*" => anyone(statement, &principal_place, findings),
            Principal::Aws(id) if arn::account(id).is_some() => findings.add(
                "trust-account",
                Severity::Notice,
                &principal_place,
                format!(
                    "every principal that account {id} allows to assume roles can assume this role"
                ),
            ),
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

fn anyone(statement: &Statement, place: &str, findings: &mut Findings) {
    let (severity, reason) = if statement.conditions.is_empty() {
        (Severity::Error, "anybody can assume the role")
    } else {
        (
            Severity::Warning,
            "anybody who meets the conditions can assume the role",
        )
    };
    findings.add("trust-anyone", severity, place, reason);
}
