//! Filling in the documents of `policies/`.

mod reach;

use std::collections::BTreeSet;

use engine_roles_domain::account::{AccountId, Partition};
use engine_roles_domain::cluster::{RoleReference, RoleSpec};
use engine_roles_domain::grant::{
    BoundaryArn, CATALOGUE, CatalogueError, Placeholders, PolicyTemplate, role_policy, trust_policy,
};
use engine_roles_policy::lint::{Severity, lint};
use engine_roles_policy::{Document, Kind};
use insta::assert_snapshot;

use crate::fixtures::{cluster, scope, spec};

const KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/01234567-89ab-cdef-0123-456789abcdef";
const ENGINE_DOCUMENTS: [&str; 2] = ["ai-unlimited-engine", "engine-boundary"];

fn values() -> Placeholders {
    Placeholders {
        partition: Some(Partition::Aws),
        account: Some("123456789012".parse().expect("an account")),
        namespace: Some("test".parse().expect("a namespace")),
        region: Some("us-west-2".parse().expect("a region")),
        ..Placeholders::default()
    }
}

fn with_key() -> Placeholders {
    Placeholders {
        kms_key: Some(KEY.parse().expect("a key")),
        ..values()
    }
}

fn template(name: &str) -> &'static PolicyTemplate {
    PolicyTemplate::named(name).expect("the document is in the catalogue")
}

fn render(name: &str, values: &Placeholders) -> Document {
    template(name)
        .render(values)
        .expect("the placeholders are filled in")
}

fn failed(name: &str, values: &Placeholders) -> CatalogueError {
    let rendered = template(name).render(values).map(|it| it.to_json());
    rendered.expect_err("the placeholders can't be filled in")
}

fn role(text: &str) -> RoleReference {
    RoleReference::parse(text).expect("a role")
}

#[test]
fn every_file_is_a_document_or_part_of_one() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies");
    let files = std::fs::read_dir(folder).expect("the folder");
    let names: BTreeSet<String> = files
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into())
        .collect();
    let listed = CATALOGUE.iter().map(|template| template.name.to_owned());
    let parts = ["engine-secrets-key".to_owned()];
    assert_eq!(names, listed.chain(parts).collect());
}

#[test]
fn the_catalogue_lists_the_placeholders_of_each_document() {
    let lines = CATALOGUE.map(|template| {
        let found: Vec<&str> = template.placeholders().into_iter().collect();
        let placeholders = if found.is_empty() {
            "-".to_owned()
        } else {
            found.join(" ")
        };
        let kind = template.kind.name();
        format!("{} ({kind}): {}", template.name, placeholders)
    });
    assert_snapshot!(lines.join("\n"), @"
    ai-unlimited-workspaces (identity): -
    ai-unlimited-without-iam-role-permissions (identity): -
    session-manager (identity): -
    ai-unlimited-engine (identity): ACCOUNT_ID DNS_SUFFIX KMS_KEY_ARN PARTITION REGION
    engine-trust (trust): EC2_PRINCIPAL
    engine-boundary (boundary): ACCOUNT_ID DNS_SUFFIX KMS_KEY_ARN PARTITION REGION
    engine-role-service (identity): ACCOUNT_ID NAMESPACE PARTITION PASS_THROUGH_ROLE PERMISSIONS_BOUNDARY SERVICE_ROLE
    ");
    for template in CATALOGUE {
        let sentences = template.purpose.matches(". ").count() + 1;
        assert!(
            sentences == 1 && template.purpose.ends_with('.'),
            "{template:?}"
        );
    }
}

#[test]
fn each_document_is_filled_in_for_each_partition_and_within_iams_size_limits() {
    for (partition, region) in [
        (Partition::Aws, "us-west-2"),
        (Partition::AwsCn, "cn-north-1"),
        (Partition::AwsUsGov, "us-gov-west-1"),
        (Partition::AwsEusc, "eusc-de-east-1"),
    ] {
        let key = format!(
            "arn:{partition}:kms:{region}:123456789012:key/mrk-{}",
            "0".repeat(32)
        );
        let values = Placeholders {
            // The region's partition is used.
            partition: None,
            region: Some(region.parse().expect("a region")),
            kms_key: Some(key.parse().expect("a key")),
            pass_through_roles: vec![role("engine")],
            service_roles: vec![role("service")],
            ..values()
        };
        for template in CATALOGUE {
            let document = template.render(&values).expect(template.name);
            assert_eq!(document.kind(), template.kind);
            // A managed policy may have 6,144 characters, a trust policy 2,048.
            // Source: IAM user guide, "IAM and AWS STS quotas".
            let limit = if template.kind == Kind::Trust {
                2_048
            } else {
                6_144
            };
            assert!(document.size() <= limit, "{}", template.name);
            let text = document.to_json();
            for other in Partition::ALL {
                let foreign = format!("arn:{other}:");
                assert_eq!(
                    text.contains(&foreign),
                    other == partition && text.contains("arn:")
                );
            }
        }
    }
}

#[test]
fn the_linter_finds_no_error_in_a_document_about_engines() {
    for name in ENGINE_DOCUMENTS.into_iter().chain(["engine-trust"]) {
        let findings = lint(&render(name, &with_key()));
        let worst = findings
            .iter()
            .filter(|found| found.severity == Severity::Error);
        assert_eq!(worst.count(), 0, "{name}: {findings:?}");
    }
}

#[test]
fn the_documents_of_a_created_role_are_those_of_the_catalogue() {
    for partition in Partition::ALL {
        let values = Placeholders {
            partition: Some(partition),
            ..Placeholders::default()
        };
        let trust = trust_policy(partition).expect("a trust policy");
        assert!(trust.equivalent(&render("engine-trust", &values)));
    }
    let values = Placeholders {
        cluster: Some(cluster()),
        ..with_key()
    };
    let spec = RoleSpec {
        kms_key: Some(KEY.parse().expect("a key")),
        ..spec()
    };
    let policy = role_policy(&spec, &scope(), &cluster()).expect("a policy");
    assert!(policy.equivalent(&render("ai-unlimited-engine", &values)));
}

#[test]
fn strings_are_repeated_for_many_values_and_statements_without_a_value_are_removed() {
    let sids = |document: &Document| {
        let statements = document.statements().iter();
        let sids: BTreeSet<String> = statements.filter_map(|it| it.sid.clone()).collect();
        sids
    };
    let boundary = |name| BoundaryArn::parse(name).expect("an ARN");
    let (one, two) = (
        "arn:aws:iam::123456789012:policy/one",
        "arn:aws:iam::123456789012:policy/two",
    );
    let bare = render("engine-role-service", &values());
    let full = Placeholders {
        boundaries: vec![boundary(one), boundary(two)],
        pass_through_roles: vec![
            role("plain"),
            role("arn:aws:iam::123456789012:role/a/engine"),
        ],
        service_roles: vec![role("service")],
        ..values()
    };
    let full = render("engine-role-service", &full);
    let left_out: Vec<String> = sids(&full).difference(&sids(&bare)).cloned().collect();
    assert_snapshot!(left_out.join(" "), @"AttestPreparedRoles HandPreparedRolesToEc2 TestOwnPermissions");
    let text = full.to_json();
    for (value, times) in [
        (one, 2),
        (two, 2),
        ("arn:aws:iam::123456789012:role/plain", 2),
        ("arn:aws:iam::123456789012:role/a/engine", 2),
        ("arn:aws:iam::123456789012:role/service", 1),
    ] {
        assert_eq!(
            text.matches(&format!("{value}\"")).count(),
            times,
            "{value}"
        );
    }
    let conventional = "arn:aws:iam::123456789012:policy/ai-unlimited-engine-boundary";
    assert_eq!(bare.to_json().matches(conventional).count(), 2);
    assert!(!text.contains(conventional));
}

#[test]
fn an_error_names_the_field_that_is_missing_or_contradicts_another() {
    let without = |change: fn(&mut Placeholders)| {
        let mut values = values();
        change(&mut values);
        values
    };
    let nothing = Placeholders::default();
    for (name, values, field) in [
        (
            "ai-unlimited-engine",
            without(|it| it.account = None),
            "account_id",
        ),
        (
            "ai-unlimited-engine",
            without(|it| it.region = None),
            "region",
        ),
        ("engine-boundary", without(|it| it.region = None), "region"),
        ("engine-trust", nothing.clone(), "region"),
        (
            "engine-role-service",
            without(|it| it.namespace = None),
            "namespace",
        ),
        (
            "engine-role-service",
            without(|it| it.account = None),
            "account_id",
        ),
        (
            "engine-role-service",
            without(|it| (it.region, it.partition) = (None, None)),
            "region",
        ),
        (
            "session-manager",
            without(|it| it.partition = Some(Partition::AwsCn)),
            "region",
        ),
        (
            "engine-trust",
            without(|it| {
                it.partition = None;
                it.region = Some("us-iso-east-1".parse().expect("a region"));
            }),
            "region",
        ),
        (
            "engine-boundary",
            Placeholders {
                region: Some("eu-west-1".parse().expect("a region")),
                ..with_key()
            },
            "region",
        ),
    ] {
        let error = failed(name, &values);
        assert_eq!(error.field(), Some(field), "{name}: {error}");
    }
    for name in ["session-manager", "ai-unlimited-workspaces", "engine-trust"] {
        let needs_no_more = Placeholders {
            partition: Some(Partition::Aws),
            ..nothing.clone()
        };
        render(name, &needs_no_more);
    }
    assert!(PolicyTemplate::named("engine-secrets-key").is_none());
    assert!(PolicyTemplate::named("../ai-unlimited-engine").is_none());
}

#[test]
fn a_cluster_is_rejected_for_documents_that_it_would_not_narrow() {
    let values = Placeholders {
        cluster: Some(cluster()),
        ..values()
    };
    for template in CATALOGUE {
        let narrows = ENGINE_DOCUMENTS.contains(&template.name);
        match template.render(&values) {
            Ok(document) => {
                assert!(narrows, "{}", template.name);
                assert!(document.to_json().contains("compute-engine/one/*"));
            }
            Err(error) => {
                assert!(!narrows, "{}", template.name);
                assert_eq!(error.field(), Some("cluster"), "{error}");
            }
        }
    }
}

#[test]
fn values_for_another_account_contain_nothing_of_other_accounts() {
    let other: AccountId = "999999999999".parse().expect("an account");
    let ours = "arn:aws:iam::123456789012:";
    let values = Placeholders {
        boundaries: vec![
            BoundaryArn::parse(&format!("{ours}policy/one")).expect("an ARN"),
            BoundaryArn::parse("arn:aws:iam::aws:policy/PowerUserAccess").expect("an ARN"),
        ],
        pass_through_roles: vec![role("plain"), role(&format!("{ours}role/engine"))],
        service_roles: vec![role(&format!("{ours}role/service"))],
        ..with_key()
    };
    let text = render(
        "engine-role-service",
        &values.clone().of_account(other.clone()),
    )
    .to_json();
    assert!(!text.contains("123456789012"), "{text}");
    assert!(text.contains("arn:aws:iam::aws:policy/PowerUserAccess"));
    // A role given by name belongs to the account that it was configured for.
    assert!(!text.contains("role/plain"));
    let text = render("ai-unlimited-engine", &values.of_account(other)).to_json();
    assert!(text.contains(KEY) && text.contains(":999999999999:secret:compute-engine/*"));
}
