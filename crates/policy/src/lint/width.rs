//! Grants that are wide because of how they are written.

use super::{Findings, Severity, some_of, widest};
use crate::pattern::Pattern;
use crate::statement::{Effect, Scope, Statement};
use crate::version::Version;

pub(super) fn check(version: Version, statement: &Statement, place: &str, findings: &mut Findings) {
    if statement.effect == Effect::Deny {
        return;
    }
    match &statement.actions {
        Scope::Except(_) => findings.add(
            "allow-not-action",
            Severity::Warning,
            &format!("{place}.NotAction"),
            "allows every action that is not listed, including actions that AWS adds later",
        ),
        Scope::Only(actions) => check_actions(actions, &format!("{place}.Action"), findings),
    }
    match &statement.resources {
        Some(Scope::Except(_)) => findings.add(
            "allow-not-resource",
            Severity::Warning,
            &format!("{place}.NotResource"),
            "allows every resource that is not listed, of every service",
        ),
        Some(Scope::Only(resources)) => {
            let everything = Pattern::new("*");
            let star = resources
                .iter()
                .any(|text| widest(version, text).contains(&everything));
            if let (true, Scope::Only(actions)) = (star, &statement.actions) {
                check_star(actions, &format!("{place}.Resource"), findings);
            }
        }
        None => {}
    }
}

fn check_actions(actions: &[String], place: &str, findings: &mut Findings) {
    for action in actions {
        let whole_service = action
            .split_once(':')
            .is_some_and(|(_, name)| Pattern::new(name).contains(&Pattern::new("*")));
        if matches!(action.as_str(), "*" | "*:*") {
            findings.add(
                "action-star",
                Severity::Error,
                place,
                "allows every action of every service",
            );
        } else if whole_service {
            findings.add(
                "service-star",
                Severity::Warning,
                place,
                format!("{action:?} allows every action of the service"),
            );
        }
    }
}

/// Checks `*` as the resource, by whether the actions can be limited to resources.
fn check_star(actions: &[String], place: &str, findings: &mut Findings) {
    let (mut limitable, mut unknown) = (Vec::new(), Vec::new());
    for action in actions {
        match takes_resources(action) {
            Some(true) => limitable.push(action.as_str()),
            Some(false) => {}
            None => unknown.push(action.as_str()),
        }
    }
    if !limitable.is_empty() {
        findings.add(
            "resource-star",
            Severity::Warning,
            place,
            format!(
                "the resource is \"*\", but {} can be limited to resources",
                some_of(&limitable)
            ),
        );
    }
    if !unknown.is_empty() {
        findings.add(
            "resource-star-unchecked",
            Severity::Notice,
            place,
            format!(
                "the resource is \"*\"; this lint does not know whether {} can be limited to resources",
                some_of(&unknown)
            ),
        );
    }
}

/// Whether an action can be limited to resources; `None` for services that are not listed here.
fn takes_resources(action: &str) -> Option<bool> {
    let Some((service, name)) = action.split_once(':') else {
        return Some(true);
    };
    let (_, without) = WITHOUT_RESOURCES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(service))?;
    let name = Pattern::new(name).ignoring_ascii_case();
    let reaches_only_such = without
        .iter()
        .any(|own| Pattern::new(own).ignoring_ascii_case().contains(&name));
    Some(!reaches_only_such)
}

/// The actions that can't be limited to resources, as patterns.
///
/// "Service Authorization Reference", the actions without a resource type on the pages of these
/// services. An action of these services that is not listed can be limited to resources.
const WITHOUT_RESOURCES: [(&str, &[&str]); 11] = [
    (
        "cloudformation",
        &[
            "DescribeAccountLimits",
            "EstimateTemplateCost",
            "ListExports",
            "ListImports",
            "ListStackSets",
            "ListStacks",
            "ListTypes",
            "ValidateTemplate",
        ],
    ),
    ("ec2", &["Describe*"]),
    ("ec2messages", &["*"]),
    (
        "iam",
        &[
            "CreateAccountAlias",
            "DeleteAccountAlias",
            "DeleteAccountPasswordPolicy",
            "GenerateCredentialReport",
            "GetAccountAuthorizationDetails",
            "GetAccountPasswordPolicy",
            "GetAccountSummary",
            "GetContextKeysForCustomPolicy",
            "GetCredentialReport",
            "GetServiceLastAccessedDetails*",
            "ListAccountAliases",
            "ListGroups",
            "ListInstanceProfiles",
            "ListOpenIDConnectProviders",
            "ListPolicies",
            "ListRoles",
            "ListSAMLProviders",
            "ListServerCertificates",
            "ListUsers",
            "ListVirtualMFADevices",
            "SimulateCustomPolicy",
            "UpdateAccountPasswordPolicy",
        ],
    ),
    (
        "kms",
        &[
            "ConnectCustomKeyStore",
            "CreateCustomKeyStore",
            "CreateKey",
            "DescribeCustomKeyStores",
            "GenerateRandom",
            "ListAliases",
            "ListKeys",
        ],
    ),
    (
        "route53",
        &[
            "GetHostedZoneCount",
            "ListHostedZones",
            "ListHostedZonesByName",
        ],
    ),
    (
        "s3",
        &[
            "GetAccountPublicAccessBlock",
            "ListAllMyBuckets",
            "PutAccountPublicAccessBlock",
        ],
    ),
    (
        "secretsmanager",
        &["BatchGetSecretValue", "GetRandomPassword", "ListSecrets"],
    ),
    (
        "ssm",
        &[
            "DescribeAssociationExecutions",
            "DescribeAvailablePatches",
            "DescribeInstanceInformation",
            "DescribeParameters",
            "DescribeSessions",
            "GetDeployablePatchSnapshotForInstance",
            "GetManifest",
            "ListAssociations",
            "ListCommands",
            "ListDocuments",
            "PutComplianceItems",
            "PutConfigurePackageResult",
            "PutInventory",
        ],
    ),
    ("ssmmessages", &["*"]),
    (
        "sts",
        &[
            "DecodeAuthorizationMessage",
            "GetAccessKeyInfo",
            "GetCallerIdentity",
            "GetServiceBearerToken",
            "GetSessionToken",
        ],
    ),
];
