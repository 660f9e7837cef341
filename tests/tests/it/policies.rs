//! The four documents that an administrator attaches grant exactly the known actions.

use std::collections::BTreeSet;

use engine_roles_e2e::policy_documents::{MANAGER_IAM_ACTIONS, policy_document};
use serde_json::Value;

const WORKSPACES: [(&str, &[&str]); 7] = [
    ("iam", &MANAGER_IAM_ACTIONS),
    (
        "ec2",
        &[
            "AssociateAddress",
            "AssociateRouteTable",
            "AttachInternetGateway",
            "AuthorizeSecurityGroupEgress",
            "AuthorizeSecurityGroupIngress",
            "CreateInternetGateway",
            "CreateLaunchTemplate",
            "CreateLaunchTemplateVersion",
            "CreatePlacementGroup",
            "CreateRoute",
            "CreateRouteTable",
            "CreateSecurityGroup",
            "CreateSubnet",
            "CreateTags",
            "CreateVpc",
            "DeleteInternetGateway",
            "DeleteKeyPair",
            "DeleteLaunchTemplate",
            "DeleteLaunchTemplateVersions",
            "DeletePlacementGroup",
            "DeleteRoute",
            "DeleteRouteTable",
            "DeleteSecurityGroup",
            "DeleteSubnet",
            "DeleteTags",
            "DeleteVpc",
            "DescribeAccountAttributes",
            "DescribeAddresses",
            "DescribeAvailabilityZones",
            "DescribeImages",
            "DescribeInstanceAttribute",
            "DescribeInstanceTypeOfferings",
            "DescribeInstanceTypes",
            "DescribeInstances",
            "DescribeInternetGateways",
            "DescribeKeyPairs",
            "DescribeLaunchTemplateVersions",
            "DescribeLaunchTemplates",
            "DescribeManagedPrefixLists",
            "DescribeNetworkInterfaces",
            "DescribePlacementGroups",
            "DescribeRouteTables",
            "DescribeSecurityGroups",
            "DescribeSubnets",
            "DescribeTags",
            "DescribeVolumes",
            "DescribeVpcAttribute",
            "DescribeVpcs",
            "DetachInternetGateway",
            "DisassociateAddress",
            "DisassociateRouteTable",
            "ImportKeyPair",
            "ModifyInstanceAttribute",
            "ModifySubnetAttribute",
            "ModifyVpcAttribute",
            "RevokeSecurityGroupEgress",
            "RevokeSecurityGroupIngress",
            "RunInstances",
            "TerminateInstances",
        ],
    ),
    (
        "secretsmanager",
        &[
            "CreateSecret",
            "DeleteSecret",
            "DescribeSecret",
            "GetResourcePolicy",
            "GetSecretValue",
            "PutSecretValue",
            "TagResource",
        ],
    ),
    (
        "s3",
        &[
            "CreateBucket",
            "DeleteBucket",
            "DeleteObject",
            "GetObject",
            "PutObject",
        ],
    ),
    (
        "cloudformation",
        &[
            "CreateStack",
            "DeleteStack",
            "DescribeStackEvents",
            "DescribeStacks",
            "ListStacks",
        ],
    ),
    ("ssm", &["DeleteParameter", "GetParameter", "PutParameter"]),
    (
        "route53",
        &["ChangeResourceRecordSets", "GetChange", "GetHostedZone"],
    ),
];

/// The actions of the full set that the restricted set does not have.
const MAKES_ROLES: [&str; 3] = ["iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy"];

const SESSION_MANAGER: [(&str, &[&str]); 3] = [
    (
        "ssm",
        &[
            "DescribeAssociation",
            "DescribeDocument",
            "GetDeployablePatchSnapshotForInstance",
            "GetDocument",
            "GetManifest",
            "ListAssociations",
            "ListInstanceAssociations",
            "PutComplianceItems",
            "PutConfigurePackageResult",
            "PutInventory",
            "UpdateAssociationStatus",
            "UpdateInstanceAssociationStatus",
            "UpdateInstanceInformation",
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
];

type Set = BTreeSet<String>;

fn set(groups: &[(&str, &[&str])]) -> Set {
    let all = groups.iter().flat_map(|(service, actions)| {
        actions
            .iter()
            .map(move |action| format!("{service}:{action}"))
    });
    all.collect()
}

fn statements(document: &Value) -> &[Value] {
    document["Statement"]
        .as_array()
        .expect("the document has a list of statements")
}

fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

/// Returns all actions of a document, which must name each action once and without wildcards.
fn actions(name: &str) -> Set {
    let document = policy_document(name);
    let mut all = Set::new();
    for action in statements(&document)
        .iter()
        .flat_map(|statement| strings(&statement["Action"]))
    {
        assert!(
            !action.contains(['*', '?']),
            "{name} has the pattern {action}"
        );
        assert!(all.insert(action.to_owned()), "{name} has {action} twice");
    }
    all
}

#[test]
fn the_managers_policy_has_exactly_its_99_actions() {
    let actions = actions("ai-unlimited-workspaces");
    assert_eq!(actions, set(&WORKSPACES));
    assert_eq!(actions.len(), 99);
}

#[test]
fn the_restricted_policy_lacks_exactly_the_actions_that_create_roles() {
    let restricted = actions("ai-unlimited-without-iam-role-permissions");
    let mut meant = set(&WORKSPACES);
    for action in MAKES_ROLES {
        assert!(meant.remove(action), "{action}");
    }
    assert_eq!(restricted, meant);
    assert_eq!(restricted.len(), 96);
}

#[test]
fn the_session_manager_policy_has_exactly_its_23_actions() {
    let actions = actions("session-manager");
    assert_eq!(actions, set(&SESSION_MANAGER));
    assert_eq!(actions.len(), 23);
}

#[test]
fn the_engine_policy_only_reads_secrets_below_one_prefix() {
    let name = "ai-unlimited-engine";
    assert_eq!(
        actions(name),
        Set::from(["secretsmanager:GetSecretValue".to_owned()])
    );
    let document = policy_document(name);
    let resources: Vec<&str> = statements(&document)
        .iter()
        .flat_map(|statement| strings(&statement["Resource"]))
        .collect();
    assert_eq!(
        resources,
        ["arn:<PARTITION>:secretsmanager:<REGION>:<ACCOUNT_ID>:secret:compute-engine/*"]
    );
}

#[test]
fn every_statement_only_allows_and_has_a_unique_sid() {
    let names = [
        "ai-unlimited-workspaces",
        "ai-unlimited-without-iam-role-permissions",
        "session-manager",
        "ai-unlimited-engine",
    ];
    for name in names {
        let document = policy_document(name);
        assert_eq!(document["Version"], "2012-10-17", "{name}");
        let mut sids = BTreeSet::new();
        for statement in statements(&document) {
            let sid = statement["Sid"].as_str().unwrap_or_default();
            assert!(sids.insert(sid) && !sid.is_empty(), "{name}: {sid}");
            assert!(
                sid.chars().all(|c| c.is_ascii_alphanumeric()),
                "{name}: {sid}"
            );
            assert_eq!(statement["Effect"], "Allow", "{name} {sid}");
            let keys: BTreeSet<&str> = statement
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, _)| key.as_str())
                .collect();
            assert_eq!(
                keys,
                BTreeSet::from(["Action", "Effect", "Resource", "Sid"]),
                "{name} {sid}"
            );
            if name != "ai-unlimited-engine" {
                assert_eq!(statement["Resource"], "*", "{name} {sid}");
            }
        }
    }
}
