//! Actions that do not exist.
//!
//! Only a few services, whose actions are listed here, are checked; an action of any other service
//! passes. "Service Authorization Reference", the pages of the services named.

use super::{Findings, Severity};
use crate::pattern;
use crate::statement::{Scope, Statement};

pub(super) fn check(statement: &Statement, place: &str, findings: &mut Findings) {
    let name = match statement.actions {
        Scope::Only(_) => "Action",
        Scope::Except(_) => "NotAction",
    };
    for action in statement.actions.patterns() {
        let Some((service, own)) = action.split_once(':') else {
            continue;
        };
        let known = KNOWN
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(service));
        if let Some((_, known)) = known
            && !known.iter().any(|name| pattern::matches_action(own, name))
        {
            findings.add(
                "unknown-action",
                Severity::Warning,
                &format!("{place}.{name}"),
                format!("{action:?} matches no known action of {service}"),
            );
        }
    }
}

/// Returns the actions of the services that are checked.
pub(super) fn known() -> impl Iterator<Item = String> {
    KNOWN
        .iter()
        .flat_map(|(service, names)| names.iter().map(move |name| format!("{service}:{name}")))
}

const KNOWN: [(&str, &[&str]); 4] = [
    (
        "ec2messages",
        &[
            "AcknowledgeMessage",
            "DeleteMessage",
            "FailMessage",
            "GetEndpoint",
            "GetMessages",
            "SendReply",
        ],
    ),
    (
        "secretsmanager",
        &[
            "BatchGetSecretValue",
            "CancelRotateSecret",
            "CreateSecret",
            "DeleteResourcePolicy",
            "DeleteSecret",
            "DescribeSecret",
            "GetRandomPassword",
            "GetResourcePolicy",
            "GetSecretValue",
            "ListSecretVersionIds",
            "ListSecrets",
            "PutResourcePolicy",
            "PutSecretValue",
            "RemoveRegionsFromReplication",
            "ReplicateSecretToRegions",
            "RestoreSecret",
            "RotateSecret",
            "StopReplicationToReplica",
            "TagResource",
            "UntagResource",
            "UpdateSecret",
            "UpdateSecretVersionStage",
            "ValidateResourcePolicy",
        ],
    ),
    (
        "ssmmessages",
        &[
            "CreateControlChannel",
            "CreateDataChannel",
            "OpenControlChannel",
            "OpenDataChannel",
        ],
    ),
    (
        "sts",
        &[
            "AssumeRole",
            "AssumeRoleWithSAML",
            "AssumeRoleWithWebIdentity",
            "AssumeRoot",
            "DecodeAuthorizationMessage",
            "GetAccessKeyInfo",
            "GetCallerIdentity",
            "GetFederationToken",
            "GetServiceBearerToken",
            "GetSessionToken",
            "GetWebIdentityToken",
            "SetContext",
            "SetSourceIdentity",
            "TagGetWebIdentityToken",
            "TagSession",
        ],
    ),
];
