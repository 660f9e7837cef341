//! The inline policy and the trust policy of a created role.

use engine_roles_domain::account::{Partition, Scope};
use engine_roles_domain::cluster::{CreateSpec, ModeSpec, RoleSpec, SecretName, Secrets};
use engine_roles_domain::grant::{
    INLINE_POLICY_LIMIT, RolePolicyError, role_policy, secret_warnings, trust_policy,
};
use engine_roles_policy::{Document, Request, evaluate};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::fixtures::{cluster, named_secrets, scope, spec};

fn policy(spec: &RoleSpec) -> Document {
    role_policy(spec, &scope(), &cluster()).expect("a policy")
}

/// The document as it is sent, but indented.
fn pretty(document: &Document) -> String {
    let sent: serde_json::Value = serde_json::from_str(&document.to_json()).expect("JSON");
    serde_json::to_string_pretty(&sent).expect("plain data")
}

#[test]
fn the_policy_for_all_secrets_of_a_cluster() {
    assert_snapshot!(pretty(&policy(&spec())), @r#"
    {
      "Statement": [
        {
          "Action": "secretsmanager:GetSecretValue",
          "Effect": "Allow",
          "Resource": "arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/one/*",
          "Sid": "ReadOwnSecrets"
        }
      ],
      "Version": "2012-10-17"
    }
    "#);
}

#[test]
fn the_policy_for_named_secrets() {
    let spec = RoleSpec {
        secrets: named_secrets(&["db", "a/b+c"]),
        ..spec()
    };
    assert_snapshot!(pretty(&policy(&spec)), @r#"
    {
      "Statement": [
        {
          "Action": "secretsmanager:GetSecretValue",
          "Effect": "Allow",
          "Resource": [
            "arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/one/a/b+c-??????",
            "arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/one/db-??????"
          ],
          "Sid": "ReadOwnSecrets"
        }
      ],
      "Version": "2012-10-17"
    }
    "#);
}

#[test]
fn session_managers_permissions_are_in_the_same_document() {
    let spec = RoleSpec {
        session_manager: true,
        ..spec()
    };
    assert_snapshot!(pretty(&policy(&spec)), @r#"
    {
      "Statement": [
        {
          "Action": "secretsmanager:GetSecretValue",
          "Effect": "Allow",
          "Resource": "arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/one/*",
          "Sid": "ReadOwnSecrets"
        },
        {
          "Action": [
            "ssm:DescribeDocument",
            "ssm:GetDeployablePatchSnapshotForInstance",
            "ssm:GetDocument",
            "ssm:GetManifest",
            "ssm:UpdateInstanceInformation"
          ],
          "Effect": "Allow",
          "Resource": "*",
          "Sid": "RegisterNodeAndReadDocuments"
        },
        {
          "Action": [
            "ssm:DescribeAssociation",
            "ssm:ListAssociations",
            "ssm:ListInstanceAssociations",
            "ssm:UpdateAssociationStatus",
            "ssm:UpdateInstanceAssociationStatus"
          ],
          "Effect": "Allow",
          "Resource": "*",
          "Sid": "FollowAssociations"
        },
        {
          "Action": [
            "ssm:PutComplianceItems",
            "ssm:PutConfigurePackageResult",
            "ssm:PutInventory"
          ],
          "Effect": "Allow",
          "Resource": "*",
          "Sid": "ReportInventoryAndCompliance"
        },
        {
          "Action": [
            "ssmmessages:CreateControlChannel",
            "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel",
            "ssmmessages:OpenDataChannel"
          ],
          "Effect": "Allow",
          "Resource": "*",
          "Sid": "OpenSessionChannels"
        },
        {
          "Action": [
            "ec2messages:AcknowledgeMessage",
            "ec2messages:DeleteMessage",
            "ec2messages:FailMessage",
            "ec2messages:GetEndpoint",
            "ec2messages:GetMessages",
            "ec2messages:SendReply"
          ],
          "Effect": "Allow",
          "Resource": "*",
          "Sid": "ExchangeCommandMessages"
        }
      ],
      "Version": "2012-10-17"
    }
    "#);
}

#[test]
fn the_trust_policy_names_the_ec2_principal_of_each_partition() {
    let principals = Partition::ALL.map(|partition| {
        let trust = trust_policy(partition).expect("a trust policy").to_json();
        let trust: serde_json::Value = serde_json::from_str(&trust).expect("JSON");
        let principal = &trust["Statement"][0]["Principal"]["Service"];
        format!("{partition}: {principal}")
    });
    assert_snapshot!(principals.join("\n"), @r#"
    aws: "ec2.amazonaws.com"
    aws-cn: "ec2.amazonaws.com.cn"
    aws-us-gov: "ec2.amazonaws.com"
    aws-eusc: "ec2.amazonaws.com"
    "#);
    assert_snapshot!(pretty(&trust_policy(Partition::Aws).expect("a trust policy")), @r#"
    {
      "Statement": [
        {
          "Action": "sts:AssumeRole",
          "Effect": "Allow",
          "Principal": {
            "Service": "ec2.amazonaws.com"
          },
          "Sid": "EngineNodesAssume"
        }
      ],
      "Version": "2012-10-17"
    }
    "#);
}

#[test]
fn the_policy_has_the_arns_of_each_partition() {
    for partition in Partition::ALL {
        let scope = Scope {
            partition,
            ..scope()
        };
        let document = role_policy(&spec(), &scope, &cluster()).expect("a policy");
        let resource = format!("arn:{partition}:secretsmanager:us-west-2:123456789012:");
        assert!(document.to_json().contains(&resource));
    }
}

fn may_read(document: &Document, secret: &str) -> bool {
    let arn = format!("arn:aws:secretsmanager:us-west-2:123456789012:secret:{secret}");
    let request = Request::new("secretsmanager:GetSecretValue", &arn);
    evaluate(&request, &[document], None).is_allowed()
}

#[test]
fn all_secrets_are_those_of_this_cluster_and_of_no_other() {
    let document = policy(&spec());
    assert!(may_read(&document, "compute-engine/one/db-AbCdEf"));
    assert!(may_read(&document, "compute-engine/one/a/b-AbCdEf"));
    for other in [
        "compute-engine/one-AbCdEf",
        "compute-engine/one2/db-AbCdEf",
        "compute-engine/on/db-AbCdEf",
        "compute-engine/One/db-AbCdEf",
        "compute-engine/two/one/db-AbCdEf",
        "db-AbCdEf",
    ] {
        assert!(!may_read(&document, other), "{other}");
    }
}

#[test]
fn a_named_secret_allows_that_secret_only() {
    let document = policy(&RoleSpec {
        secrets: named_secrets(&["db"]),
        ..spec()
    });
    assert!(may_read(&document, "compute-engine/one/db-AbCdEf"));
    for other in [
        "db2-AbCdEf",
        "db-two-AbCdEf",
        "db-AbCdEf-GhIjKl",
        "DB-AbCdEf",
        "x/db-AbCdEf",
    ] {
        assert!(
            !may_read(&document, &format!("compute-engine/one/{other}")),
            "{other}"
        );
    }
}

fn of_size(count: usize) -> RoleSpec {
    let names = (0..count).map(|number| SecretName::parse(&format!("s{number:03}")));
    RoleSpec {
        secrets: Secrets::named(names.map(|name| name.expect("a name"))).expect("names"),
        ..spec()
    }
}

#[test]
fn a_policy_larger_than_iam_allows_is_an_error_with_both_sizes() {
    let fits = (1..200)
        .rev()
        .find(|count| role_policy(&of_size(*count), &scope(), &cluster()).is_ok());
    let fits = fits.expect("some fit");
    let size = policy(&of_size(fits)).size();
    assert!(
        size <= INLINE_POLICY_LIMIT && size + 120 > INLINE_POLICY_LIMIT,
        "{size}"
    );
    let failed = role_policy(&of_size(fits + 1), &scope(), &cluster());
    let Err(RolePolicyError::TooLarge { size, limit }) = failed else {
        panic!("{failed:?}");
    };
    assert!(size > limit && limit == INLINE_POLICY_LIMIT);
}

#[test]
fn names_that_end_like_arns_get_a_warning() {
    let warned = |secrets| {
        let spec = RoleSpec { secrets, ..spec() };
        let warnings = secret_warnings(&spec);
        warnings
            .iter()
            .map(|warning| warning.secret.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(warned(named_secrets(&["db", "db-AbCdEf"])), ["db-AbCdEf"]);
    assert!(warned(Secrets::All).is_empty());
}

proptest! {
    #[test]
    fn no_spec_lets_a_role_read_another_clusters_secret(
        one in "[A-Za-z0-9][A-Za-z0-9_-]{0,20}",
        two in "[A-Za-z0-9][A-Za-z0-9_-]{0,20}",
        secrets in prop::option::of(prop::collection::vec("[A-Za-z0-9_+=.@-]{1,8}(/[a-z]{1,3})?", 1..5)),
        read in "[A-Za-z0-9_+=.@-]{1,8}(/[a-z]{1,3})?",
        session_manager: bool,
    ) {
        prop_assume!(one != two);
        let names = secrets.into_iter().flatten().filter_map(|name| SecretName::parse(&name).ok());
        let spec = RoleSpec {
            mode: ModeSpec::Create(CreateSpec { permissions_boundary: None }),
            secrets: Secrets::named(names).unwrap_or(Secrets::All),
            session_manager,
            ..spec()
        };
        let document = role_policy(&spec, &scope(), &one.parse().expect("a cluster"));
        let document = document.expect("a policy");
        let secret = format!("compute-engine/{two}/{read}-AbCdEf");
        prop_assert!(!may_read(&document, &secret));
    }
}
