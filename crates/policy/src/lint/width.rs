//! Grants that are wide because of how they are written.

use super::granted::Granted;
use super::{Findings, Severity, some_of, widest};
use crate::pattern::Pattern;
use crate::statement::{Effect, Scope};

pub(super) fn check(granted: Granted<'_>, place: &str, findings: &mut Findings) {
    let statement = granted.statement;
    let actions = granted.actions();
    if statement.effect == Effect::Deny || actions.is_empty() {
        return;
    }
    match &statement.actions {
        Scope::Except(_) => findings.add_with_examples(
            "allow-not-action",
            Severity::Warning,
            &format!("{place}.NotAction"),
            "allows every action that is not listed, including actions that AWS adds later",
            granted.example_of("*"),
            None,
        ),
        Scope::Only(_) => check_actions(granted, &actions, &format!("{place}.Action"), findings),
    }
    match &statement.resources {
        Some(Scope::Except(_)) => findings.add_with_examples(
            "allow-not-resource",
            Severity::Warning,
            &format!("{place}.NotResource"),
            "allows every resource that is not listed, of every service",
            actions.iter().find_map(|action| granted.example_of(action)),
            None,
        ),
        Some(Scope::Only(resources)) => {
            let everything = Pattern::new("*");
            let star = resources
                .iter()
                .any(|text| widest(granted.version(), text).contains(&everything));
            if let (true, Scope::Only(_)) = (star, &statement.actions) {
                check_star(granted, &actions, &format!("{place}.Resource"), findings);
            }
        }
        None => {}
    }
}

fn check_actions(granted: Granted<'_>, actions: &[&str], place: &str, findings: &mut Findings) {
    for action in actions {
        let whole_service = action
            .split_once(':')
            .is_some_and(|(_, name)| Pattern::new(name).contains(&Pattern::new("*")));
        if matches!(*action, "*" | "*:*") {
            findings.add_with_examples(
                "action-star",
                Severity::Error,
                place,
                "allows every action of every service",
                granted.example_of(action),
                None,
            );
        } else if whole_service {
            findings.add_with_examples(
                "service-star",
                Severity::Warning,
                place,
                format!("{action:?} allows every action of the service"),
                granted.example_of(action),
                None,
            );
        }
    }
}

/// Checks `*` as the resource, by whether the actions can be limited to resources.
fn check_star(granted: Granted<'_>, actions: &[&str], place: &str, findings: &mut Findings) {
    let (mut limitable, mut unknown) = (Vec::new(), Vec::new());
    for action in actions {
        match takes_resources(action) {
            Some(true) => limitable.push(*action),
            Some(false) => {}
            None => unknown.push(*action),
        }
    }
    let example = |actions: &[&str]| actions.iter().find_map(|action| granted.example_of(action));
    if !limitable.is_empty() {
        findings.add_with_examples(
            "resource-star",
            Severity::Warning,
            place,
            format!(
                "the resource is \"*\", but {} can be limited to resources",
                some_of(&limitable)
            ),
            example(&limitable),
            None,
        );
    }
    if !unknown.is_empty() {
        findings.add_with_examples(
            "resource-star-unchecked",
            Severity::Notice,
            place,
            format!(
                "the resource is \"*\"; this lint does not know whether {} can be limited to resources",
                some_of(&unknown)
            ),
            example(&unknown),
            None,
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
