//! Who may become the role.

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
                format!("whoever account {id} lets assume roles can assume this one"),
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
            "nothing here lets anybody assume the role",
        );
    }
}

fn anyone(statement: &Statement, place: &str, findings: &mut Findings) {
    let (severity, reason) = if statement.conditions.is_empty() {
        (Severity::Error, "everybody can assume the role")
    } else {
        (
            Severity::Warning,
            "everybody can assume the role who meets the conditions",
        )
    };
    findings.add("trust-anyone", severity, place, reason);
}
